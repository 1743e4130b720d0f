// SPDX-License-Identifier: GPL-3.0-or-later
//! Operations that were moved aside because they are not sound. Nothing reads them but people.

use rusqlite::{Connection, params};

use crate::shared::now_us;
use crate::store::StoreError;
use crate::store::documents::{DocumentRow, to_sql};

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS quarantine (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL,
    author BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    header BLOB NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL,
    moved_us INTEGER NOT NULL
) STRICT;
";

/// Moves an author's operations from a place on aside.
pub(super) fn take_log(
    connection: &Connection,
    document: DocumentRow,
    author_row: i64,
    from: u64,
    reason: &str,
) -> Result<(), StoreError> {
    let places = params![document.0, author_row, to_sql(from)];
    connection.execute(
        "INSERT INTO quarantine (document, author, sequence, header, body, reason, moved_us)
         SELECT document, coalesce((SELECT key FROM authors WHERE id = operations.author), x''),
             sequence, header, body, ?4, ?5
         FROM operations WHERE document = ?1 AND author = ?2 AND sequence >= ?3",
        params![
            document.0,
            author_row,
            to_sql(from),
            reason,
            to_sql(now_us())
        ],
    )?;
    connection.execute(
        "DELETE FROM operations WHERE document = ?1 AND author = ?2 AND sequence >= ?3",
        places,
    )?;
    Ok(())
}

/// Moves operations aside whose document or author is not there.
pub(super) fn take_orphans(connection: &Connection) -> Result<(), StoreError> {
    const ORPHANS: &str = "document NOT IN (SELECT id FROM documents)
         OR author NOT IN (SELECT id FROM authors)";
    connection.execute(
        &format!(
            "INSERT INTO quarantine (document, author, sequence, header, body, reason, moved_us)
             SELECT document, coalesce((SELECT key FROM authors WHERE id = operations.author), x''),
                 sequence, header, body, 'it belongs to nothing', ?1
             FROM operations WHERE {ORPHANS}"
        ),
        [to_sql(now_us())],
    )?;
    connection.execute(&format!("DELETE FROM operations WHERE {ORPHANS}"), [])?;
    Ok(())
}
