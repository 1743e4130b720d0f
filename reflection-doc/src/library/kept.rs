// SPDX-License-Identifier: GPL-3.0-or-later
//! Texts that a repair would lose, kept as documents of their own.
//!
//! What is damaged may be the operations alone: the text that was made of them can be read all the
//! same, until the repair makes it again of what is left. Nothing typed is lost: such a text becomes
//! a new document first. Invariant: that document is complete, and noted, in one transaction, and
//! that before anything is repaired. So whoever is interrupted in between, or repairs twice, finds
//! the text kept and makes no second copy.

use reflection_node::CheckReport;
use reflection_node::access::TopicId;
use reflection_node::pipeline::Delivered;
use reflection_node::rusqlite::{Connection, OptionalExtension, params};
use reflection_node::store::StoreError;

use super::local::{self, Flag};
use super::{Library, LibraryError, summary, texts};
use crate::engine::Loading;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS kept_texts (
    -- The document whose text it was, and what the text is recognised by.
    topic BLOB NOT NULL,
    digest BLOB NOT NULL,
    -- The document that it has become.
    kept_as BLOB NOT NULL,
    PRIMARY KEY (topic, digest)
) STRICT, WITHOUT ROWID;
";

/// A text that is in a document of its own now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptText {
    /// The document that was damaged.
    pub topic: TopicId,
    /// The one that holds its text.
    pub kept_as: TopicId,
    /// Characters in the text.
    pub chars: usize,
}

/// The document that a text was kept as, if it is still there.
fn find(
    connection: &Connection,
    topic: &TopicId,
    digest: &[u8],
) -> Result<Option<TopicId>, StoreError> {
    let found: Option<[u8; 32]> = connection
        .prepare_cached(
            "SELECT kept_as FROM kept_texts
             WHERE topic = ?1 AND digest = ?2
             AND EXISTS (SELECT 1 FROM documents WHERE documents.topic = kept_as)",
        )?
        .query_row(params![topic.as_bytes().as_slice(), digest], |row| {
            row.get(0)
        })
        .optional()?;
    let found = found.map(TopicId::from_bytes);
    Ok(match found {
        Some(found) if local::is_hidden(connection, &found)? => None,
        found => found,
    })
}

/// Takes note of where a text went. What was put away stays put away.
fn note(
    connection: &Connection,
    topic: &TopicId,
    digest: &[u8],
    kept_as: &TopicId,
) -> Result<(), StoreError> {
    connection.execute(
        "INSERT OR REPLACE INTO kept_texts (topic, digest, kept_as) VALUES (?1, ?2, ?3)",
        params![
            topic.as_bytes().as_slice(),
            digest,
            kept_as.as_bytes().as_slice()
        ],
    )?;
    if local::read(connection, topic)?.is_archived {
        local::set(connection, kept_as, Flag::Archived.column(), 1)?;
    }
    Ok(())
}

/// Forgets a document that is being deleted.
pub(super) fn delete(connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
    connection.execute(
        "DELETE FROM kept_texts WHERE topic = ?1 OR kept_as = ?1",
        [topic.as_bytes().as_slice()],
    )?;
    Ok(())
}

/// A cached text, and whether nothing was accepted since.
struct Cached {
    text: String,
    is_fresh: bool,
}

/// What can be read of a document whatever its operations are.
fn cached(connection: &Connection, topic: &TopicId) -> Result<Option<Cached>, StoreError> {
    let version = summary::version(connection, topic)?;
    let stored = texts::read(connection, topic)?.filter(|stored| stored.is_sound);
    Ok(stored.map(|stored| Cached {
        is_fresh: version.is_none_or(|version| stored.version >= version),
        text: stored.text,
    }))
}

impl Library {
    /// Keeps the text of a document that can be read now, if it could not be any more once what a
    /// check found is mended.
    pub(super) async fn keep_readable(
        &self,
        topic: &TopicId,
        report: &CheckReport,
    ) -> Result<Option<KeptText>, LibraryError> {
        let (library, topic, report) = (self.clone(), *topic, report.clone());
        self.node
            .aside(async move {
                let Some(text) = library.readable(&topic).await? else {
                    return Ok(None);
                };
                if text.is_empty() || library.left_by(&report, &topic).await? == Some(text.clone())
                {
                    return Ok(None);
                }
                library.keep(&topic, &text).await.map(Some)
            })
            .await
    }

    /// The text as whoever opens the document sees it; where it does not open any more, as it was
    /// last worked out. None of a document that is about to be deleted: whoever deleted it does
    /// not want it back.
    async fn readable(&self, topic: &TopicId) -> Result<Option<String>, LibraryError> {
        let wanted = *topic;
        let found = self.node.read(move |connection| {
            let is_hidden = local::is_hidden(connection, &wanted)?;
            Ok((is_hidden, cached(connection, &wanted)?))
        });
        match found.await? {
            (true, _) => Ok(None),
            (false, Some(cached)) if cached.is_fresh => Ok(Some(cached.text)),
            (false, cached) => Ok(match self.load(topic, None).await {
                Ok(loaded) => Some(loaded.engine.text()),
                Err(_) => cached.map(|cached| cached.text),
            }),
        }
    }

    /// The text that is left of a document once what a check found is mended.
    async fn left_by(
        &self,
        report: &CheckReport,
        topic: &TopicId,
    ) -> Result<Option<String>, LibraryError> {
        // The keys of a document that is not even known are damaged.
        if self.node.access(topic).is_none() {
            return Ok(None);
        }
        let left = self.node.left_by(report, topic).await?;
        Ok(self.text_of(topic, &left))
    }

    fn text_of(&self, topic: &TopicId, operations: &[Delivered]) -> Option<String> {
        let mut loading = Loading::new(self.node.id(), topic, 0);
        loading.add(operations).ok()?;
        Some(loading.finish().ok()?.text())
    }

    async fn keep(&self, topic: &TopicId, text: &str) -> Result<KeptText, LibraryError> {
        let topic = *topic;
        let digest = *blake3::hash(text.as_bytes()).as_bytes();
        let found = self
            .node
            .read(move |connection| find(connection, &topic, &digest))
            .await?;
        let kept_as = match found {
            Some(kept_as) => kept_as,
            None => {
                self.create_noting(text, move |connection, kept_as| {
                    note(connection, &topic, &digest, kept_as)
                })
                .await?
            }
        };
        Ok(KeptText {
            topic,
            kept_as,
            chars: text.chars().count(),
        })
    }
}
