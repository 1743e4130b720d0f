// SPDX-License-Identifier: GPL-3.0-or-later
//! The full-text index: for each document the words of its title and of its text.
//!
//! The index keeps words and places alone. What is to be taken out of it is worked out again from
//! the cached text ([`super::super::texts`]), which is therefore changed together with it.
//! Invariant: what is taken out is overwritten on the disk.

use std::ops::ControlFlow;

use reflection_node::rusqlite::{Connection, OptionalExtension, params};
use reflection_node::store::StoreError;

use super::words::normalised;

/// Which words are made of a text. An index of another format is made anew.
pub(super) const INDEX_FORMAT: i64 = 1;

/// The words come normalised and with spaces between them, so the simplest tokeniser does. The
/// prefix indexes are for the word that is being typed.
const SCHEMA: &str = "
CREATE VIRTUAL TABLE document_search USING fts5(
    title, body, content = '', tokenize = 'ascii', prefix = '1 2 3'
);
-- What is deleted leaves nothing behind.
INSERT INTO document_search (document_search, rank) VALUES ('secure-delete', 1);
-- A word in the title says more than one in the text.
INSERT INTO document_search (document_search, rank) VALUES ('rank', 'bm25(8.0, 1.0)');
";

/// Makes the index where it is missing or of another format.
pub(in super::super) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS document_search_format (format INTEGER NOT NULL) STRICT",
    )?;
    let format: Option<i64> = connection
        .query_row("SELECT format FROM document_search_format", [], |row| {
            row.get(0)
        })
        .optional()?;
    if format != Some(INDEX_FORMAT) {
        reset(connection)?;
    }
    Ok(())
}

/// Throws the index away; all documents count as not indexed.
pub(in super::super) fn reset(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("SAVEPOINT search_index; DROP TABLE IF EXISTS document_search")?;
    connection.execute_batch(SCHEMA)?;
    connection.execute_batch("DELETE FROM document_search_format")?;
    connection.execute(
        "INSERT INTO document_search_format (format) VALUES (?1)",
        [INDEX_FORMAT],
    )?;
    connection.execute_batch("UPDATE document_texts SET indexed = 0; RELEASE search_index")?;
    Ok(())
}

/// The words of a document, ready to be written.
#[derive(Clone)]
pub(in super::super) struct Entry {
    title: String,
    body: String,
}

impl Entry {
    /// Takes some ten milliseconds for a megabyte.
    pub(in super::super) fn new(title: &str, text: &str) -> Self {
        Self {
            title: normalised(title),
            body: normalised(text),
        }
    }

    /// Puts the words into the index.
    pub(in super::super) fn insert(
        &self,
        connection: &Connection,
        id: i64,
    ) -> Result<(), StoreError> {
        connection
            .prepare_cached("INSERT INTO document_search (rowid, title, body) VALUES (?1, ?2, ?3)")?
            .execute(params![id, self.title, self.body])?;
        Ok(())
    }

    /// Takes the words, which have to be those that were put in, out of the index.
    pub(in super::super) fn remove(
        &self,
        connection: &Connection,
        id: i64,
    ) -> Result<(), StoreError> {
        connection
            .prepare_cached(
                "INSERT INTO document_search (document_search, rowid, title, body)
                 VALUES ('delete', ?1, ?2, ?3)",
            )?
            .execute(params![id, self.title, self.body])?;
        Ok(())
    }
}

/// In which order documents are given.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// The best first, for which all that are found have to be weighed.
    Best,
    /// As they stand in the index, at once.
    Stored,
}

/// Gives the documents that an expression finds until told to stop.
pub(super) fn find(
    connection: &Connection,
    expression: &str,
    order: Order,
    mut take: impl FnMut(i64) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(match order {
        Order::Best => {
            "SELECT rowid FROM document_search WHERE document_search MATCH ?1 ORDER BY rank"
        }
        Order::Stored => "SELECT rowid FROM document_search WHERE document_search MATCH ?1",
    })?;
    let mut rows = statement.query([expression])?;
    while let Some(row) = rows.next()? {
        if take(row.get(0)?)?.is_break() {
            break;
        }
    }
    Ok(())
}
