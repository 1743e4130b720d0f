// SPDX-License-Identifier: GPL-3.0-or-later
//! What this device alone knows of a document: pinned, archived, where the caret was, whether it
//! was handed on; and whose changes are not announced here. None of it is shared.

use reflection_node::DocumentError;
use reflection_node::access::{Access, Code, TopicId};
use reflection_node::identity::AuthorId;
use reflection_node::rusqlite::{Connection, OptionalExtension, params};
use reflection_node::store::StoreError;

use super::{Library, LibraryError, now_us};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS document_local (
    topic BLOB PRIMARY KEY,
    is_pinned INTEGER NOT NULL DEFAULT 0,
    is_archived INTEGER NOT NULL DEFAULT 0,
    -- Whether a code of it was shown to anybody.
    is_shared INTEGER NOT NULL DEFAULT 0,
    -- Whether its first text is still being written.
    is_unfinished INTEGER NOT NULL DEFAULT 0,
    -- Whether it is about to be deleted, which can still be undone.
    is_deleted INTEGER NOT NULL DEFAULT 0,
    used_us INTEGER NOT NULL DEFAULT 0,
    caret INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
-- Documents that were made of something, and stay however empty they are.
CREATE TABLE IF NOT EXISTS wanted_documents (
    topic BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS muted_authors (
    author BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
";

/// What this device knows of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalState {
    /// Whether it stays at the top of the list.
    pub is_pinned: bool,
    /// Whether it is put away.
    pub is_archived: bool,
    /// When somebody opened it here last, microseconds since 1970; 0 for never.
    pub used_us: u64,
    /// Where the caret was left: Unicode scalar values before it. The text may have become
    /// shorter since.
    pub caret: u64,
}

/// A mark of a document. Names of columns, so that none comes from elsewhere.
#[derive(Clone, Copy)]
pub(super) enum Flag {
    Pinned,
    Archived,
    Shared,
    Unfinished,
    Deleted,
}

impl Flag {
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Pinned => "is_pinned",
            Self::Archived => "is_archived",
            Self::Shared => "is_shared",
            Self::Unfinished => "is_unfinished",
            Self::Deleted => "is_deleted",
        }
    }
}

/// Sets a mark of a document that is here. `false` where it is not.
pub(super) fn set(
    connection: &Connection,
    topic: &TopicId,
    column: &str,
    value: i64,
) -> Result<bool, StoreError> {
    let rows = connection
        .prepare_cached(&format!(
            "INSERT INTO document_local (topic, {column})
             SELECT topic, ?2 FROM document_summaries WHERE topic = ?1
             ON CONFLICT (topic) DO UPDATE SET {column} = ?2"
        ))?
        .execute(params![topic.as_bytes().as_slice(), value])?;
    Ok(rows > 0)
}

/// Takes note that a document stays even if it is empty.
pub(super) fn want(connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
    connection.execute(
        "INSERT OR IGNORE INTO wanted_documents (topic) VALUES (?1)",
        [topic.as_bytes().as_slice()],
    )?;
    Ok(())
}

/// What this device knows of a document; nothing special where it has no row.
pub(super) fn read(connection: &Connection, topic: &TopicId) -> Result<LocalState, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT is_pinned, is_archived, used_us, caret FROM document_local WHERE topic = ?1",
        )?
        .query_row([topic.as_bytes().as_slice()], |row| {
            Ok(LocalState {
                is_pinned: row.get(0)?,
                is_archived: row.get(1)?,
                used_us: row.get::<_, i64>(2)?.unsigned_abs(),
                caret: row.get::<_, i64>(3)?.unsigned_abs(),
            })
        })
        .optional()?
        .unwrap_or_default())
}

/// Whether a document is not to be shown: about to be deleted, or not complete yet.
pub(super) fn is_hidden(connection: &Connection, topic: &TopicId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM document_local
             WHERE topic = ?1 AND (is_deleted <> 0 OR is_unfinished <> 0)",
        )?
        .exists([topic.as_bytes().as_slice()])?)
}

/// Whether changes of an author are not announced on this device.
pub(super) fn is_muted(connection: &Connection, author: &AuthorId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM muted_authors WHERE author = ?1")?
        .exists([author.as_bytes().as_slice()])?)
}

/// All documents with what this device knows of them.
const LOCALLY: &str = "document_summaries AS summaries
         LEFT JOIN document_local AS local ON local.topic = summaries.topic
         JOIN documents ON documents.topic = summaries.topic";

/// Which of them were made here of nothing, never written to and never handed on.
const UNTOUCHED: &str = "(summaries.version = 0 AND NOT documents.is_joined
                AND NOT coalesce(local.is_shared OR local.is_pinned, 0)
                AND NOT EXISTS (SELECT 1 FROM wanted_documents AS wanted
                                WHERE wanted.topic = summaries.topic)
                AND NOT EXISTS (SELECT 1 FROM operations
                                WHERE operations.document = documents.id)
                AND NOT EXISTS (SELECT 1 FROM document_peers
                                WHERE document_peers.document = documents.id))";

/// Whether nobody would miss a document.
fn is_untouched(connection: &Connection, topic: &TopicId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT 1 FROM {LOCALLY} WHERE summaries.topic = ?1 AND {UNTOUCHED}"
        ))?
        .exists([topic.as_bytes().as_slice()])?)
}

