// SPDX-License-Identifier: GPL-3.0-or-later
//! What the list of documents shows of each without opening it.
//!
//! A summary is a cache of the operations. `version` is the position of the newest accepted one,
//! written in that operation's own transaction; title and length are those of the version
//! `summarised`, and stale if it is older. They are written together with the text they are from
//! ([`super::texts`]).

use std::collections::HashMap;

use reflection_node::access::{Access, TopicId};
use reflection_node::rusqlite::{Connection, OptionalExtension, Row, params};
use reflection_node::store::StoreError;
use reflection_node::{DocumentInfo, Position};

use super::local::LocalState;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS document_summaries (
    topic BLOB PRIMARY KEY,
    version INTEGER NOT NULL,
    summarised INTEGER NOT NULL,
    title TEXT NOT NULL,
    chars INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    updated_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// A document's line in the list of all.
#[derive(Clone, PartialEq, Eq)]
pub struct DocumentSummary {
    /// Its id.
    pub topic: TopicId,
    /// Its title; empty where no line says anything.
    pub title: String,
    /// What may be done with it here.
    pub access: Access,
    /// Characters in its text.
    pub chars: u64,
    /// Whether others changed it since it was last looked at.
    pub unread: bool,
    /// When it was changed last, microseconds since 1970.
    pub updated_us: u64,
    /// How many peers have confirmed to hold all that was written here.
    pub copies: u64,
    /// Whether it came by a code rather than being made here.
    pub is_joined: bool,
    /// Whether nothing of it has arrived: it was joined, and nobody who has it was met since.
    pub is_waiting: bool,
    /// The beginning of what follows the title, on one line.
    pub preview: String,
    /// What this device alone knows of it.
    pub local: LocalState,
}

impl std::fmt::Debug for DocumentSummary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the title.
        write!(
            formatter,
            "DocumentSummary({:?}, {} characters)",
            self.topic, self.chars
        )
    }
}

impl DocumentSummary {
    /// When it was changed, or opened on this device, whichever was later; microseconds since 1970.
    pub fn last_use_us(&self) -> u64 {
        self.updated_us.max(self.local.used_us)
    }

    pub(super) fn new(info: DocumentInfo, state: StoredSummary) -> Self {
        Self {
            topic: info.topic,
            title: state.title,
            access: info.access,
            chars: state.chars,
            unread: state.is_unread,
            updated_us: state.updated_us,
            copies: info.copies,
            is_joined: info.is_joined,
            is_waiting: info.is_joined && state.version == 0,
            preview: state.preview,
            local: state.local,
        }
    }
}

/// A summary as it is stored.
#[derive(Clone)]
pub(super) struct StoredSummary {
    version: i64,
    pub(super) is_stale: bool,
    pub(super) is_hidden: bool,
    title: String,
    chars: u64,
    is_unread: bool,
    updated_us: u64,
    preview: String,
    local: LocalState,
}

impl StoredSummary {
    /// Whether this is what it says.
    pub(super) fn says(&self, title: &str, chars: usize) -> bool {
        self.title == title && self.chars == chars as u64
    }
}

fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Begins the summary of a new document.
pub(super) fn add(connection: &Connection, topic: &TopicId, now_us: u64) -> Result<(), StoreError> {
    connection.execute(
        "INSERT OR IGNORE INTO document_summaries
             (topic, version, summarised, title, chars, unread, updated_us)
         VALUES (?1, 0, 0, '', 0, 0, ?2)",
        params![topic.as_bytes().as_slice(), to_sql(now_us)],
    )?;
    Ok(())
}

/// Makes the table anew. What a person has read is no function of the operations and is kept.
pub(super) fn reset(connection: &Connection) -> Result<(), StoreError> {
    let is_there = connection
        .prepare("SELECT 1 FROM sqlite_schema WHERE name = 'document_summaries'")?
        .exists([])?;
    let mut kept: Vec<(Vec<u8>, bool)> = Vec::new();
    if is_there {
        let mut statement = connection.prepare("SELECT topic, unread FROM document_summaries")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        kept = rows.collect::<Result<_, _>>()?;
    }
    connection.execute_batch("DROP TABLE IF EXISTS document_summaries")?;
    connection.execute_batch(SCHEMA)?;
    for (topic, is_unread) in kept {
        connection.execute(
            "INSERT INTO document_summaries
                 (topic, version, summarised, title, chars, unread, updated_us)
             VALUES (?1, 0, 0, '', 0, ?2, 0)",
            params![topic, is_unread],
        )?;
    }
    Ok(())
}

