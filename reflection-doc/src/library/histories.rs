// SPDX-License-Identifier: GPL-3.0-or-later
//! Histories that were joined once, so that a document of very many operations is not made of each
//! of them again whenever it is opened.
//!
//! A cache of the operations, which may be thrown away at any time. It goes when an author's log
//! was compacted: then there are few operations, and two copies would only take space.

use reflection_node::Position;
use reflection_node::access::TopicId;
use reflection_node::pipeline::DocumentStream;
use reflection_node::rusqlite::{Connection, OptionalExtension, params};
use reflection_node::store::StoreError;

use super::{Library, LibraryError};
use crate::engine::{Effect, Engine, Loading, Shown};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS document_histories (
    topic BLOB PRIMARY KEY,
    -- How many times what was here has been thrown away: what is made of operations that were read
    -- before is not written after.
    epoch INTEGER NOT NULL,
    -- The position up to which the history holds everything, and the number of the stream that it
    -- was read from.
    position INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    history BLOB,
    digest BLOB
) STRICT;
";

/// Operations that are joined at each opening before the outcome is kept: as many as a log has before
/// it is compacted.
const KEPT_FROM_OPERATIONS: usize = 512;

/// A history as it is stored.
#[derive(Default)]
struct StoredHistory {
    epoch: i64,
    position: Position,
    generation: i64,
    /// `None` where there is none, or a damaged one.
    history: Option<Vec<u8>>,
    is_damaged: bool,
}

fn read(connection: &Connection, topic: &TopicId) -> Result<StoredHistory, StoreError> {
    let stored = connection
        .prepare_cached(
            "SELECT epoch, position, generation, history, digest FROM document_histories
             WHERE topic = ?1",
        )?
        .query_row([topic.as_bytes().as_slice()], |row| {
            let (history, digest): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(3)?, row.get(4)?);
            let made = history.as_deref().map(blake3::hash);
            let is_damaged = made.map(|made| made.as_bytes().to_vec()) != digest;
            Ok(StoredHistory {
                epoch: row.get(0)?,
                position: row.get(1)?,
                generation: row.get(2)?,
                history: history.filter(|_| !is_damaged),
                is_damaged,
            })
        })
        .optional()?;
    Ok(stored.unwrap_or_default())
}

/// Keeps a history, unless what it was made of has been thrown away meanwhile.
fn write(
    connection: &Connection,
    topic: &TopicId,
    (epoch, position, generation): (i64, Position, i64),
    history: &[u8],
) -> Result<(), StoreError> {
    if read(connection, topic)?.epoch == epoch {
        connection
            .prepare_cached(
                "INSERT INTO document_histories
                     (topic, epoch, position, generation, history, digest)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6
                 WHERE EXISTS (SELECT 1 FROM document_summaries WHERE topic = ?1)
                 ON CONFLICT (topic) DO UPDATE SET position = ?3, generation = ?4, history = ?5,
                     digest = ?6",
            )?
            .execute(params![
                topic.as_bytes().as_slice(),
                epoch,
                position,
                generation,
                history,
                blake3::hash(history).as_bytes()
            ])?;
    }
    Ok(())
}

/// Throws a history away.
pub(super) fn forget(connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO document_histories (topic, epoch, position, generation)
             VALUES (?1, 1, 0, 0)
             ON CONFLICT (topic) DO UPDATE SET epoch = epoch + 1, position = 0, generation = 0,
                 history = NULL, digest = NULL",
        )?
        .execute([topic.as_bytes().as_slice()])?;
    Ok(())
}

/// Throws a history away that claims to hold what is only processed now.
pub(super) fn forget_from(
    connection: &Connection,
    topic: &TopicId,
    position: Position,
) -> Result<(), StoreError> {
    let claims_to = connection
        .prepare_cached("SELECT 1 FROM document_histories WHERE topic = ?1 AND position >= ?2")?
        .exists(params![topic.as_bytes().as_slice(), position])?;
    if claims_to {
        forget(connection, topic)?;
    }
    Ok(())
}