/// Documents that nobody would miss: about to be deleted; with a first text that was not written
/// to its end; made here, never written to and never handed on.
fn leftovers(connection: &Connection) -> Result<Vec<TopicId>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT summaries.topic FROM {LOCALLY}
         WHERE local.is_deleted OR local.is_unfinished OR {UNTOUCHED}"
    ))?;
    let topics = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    let mut leftovers = Vec::new();
    for topic in topics {
        if let Ok(topic) = <[u8; 32]>::try_from(topic?) {
            leftovers.push(TopicId::from_bytes(topic));
        }
    }
    Ok(leftovers)
}

impl Library {
    pub(super) async fn mark(
        &self,
        topic: &TopicId,
        flag: Flag,
        is_set: bool,
    ) -> Result<(), LibraryError> {
        let topic = *topic;
        let is_here = self
            .node
            .write(move |connection| set(connection, &topic, flag.column(), is_set.into()))
            .await?;
        if is_here {
            Ok(())
        } else {
            Err(LibraryError::NotHere)
        }
    }

    /// Keeps a document at the top of the list, or not any more.
    pub async fn set_pinned(&self, topic: &TopicId, is_pinned: bool) -> Result<(), LibraryError> {
        self.mark(topic, Flag::Pinned, is_pinned).await
    }

    /// Puts a document away, or takes it out again. It is synchronised all the same.
    pub async fn set_archived(
        &self,
        topic: &TopicId,
        is_archived: bool,
    ) -> Result<(), LibraryError> {
        self.mark(topic, Flag::Archived, is_archived).await
    }

    /// What this device knows of a document.
    pub async fn local_state(&self, topic: &TopicId) -> Result<LocalState, LibraryError> {
        let topic = *topic;
        Ok(self
            .node
            .read(move |connection| read(connection, &topic))
            .await?)
    }

    /// Takes note that a document is opened.
    pub async fn used(&self, topic: &TopicId) -> Result<(), LibraryError> {
        self.keep_number(topic, "used_us", now_us()).await
    }

    /// Takes note of where the caret was left.
    pub async fn left_at(&self, topic: &TopicId, caret: u64) -> Result<(), LibraryError> {
        self.keep_number(topic, "caret", caret).await
    }

    async fn keep_number(
        &self,
        topic: &TopicId,
        column: &'static str,
        number: u64,
    ) -> Result<(), LibraryError> {
        let topic = *topic;
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.node
            .write(move |connection| set(connection, &topic, column, number))
            .await?;
        Ok(())
    }

    /// A code that hands on the right `access` to a document, which counts as shared from now on.
    pub async fn code(
        &self,
        topic: &TopicId,
        access: Access,
        with_hints: bool,
    ) -> Result<Code, LibraryError> {
        let code = self.node.code(topic, access, with_hints).await?;
        self.mark(topic, Flag::Shared, true).await?;
        Ok(code)
    }

    /// The authors whose changes are not announced on this device.
    pub async fn muted(&self) -> Result<Vec<AuthorId>, LibraryError> {
        Ok(self
            .node
            .read(|connection| {
                let mut statement =
                    connection.prepare_cached("SELECT author FROM muted_authors")?;
                let authors = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
                let mut muted = Vec::new();
                for author in authors {
                    if let Ok(author) = <[u8; 32]>::try_from(author?) {
                        muted.push(AuthorId::from_bytes(author));
                    }
                }
                Ok(muted)
            })
            .await?)
    }

    /// Announces an author's changes on this device no longer, or again: they make no document
    /// unread. The text they write is everybody's and stays.
    pub async fn set_muted(&self, author: &AuthorId, is_muted: bool) -> Result<(), LibraryError> {
        let author = *author;
        self.node
            .write(move |connection| {
                let statement = if is_muted {
                    "INSERT OR IGNORE INTO muted_authors (author) VALUES (?1)"
                } else {
                    "DELETE FROM muted_authors WHERE author = ?1"
                };
                connection.execute(statement, [author.as_bytes().as_slice()])?;
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// Hides a document that is about to be deleted. [`Library::undelete`] brings it back until
    /// [`Library::tidy`] deletes it, which happens at the next start at the latest.
    pub async fn delete_later(&self, topic: &TopicId) -> Result<(), LibraryError> {
        self.mark(topic, Flag::Deleted, true).await
    }

    /// Brings back a document that was to be deleted.
    pub async fn undelete(&self, topic: &TopicId) -> Result<(), LibraryError> {
        self.mark(topic, Flag::Deleted, false).await
    }

    /// Whether a document was made here, and never written to, pinned or handed on.
    pub async fn is_untouched(&self, topic: &TopicId) -> Result<bool, LibraryError> {
        let topic = *topic;
        let is_untouched = self
            .node
            .read(move |connection| is_untouched(connection, &topic));
        Ok(is_untouched.await?)
    }

    /// Deletes what was to be deleted, and what nobody would miss: documents whose import was
    /// interrupted, and empty ones that were made here, never written to and never shared. To be
    /// called when no document is open or being made. Gives how many documents went.
    pub async fn tidy(&self) -> Result<usize, LibraryError> {
        let leftovers = self.node.read(leftovers).await?;
        let mut deleted = 0;
        for topic in leftovers {
            match self.node.delete(&topic).await {
                Ok(()) => deleted += 1,
                Err(DocumentError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(deleted)
    }
}
