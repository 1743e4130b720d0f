// SPDX-License-Identifier: GPL-3.0-or-later
//! What the list of documents shows of each without opening it.
//!
//! A summary is a cache of the operations. Each accepted operation counts `version` up in its own
//! transaction; title and length are those of the version `summarised`, and stale if it is older.

use reflection_node::DocumentInfo;
use reflection_node::access::{Access, TopicId};
use reflection_node::rusqlite::{Connection, OptionalExtension, params};
use reflection_node::store::StoreError;

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
        }
    }
}

/// A summary as it is stored.
#[derive(Clone)]
pub(super) struct StoredSummary {
    version: i64,
    pub(super) is_stale: bool,
    title: String,
    chars: u64,
    is_unread: bool,
    updated_us: u64,
}

impl StoredSummary {
    pub(super) fn refreshed(&self, title: String, chars: usize) -> Self {
        Self {
            title,
            chars: chars as u64,
            is_stale: false,
            ..self.clone()
        }
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

/// Counts a change.
pub(super) fn changed(
    connection: &Connection,
    topic: &TopicId,
    changed_us: u64,
    is_by_others: bool,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE document_summaries SET version = version + 1, unread = max(unread, ?3),
                 updated_us = max(updated_us, ?2) WHERE topic = ?1",
        )?
        .execute(params![
            topic.as_bytes().as_slice(),
            to_sql(changed_us),
            is_by_others
        ])?;
    Ok(())
}

/// The stored summary of a document.
pub(super) fn read(
    connection: &Connection,
    topic: &TopicId,
) -> Result<Option<StoredSummary>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT version, summarised < version, title, chars, unread, updated_us
             FROM document_summaries WHERE topic = ?1",
        )?
        .query_row([topic.as_bytes().as_slice()], |row| {
            Ok(StoredSummary {
                version: row.get(0)?,
                is_stale: row.get(1)?,
                title: row.get(2)?,
                chars: row.get::<_, i64>(3)?.unsigned_abs(),
                is_unread: row.get(4)?,
                updated_us: row.get::<_, i64>(5)?.unsigned_abs(),
            })
        })
        .optional()?)
}

/// Keeps what a version's text says. A newer version leaves it stale.
pub(super) fn write(
    connection: &Connection,
    topic: &TopicId,
    fresh: &StoredSummary,
) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE document_summaries SET summarised = ?2, title = ?3, chars = ?4
         WHERE topic = ?1 AND summarised <= ?2",
        params![
            topic.as_bytes().as_slice(),
            fresh.version,
            fresh.title,
            to_sql(fresh.chars)
        ],
    )?;
    Ok(())
}

/// Takes the unread mark away.
pub(super) fn mark_read(connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE document_summaries SET unread = 0 WHERE topic = ?1",
        [topic.as_bytes().as_slice()],
    )?;
    Ok(())
}
