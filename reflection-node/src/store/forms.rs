// SPDX-License-Identifier: GPL-3.0-or-later
//! Other forms of logs that go on in two ways, each whole, kept aside for their authors.
//!
//! Whoever is between an author and somebody who holds the other form can take neither in place of
//! the other. It keeps what it does not take, so that the author hears of it.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;
use super::documents::{DocumentRow, to_sql};
use super::operations;
use crate::identity::AuthorId;
use crate::operation::{Operation, OperationId};
use crate::sync::heights::Head;

/// Most bytes of one form.
pub(crate) const FORM_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most bytes of all forms of a document.
const FORMS_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Most forms of one log.
const FORMS_PER_LOG_MAX: i64 = 8;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS forms (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents(id),
    author BLOB NOT NULL,
    -- Where it ends, as in logs.
    next INTEGER NOT NULL,
    head BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    UNIQUE (document, author, head)
) STRICT;

CREATE TABLE IF NOT EXISTS form_operations (
    form INTEGER NOT NULL REFERENCES forms(id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    header BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (form, sequence)
) STRICT;

CREATE TRIGGER IF NOT EXISTS replica_hosted_form_insert AFTER INSERT ON forms BEGIN
    UPDATE replica_hosted SET bytes = bytes + NEW.bytes WHERE document = NEW.document;
END;
CREATE TRIGGER IF NOT EXISTS replica_hosted_form_delete AFTER DELETE ON forms BEGIN
    UPDATE replica_hosted SET bytes = bytes - OLD.bytes WHERE document = OLD.document;
END;
";

/// Whose log, and where a form of it ends.
pub(crate) type Form = (AuthorId, Head);

fn to_form(row: &Row<'_>) -> Result<Form, StoreError> {
    let bytes = |index: usize| -> Result<[u8; 32], StoreError> {
        let bytes: Vec<u8> = row.get(index)?;
        bytes
            .try_into()
            .map_err(|_| StoreError::Damaged("a form of a log"))
    };
    let (author, id) = (bytes(0)?, bytes(2)?);
    let head = Head {
        next: row.get::<_, i64>(1)?.unsigned_abs(),
        id: OperationId::from_bytes(id),
        base: 0,
    };
    Ok((AuthorId::from_bytes(author), head))
}

/// The forms of a document's logs that are kept aside, always in the same order.
pub(crate) fn ends(
    connection: &Connection,
    document: DocumentRow,
) -> Result<Vec<Form>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT author, next, head FROM forms WHERE document = ?1 ORDER BY author, head",
    )?;
    let mut rows = statement.query([document.0])?;
    let mut ends = Vec::new();
    while let Some(row) = rows.next()? {
        ends.push(to_form(row)?);
    }
    Ok(ends)
}

/// The same of all documents that have any.
pub(crate) fn all_ends(
    connection: &Connection,
) -> Result<HashMap<DocumentRow, Vec<Form>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT author, next, head, document FROM forms ORDER BY document, author, head",
    )?;
    let mut rows = statement.query([])?;
    let mut ends: HashMap<DocumentRow, Vec<Form>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let document = DocumentRow(row.get(3)?);
        ends.entry(document).or_default().push(to_form(row)?);
    }
    Ok(ends)
}

/// Which of these are not here: neither in the log nor aside. Of others' logs only such as there is
/// room for, and of authors who have a log here: anybody could fill the disk else.
pub(crate) fn lacking(
    connection: &Connection,
    document: DocumentRow,
    own: &AuthorId,
    forms: Vec<Form>,
) -> Result<Vec<Form>, StoreError> {
    let mut lacking = Vec::new();
    for (author, head) in forms {
        let is_own = author == *own;
        if is_lacking(connection, document, &author, &head)?
            && (is_own || has_room(connection, document, &author, 0)?)
        {
            lacking.push((author, head));
        }
    }
    Ok(lacking)
}

/// Whether somebody has a log here that does not hold this operation, and no form of it does.
pub(crate) fn is_lacking(
    connection: &Connection,
    document: DocumentRow,
    author: &AuthorId,
    head: &Head,
) -> Result<bool, StoreError> {
    let Some(author_row) = operations::find_author_row(connection, author)? else {
        return Ok(false);
    };
    if operations::head(connection, document, author_row)?.is_none() {
        return Ok(false);
    }
    let last = head.next.saturating_sub(1);
    let here = operations::id_at(connection, document, author_row, last)?;
    Ok(here != Some(head.id) && !is_aside(connection, document, author, last, head.id)?)
}