/// Has what is summarised worked out again.
pub(super) fn wipe(connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE document_summaries SET summarised = 0 WHERE topic = ?1",
        [topic.as_bytes().as_slice()],
    )?;
    Ok(())
}

/// Takes note of a change.
pub(super) fn changed(
    connection: &Connection,
    topic: &TopicId,
    position: Position,
    changed_us: u64,
    is_unread: bool,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE document_summaries SET version = max(version, ?2), unread = max(unread, ?4),
                 updated_us = max(updated_us, ?3) WHERE topic = ?1",
        )?
        .execute(params![
            topic.as_bytes().as_slice(),
            position,
            to_sql(changed_us),
            is_unread
        ])?;
    Ok(())
}

const COLUMNS: &str = "
    summaries.topic, summaries.version, summaries.summarised < summaries.version,
    summaries.title, summaries.chars, summaries.unread, summaries.updated_us,
    coalesce(texts.preview, ''),
    coalesce(local.is_deleted OR local.is_unfinished, 0), coalesce(local.is_pinned, 0),
    coalesce(local.is_archived, 0), coalesce(local.used_us, 0), coalesce(local.caret, 0)
    FROM document_summaries AS summaries
    LEFT JOIN document_texts AS texts ON texts.topic = summaries.topic
    LEFT JOIN document_local AS local ON local.topic = summaries.topic";

fn from_row(row: &Row<'_>) -> reflection_node::rusqlite::Result<StoredSummary> {
    let number = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
    Ok(StoredSummary {
        version: row.get(1)?,
        is_stale: row.get(2)?,
        title: row.get(3)?,
        chars: number(4)?,
        is_unread: row.get(5)?,
        updated_us: number(6)?,
        preview: row.get(7)?,
        is_hidden: row.get(8)?,
        local: LocalState {
            is_pinned: row.get(9)?,
            is_archived: row.get(10)?,
            used_us: number(11)?,
            caret: number(12)?,
        },
    })
}

/// The stored summary of a document.
pub(super) fn read(
    connection: &Connection,
    topic: &TopicId,
) -> Result<Option<StoredSummary>, StoreError> {
    Ok(connection
        .prepare_cached(&format!("SELECT {COLUMNS} WHERE summaries.topic = ?1"))?
        .query_row([topic.as_bytes().as_slice()], from_row)
        .optional()?)
}

/// The stored summaries of all documents, by the bytes of their ids.
pub(super) fn all(connection: &Connection) -> Result<HashMap<Vec<u8>, StoredSummary>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS}"))?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, from_row(row)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The position of a document's newest operation; 0 where it has none, `None` where it is not
/// here.
pub(super) fn version(
    connection: &Connection,
    topic: &TopicId,
) -> Result<Option<Position>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT version FROM document_summaries WHERE topic = ?1")?
        .query_row([topic.as_bytes().as_slice()], |row| row.get(0))
        .optional()?)
}

/// Keeps what a version's text says. A newer version leaves it stale. `false` where there is a
/// newer summary, or the document is gone.
pub(super) fn write(
    connection: &Connection,
    topic: &TopicId,
    version: Position,
    title: &str,
    chars: u64,
) -> Result<bool, StoreError> {
    let rows = connection
        .prepare_cached(
            "UPDATE document_summaries SET summarised = ?2, title = ?3, chars = ?4
             WHERE topic = ?1 AND summarised <= ?2",
        )?
        .execute(params![
            topic.as_bytes().as_slice(),
            version,
            title,
            to_sql(chars)
        ])?;
    Ok(rows > 0)
}

/// Takes the unread mark away.
pub(super) fn mark_read(connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE document_summaries SET unread = 0 WHERE topic = ?1",
        [topic.as_bytes().as_slice()],
    )?;
    Ok(())
}
