// SPDX-License-Identifier: GPL-3.0-or-later
//! Mending what a check found. Runs on the writing thread, in one transaction.

use rusqlite::{Connection, params};

use super::{Cure, Finding, quarantine};
use crate::access::{Access, TopicId};
use crate::pipeline::{Processor, rebuild};
use crate::shared::now_us;
use crate::store::documents::{DocumentRow, to_sql};
use crate::store::{StoreError, documents, is_damaged, operations};
use crate::sync::heights::Head;

/// Applies the cure of a finding. `false` where there is none.
pub(crate) fn repair(
    connection: &Connection,
    processor: &mut Processor,
    finding: &Finding,
) -> Result<bool, StoreError> {
    match &finding.cure {
        Cure::None => return Ok(false),
        Cure::Reindex => return reindex(connection, processor),
        Cure::RemoveOrphans { table } => remove_orphans(connection, table)?,
        Cure::EndLog {
            document,
            author_row,
            head,
            reason,
        } => {
            end_log(connection, *document, *author_row, *head, reason)?;
            let own = operations::find_author_row(connection, &processor.key.id())?;
            if own == Some(*author_row) {
                begin_again(connection, *document, head.map_or(0, |head| head.next))?;
            }
        }
        Cure::Rebuild => {}
    }
    // Whatever was made of operations that are not there any more goes with them.
    if let Some(topic) = &finding.topic
        && let Some(document) = documents::find(connection, topic)?
    {
        rebuild(connection, processor, &document)?;
    }
    Ok(true)
}

/// Makes indexes again until SQLite finds nothing wrong: its own, then the application's.
fn reindex(connection: &Connection, processor: &mut Processor) -> Result<bool, StoreError> {
    let is_mended = |connection: &Connection| -> Result<bool, StoreError> {
        match connection.execute_batch("REINDEX") {
            Err(error) if is_damaged(&error) => return Ok(false),
            done => done?,
        }
        let after: String =
            connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        Ok(after == "ok")
    };
    if is_mended(connection)? {
        return Ok(true);
    }
    match processor.application.reindex(connection) {
        Ok(is_made_again) => Ok(is_made_again && is_mended(connection)?),
        Err(error) if error.is_damaged() => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_orphans(connection: &Connection, table: &str) -> Result<(), StoreError> {
    match table {
        "operations" => quarantine::take_orphans(connection),
        "authors" => {
            connection.execute(
                "DELETE FROM authors WHERE id NOT IN (SELECT author FROM logs)
                 AND id NOT IN (SELECT author FROM operations)",
                [],
            )?;
            Ok(())
        }
        // Notes about documents that are not there are of no use to anybody.
        table => {
            let name = table.replace('"', "\"\"");
            connection.execute(
                &format!("DELETE FROM \"{name}\" WHERE document NOT IN (SELECT id FROM documents)"),
                [],
            )?;
            Ok(())
        }
    }
}

/// Ends a log at its last sound operation.
fn end_log(
    connection: &Connection,
    document: DocumentRow,
    author_row: i64,
    head: Option<Head>,
    reason: &str,
) -> Result<(), StoreError> {
    let next = head.map_or(0, |head| head.next);
    quarantine::take_log(connection, document, author_row, next, reason)?;
    if let Some(head) = head {
        connection.execute(
            "INSERT INTO logs (document, author, next, head, base) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (document, author) DO UPDATE SET next = ?3, head = ?4, base = ?5",
            params![
                document.0,
                author_row,
                to_sql(head.next),
                head.id.as_bytes().as_slice(),
                to_sql(head.base)
            ],
        )?;
    } else {
        connection.execute(
            "DELETE FROM logs WHERE document = ?1 AND author = ?2",
            params![document.0, author_row],
        )?;
        remove_orphans(connection, "authors")?;
    }
    Ok(())
}

/// Our own log was cut: peers are believed to hold no more than what is left, and what is written
/// from now on has CRDT counters of its own.
fn begin_again(
    connection: &Connection,
    document: DocumentRow,
    next: u64,
) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE documents SET incarnation = max(incarnation + 1, ?2) WHERE id = ?1",
        params![document.0, to_sql(now_us())],
    )?;
    connection.execute(
        "UPDATE document_peers SET confirmed = min(confirmed, ?2) WHERE document = ?1",
        params![document.0, to_sql(next)],
    )?;
    Ok(())
}

/// Whether the application's state of a document is another one than its operations make. Leaves
/// everything as it was.
pub(crate) fn state_differs(
    connection: &Connection,
    processor: &mut Processor,
    topic: &TopicId,
) -> Result<bool, StoreError> {
    let Some(document) = documents::find(connection, topic)? else {
        return Ok(false);
    };
    if document.keys.access() < Access::Read {
        return Ok(false);
    }
    let before = processor.application.digest(connection, topic)?;
    connection.execute_batch("SAVEPOINT again")?;
    let after = rebuild(connection, processor, &document)
        .and_then(|_| processor.application.digest(connection, topic));
    connection.execute_batch("ROLLBACK TO again; RELEASE again")?;
    Ok(after? != before)
}