/// A document as it was loaded.
pub(super) struct Loaded {
    /// All that is stored.
    pub(super) engine: Engine,
    /// What comes after.
    pub(super) stream: DocumentStream,
    /// What leads from the text that was shown meanwhile to this one.
    pub(super) since: Vec<Effect>,
}

impl Library {
    /// All that is stored of a document, and what is different from a text that is seen already.
    pub(super) async fn load(
        &self,
        topic: &TopicId,
        shown: Option<&Shown>,
    ) -> Result<Loaded, LibraryError> {
        let wanted = *topic;
        let stored = self
            .node
            .read(move |connection| read(connection, &wanted))
            .await?;
        match self.load_after(topic, &stored, shown, true).await {
            // Whatever is wrong with what was kept, the operations are there.
            Err(LibraryError::Engine(error)) if stored.history.is_some() => {
                tracing::warn!(%error, ?topic, "a history is made anew");
                let nothing = StoredHistory {
                    epoch: stored.epoch,
                    ..StoredHistory::default()
                };
                self.load_after(topic, &nothing, shown, true).await
            }
            loaded => loaded,
        }
    }

    /// The same from the operations alone, and nothing is kept of it.
    pub(super) async fn load_operations(&self, topic: &TopicId) -> Result<Engine, LibraryError> {
        let nothing = StoredHistory::default();
        let loaded = self.load_after(topic, &nothing, None, false).await?;
        Ok(loaded.engine)
    }

    async fn load_after(
        &self,
        topic: &TopicId,
        stored: &StoredHistory,
        shown: Option<&Shown>,
        is_kept: bool,
    ) -> Result<Loaded, LibraryError> {
        'begin: loop {
            let mut stream = self.node.stream(topic, stored.position).await?;
            let mut loading = Loading::new(self.node.id(), topic, stream.incarnation());
            if let Some(shown) = shown {
                loading.show(shown.clone());
            }
            let kept = stored.history.as_deref();
            let is_of_this_stream = stored.generation == stream.generation();
            if !kept.is_some_and(|kept| is_of_this_stream && loading.resume(kept))
                && stored.position > 0
            {
                stream = self.node.stream(topic, 0).await?;
            }
            let mut count = 0;
            loop {
                match stream.stored().await {
                    Ok(batch) if batch.is_empty() => break,
                    Ok(batch) => {
                        count += batch.len();
                        loading.add(&batch)?;
                    }
                    Err(reflection_node::pipeline::StreamError::Rebuilt) => continue 'begin,
                    Err(error) => return Err(error.into()),
                }
            }
            let is_kept = is_kept && count >= KEPT_FROM_OPERATIONS;
            let loaded = loading.finish_and_keep(is_kept)?;
            if let Some(history) = loaded.kept {
                self.keep_history(topic, stored.epoch, &stream, history)
                    .await;
            }
            return Ok(Loaded {
                engine: loaded.engine,
                stream,
                since: loaded.since,
            });
        }
    }

    async fn keep_history(
        &self,
        topic: &TopicId,
        epoch: i64,
        stream: &DocumentStream,
        history: Vec<u8>,
    ) {
        let (topic, place) = (*topic, (epoch, stream.position(), stream.generation()));
        let written = self
            .node
            .write(move |connection| write(connection, &topic, place, &history))
            .await;
        // Without it the next opening takes as long as this one.
        if let Err(error) = written {
            tracing::warn!(%error, ?topic, "a history cannot be kept");
        }
    }

    /// Whether what is kept of a document's history is damaged, or is not what the operations make.
    pub(super) async fn is_history_damaged(
        &self,
        topic: &TopicId,
        made: &Engine,
    ) -> Result<bool, LibraryError> {
        let wanted = *topic;
        let stored = self
            .node
            .read(move |connection| read(connection, &wanted))
            .await?;
        if stored.history.is_none() {
            return Ok(stored.is_damaged);
        }
        // What has come meanwhile is no damage: a version behind is compared by what both hold.
        match self.load_after(topic, &stored, None, false).await {
            Ok(loaded) => {
                let kept = loaded.engine;
                Ok(kept.version() == made.version() && kept.text() != made.text())
            }
            Err(LibraryError::Engine(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
