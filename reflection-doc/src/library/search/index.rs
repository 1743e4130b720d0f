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

/// Documents that are weighed against each other, at most: it takes some microseconds for each.
const WEIGHED_MAX: usize = 2_000;

/// In which order documents are given.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// The best first. Of what very many have, those that came here last are weighed, and the others
    /// follow, the newest first.
    Best,
    /// Those that came here last, at once.
    Newest,
}

/// Gives the documents that an expression finds until told to stop.
pub(super) fn find(
    connection: &Connection,
    expression: &str,
    order: Order,
    mut take: impl FnMut(i64) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    let (statement, weighed_max) = match order {
        Order::Best => (
            "SELECT rowid, rank FROM document_search WHERE document_search MATCH ?1
             ORDER BY rowid DESC",
            WEIGHED_MAX,
        ),
        Order::Newest => (
            "SELECT rowid FROM document_search WHERE document_search MATCH ?1 ORDER BY rowid DESC",
            0,
        ),
    };
    let mut statement = connection.prepare_cached(statement)?;
    // In one go: for the beginning of a word the index puts together all that have it before it gives
    // the first, each time that it is asked.
    let mut rows = statement.query([expression])?;
    let mut weighed: Vec<(f64, i64)> = Vec::new();
    while weighed.len() < weighed_max {
        let Some(row) = rows.next()? else {
            break;
        };
        weighed.push((row.get(1)?, row.get(0)?));
    }
    weighed.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (_, id) in weighed {
        if take(id)?.is_break() {
            return Ok(());
        }
    }
    while let Some(row) = rows.next()? {
        if take(row.get(0)?)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(connection: &Connection, expression: &str) -> Vec<i64> {
        let mut found = Vec::new();
        find(connection, expression, Order::Best, |id| {
            found.push(id);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        found
    }

    #[test]
    fn of_what_very_many_have_the_newest_are_weighed_and_none_is_missed() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let count = i64::try_from(WEIGHED_MAX).unwrap() + 100;
        for id in 1..=count {
            let (title, text) = match id {
                // The best of all, but old; and the best of the newer ones.
                1 => ("common", "common rare"),
                1_500 => ("common", "common"),
                _ => ("other", "something common among other words"),
            };
            Entry::new(title, text).insert(&connection, id).unwrap();
        }
        let mut all = found(&connection, "\"common\"");
        assert_eq!(all[0], 1_500);
        assert!(all.iter().copied().skip(WEIGHED_MAX).eq((1..=100).rev()));
        all.sort_unstable();
        assert_eq!(all, (1..=count).collect::<Vec<_>>());
        assert_eq!(found(&connection, "\"rare\""), [1]);
        assert_eq!(found(&connection, "\"common\" AND \"rare\" *"), [1]);
        let mut titled = found(&connection, "title : \"common\"");
        titled.sort_unstable();
        assert_eq!(titled, [1, 1_500]);
        assert!(found(&connection, "\"nothing\"").is_empty());
    }
}