fn is_aside(
    connection: &Connection,
    document: DocumentRow,
    author: &AuthorId,
    sequence: u64,
    id: OperationId,
) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT header FROM form_operations WHERE sequence = ?3
         AND form IN (SELECT id FROM forms WHERE document = ?1 AND author = ?2)",
    )?;
    let author = author.as_bytes().as_slice();
    let mut rows = statement.query(params![document.0, author, to_sql(sequence)])?;
    while let Some(row) = rows.next()? {
        let header: Vec<u8> = row.get(0)?;
        if OperationId::from_bytes(*blake3::hash(&header).as_bytes()) == id {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether another form of so many bytes may be kept.
pub(crate) fn has_room(
    connection: &Connection,
    document: DocumentRow,
    author: &AuthorId,
    bytes: usize,
) -> Result<bool, StoreError> {
    let (forms, used): (i64, i64) = connection
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE author = ?2), coalesce(sum(bytes), 0)
             FROM forms WHERE document = ?1",
        )?
        .query_row(params![document.0, author.as_bytes().as_slice()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let is_bounded = used.unsigned_abs().saturating_add(bytes as u64) <= FORMS_BYTES_MAX;
    Ok(forms < FORMS_PER_LOG_MAX && bytes <= FORM_BYTES_MAX && is_bounded)
}

/// Keeps a whole form, which has been checked. One that it goes on from is not needed any more.
pub(crate) fn add(
    connection: &Connection,
    document: DocumentRow,
    (author, head): &Form,
    log: &[Operation],
) -> Result<(), StoreError> {
    for (known, (_, end)) in of_log(connection, document, author)? {
        if log.iter().any(|operation| operation.id() == end.id) {
            remove(connection, known)?;
        }
    }
    let bytes: usize = log.iter().map(Operation::len_bytes).sum();
    connection
        .prepare_cached(
            "INSERT INTO forms (document, author, next, head, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            document.0,
            author.as_bytes().as_slice(),
            to_sql(head.next),
            head.id.as_bytes().as_slice(),
            to_sql(bytes as u64),
        ])?;
    let form = connection.last_insert_rowid();
    let mut insert = connection.prepare_cached(
        "INSERT INTO form_operations (form, sequence, header, body) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for operation in log {
        insert.execute(params![
            form,
            to_sql(operation.header().sequence),
            operation.header_bytes(),
            operation.body(),
        ])?;
    }
    Ok(())
}

/// The forms of one log that are kept aside, with their numbers.
pub(crate) fn of_log(
    connection: &Connection,
    document: DocumentRow,
    author: &AuthorId,
) -> Result<Vec<(i64, Form)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT author, next, head, id FROM forms WHERE document = ?1 AND author = ?2 ORDER BY head",
    )?;
    let mut rows = statement.query(params![document.0, author.as_bytes().as_slice()])?;
    let mut forms = Vec::new();
    while let Some(row) = rows.next()? {
        forms.push((row.get(3)?, to_form(row)?));
    }
    Ok(forms)
}

/// The number of the form that ends so.
pub(crate) fn find(
    connection: &Connection,
    document: DocumentRow,
    author: &AuthorId,
    id: OperationId,
) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT id FROM forms WHERE document = ?1 AND author = ?2 AND head = ?3")?
        .query_row(
            params![
                document.0,
                author.as_bytes().as_slice(),
                id.as_bytes().as_slice()
            ],
            |row| row.get(0),
        )
        .optional()?)
}

/// Operations of a form from a sequence number on, in order, at most `count` and about so many
/// bytes. What cannot be decoded ends it: whoever gets it sees that it is not whole.
pub(crate) fn read(
    connection: &Connection,
    form: i64,
    from: u64,
    count: u64,
    mut room: usize,
) -> Result<Vec<Operation>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT header, body FROM form_operations
         WHERE form = ?1 AND sequence >= ?2 ORDER BY sequence LIMIT ?3",
    )?;
    let mut rows = statement.query(params![form, to_sql(from), to_sql(count)])?;
    let mut operations = Vec::new();
    while room > 0
        && let Some(row) = rows.next()?
        && let Ok(operation) = Operation::decode(row.get(0)?, row.get(1)?)
    {
        room = room.saturating_sub(operation.len_bytes());
        operations.push(operation);
    }
    Ok(operations)
}

/// Keeps a form no longer.
pub(crate) fn remove(connection: &Connection, form: i64) -> Result<(), StoreError> {
    // By hand: a connection may not care about references.
    for statement in [
        "DELETE FROM form_operations WHERE form = ?1",
        "DELETE FROM forms WHERE id = ?1",
    ] {
        connection.prepare_cached(statement)?.execute([form])?;
    }
    Ok(())
}

/// Keeps no form of a document any longer, since that is deleted.
pub(super) fn delete(connection: &Connection, document: DocumentRow) -> Result<(), StoreError> {
    connection.execute(
        "DELETE FROM form_operations
         WHERE form IN (SELECT id FROM forms WHERE document = ?1)",
        [document.0],
    )?;
    connection.execute("DELETE FROM forms WHERE document = ?1", [document.0])?;
    Ok(())
}
