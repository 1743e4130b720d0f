// SPDX-License-Identifier: GPL-3.0-or-later
//! The documents that this installation takes part in, and their keys.

use rusqlite::{Connection, OptionalExtension, Row, params};
use zeroize::Zeroizing;

use super::StoreError;
use crate::access::{Access, DocumentKeys, TopicId};

/// A document's number in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DocumentRow(pub(crate) i64);

/// A document as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredDocument {
    pub(crate) row: DocumentRow,
    pub(crate) keys: DocumentKeys,
    pub(crate) incarnation: u64,
    pub(crate) created_us: u64,
    pub(crate) is_joined: bool,
}

const COLUMNS: &str = "id, access, key, write_public, incarnation, created_us, is_joined, topic";

/// `None` where what is in it is damaged.
fn from_row(row: &Row<'_>) -> rusqlite::Result<Option<StoredDocument>> {
    // It may not even be letters any more.
    let access: String = row.get(1).unwrap_or_default();
    let key: Zeroizing<Vec<u8>> = Zeroizing::new(row.get(2)?);
    let write_public: Vec<u8> = row.get(3)?;
    let incarnation: i64 = row.get(4)?;
    let created_us: i64 = row.get(5)?;
    let is_joined = row.get(6)?;
    let topic: Vec<u8> = row.get(7)?;
    let access = [Access::Replica, Access::Read, Access::Write]
        .into_iter()
        .find(|known| known.as_str() == access);
    let row = DocumentRow(row.get(0)?);
    let keys = (|| {
        let key = <[u8; 32]>::try_from(key.as_slice()).ok()?;
        let keys = DocumentKeys::from_parts(access?, key, write_public.try_into().ok()?);
        (keys.topic().as_bytes().as_slice() == topic).then_some(keys)
    })();
    Ok(keys.map(|keys| StoredDocument {
        row,
        keys,
        incarnation: incarnation.unsigned_abs(),
        created_us: created_us.unsigned_abs(),
        is_joined,
    }))
}

/// The documents that were made here and that nobody else has ever had, nor is to keep.
pub(crate) fn unshared(connection: &Connection) -> Result<Vec<TopicId>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT topic FROM documents WHERE is_joined = 0
         AND NOT EXISTS (SELECT 1 FROM document_peers WHERE document = documents.id)
         AND NOT EXISTS (SELECT 1 FROM replica_assignments
                         WHERE replica_assignments.topic = documents.topic)",
    )?;
    let topics = statement.query_map([], |row| row.get::<_, [u8; 32]>(0))?;
    Ok(topics
        .map(|topic| topic.map(TopicId::from_bytes))
        .collect::<Result<_, _>>()?)
}

/// All documents, oldest first. Those that are damaged keep nobody from the others: they are left
/// out, and named by [`damaged`].
pub(crate) fn all(connection: &Connection) -> Result<Vec<StoredDocument>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM documents ORDER BY id"))?;
    let mut rows = statement.query([])?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        documents.extend(from_row(row)?);
    }
    Ok(documents)
}

/// Documents that cannot be opened because their keys are damaged, oldest first; `None` where not
/// even the id can be told.
pub(crate) fn damaged(connection: &Connection) -> Result<Vec<Option<TopicId>>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM documents ORDER BY id"))?;
    let mut rows = statement.query([])?;
    let mut damaged = Vec::new();
    while let Some(row) = rows.next()? {
        if from_row(row)?.is_none() {
            damaged.push(row.get(7).ok().map(TopicId::from_bytes));
        }
    }
    Ok(damaged)
}

/// The number of a document, damaged or not.
pub(crate) fn row(
    connection: &Connection,
    topic: &TopicId,
) -> Result<Option<DocumentRow>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT id FROM documents WHERE topic = ?1")?
        .query_row([topic.as_bytes().as_slice()], |row| {
            row.get(0).map(DocumentRow)
        })
        .optional()?)
}

/// One document, unless it is damaged.
pub(crate) fn find_sound(
    connection: &Connection,
    topic: &TopicId,
) -> Result<Option<StoredDocument>, StoreError> {
    match find(connection, topic) {
        Err(StoreError::Damaged(_)) => Ok(None),
        found => found,
    }
}

/// One document.
pub(crate) fn find(
    connection: &Connection,
    topic: &TopicId,
) -> Result<Option<StoredDocument>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM documents WHERE topic = ?1"))?
        .query_row([topic.as_bytes().as_slice()], from_row)
        .optional()?
        .map(|document| document.ok_or(StoreError::Damaged("a document")))
        .transpose()
}

/// Adds a document, or raises the right that is held to it; one whose keys are damaged gets these.
/// Gives the document as it is then.
///
/// The incarnation is the time, so that a document that was deleted and joined again is written
/// under another CRDT identity than before: peers still hold the changes of that one.
pub(crate) fn add(
    connection: &Connection,
    keys: &DocumentKeys,
    is_joined: bool,
    now_us: u64,
) -> Result<StoredDocument, StoreError> {
    let (access, key, write_public) = keys.to_parts();
    let topic = keys.topic();
    let values = params![
        topic.as_bytes().as_slice(),
        access.as_str(),
        key.as_slice(),
        write_public.as_slice(),
        to_sql(now_us),
        is_joined,
    ];
    match find_sound(connection, &keys.topic())? {
        None if row(connection, &topic)?.is_some() => {
            connection.execute(
                "UPDATE documents SET access = ?2, key = ?3, write_public = ?4 WHERE topic = ?1",
                params![
                    topic.as_bytes().as_slice(),
                    access.as_str(),
                    key.as_slice(),
                    write_public.as_slice()
                ],
            )?;
        }
        None => {
            connection.execute(
                "INSERT INTO documents
                     (topic, access, key, write_public, incarnation, created_us, is_joined)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
                values,
            )?;
        }
        Some(known) if known.keys.access() < access => {
            connection.execute(
                "UPDATE documents SET access = ?2, key = ?3 WHERE topic = ?1",
                params![
                    keys.topic().as_bytes().as_slice(),
                    access.as_str(),
                    key.as_slice()
                ],
            )?;
        }
        Some(_) => {}
    }
    find(connection, &keys.topic())?.ok_or(StoreError::Damaged("a document"))
}

/// Removes a document and all that belongs to it. `false` where it is not there.
pub(crate) fn delete(connection: &Connection, topic: &TopicId) -> Result<bool, StoreError> {
    let Some(row) = row(connection, topic)? else {
        return Ok(false);
    };
    crate::replication::assignments::document_deleted(connection, topic)?;
    crate::replication::hosting::document_deleted(connection, row)?;
    for table in [
        "operations",
        "logs",
        "refused",
        "document_peers",
        "quarantine",
        "forks",
        "rebuilds",
    ] {
        connection.execute(&format!("DELETE FROM {table} WHERE document = ?1"), [row.0])?;
    }
    super::participants::delete(connection, row)?;
    connection.execute("DELETE FROM documents WHERE id = ?1", [row.0])?;
    connection.execute(
        "DELETE FROM authors WHERE id NOT IN (SELECT author FROM logs)",
        [],
    )?;
    Ok(true)
}

/// Numbers in SQLite are signed; ours stay below their half.
pub(crate) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
