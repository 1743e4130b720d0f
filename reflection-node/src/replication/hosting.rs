// SPDX-License-Identifier: GPL-3.0-or-later
//! What this node keeps for others: tickets given out, and the documents assigned by them.
//!
//! A document is *hosted* while it is here for nothing but assignments; it goes with the last of
//! them. One that a person joined is theirs and stays.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use zeroize::Zeroizing;

use super::host::Grant;
use crate::access::{DocumentKeys, TopicId};
use crate::identity::AuthorId;
use crate::pipeline::Processor;
use crate::store::StoreError;
use crate::store::documents::{self, DocumentRow, StoredDocument, to_sql};

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS replica_grants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    secret BLOB NOT NULL UNIQUE,
    created_us INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS replica_held (
    document INTEGER NOT NULL REFERENCES documents(id),
    assigner BLOB NOT NULL,
    replica_grant INTEGER NOT NULL REFERENCES replica_grants(id),
    PRIMARY KEY (document, assigner)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS replica_held_by_assigner ON replica_held(replica_grant, assigner);

CREATE TABLE IF NOT EXISTS replica_hosted (
    document INTEGER PRIMARY KEY REFERENCES documents(id),
    -- Kept by the triggers below, so that whatever adds or removes operations is counted.
    bytes INTEGER NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS replica_hosted_insert AFTER INSERT ON operations
WHEN EXISTS (SELECT 1 FROM replica_hosted WHERE document = NEW.document) BEGIN
    UPDATE replica_hosted SET bytes = bytes + length(NEW.header) + length(NEW.body)
    WHERE document = NEW.document;
END;
CREATE TRIGGER IF NOT EXISTS replica_hosted_delete AFTER DELETE ON operations
WHEN EXISTS (SELECT 1 FROM replica_hosted WHERE document = OLD.document) BEGIN
    UPDATE replica_hosted SET bytes = bytes - length(OLD.header) - length(OLD.body)
    WHERE document = OLD.document;
END;
";

/// Most tickets given out.
const GRANTS_MAX: i64 = 256;

/// What one peer has here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostedFor {
    /// Who assigned it.
    pub assigner: AuthorId,
    /// How many documents.
    pub documents: u64,
    /// What they take.
    pub bytes: u64,
}

/// Why no ticket was made.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is a bound.
    #[error("no more than {GRANTS_MAX} tickets can be given out")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All tickets given out.
pub(crate) fn grants(connection: &Connection) -> Result<Vec<Grant>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT id, secret FROM replica_grants ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut grants = Vec::new();
    while let Some(row) = rows.next()? {
        let secret: Zeroizing<Vec<u8>> = Zeroizing::new(row.get(1)?);
        let secret =
            <[u8; 32]>::try_from(secret.as_slice()).map_err(|_| StoreError::Damaged("a ticket"))?;
        grants.push(Grant {
            id: row.get(0)?,
            secret: Zeroizing::new(secret),
        });
    }
    Ok(grants)
}

/// Another ticket.
pub(crate) fn grant(connection: &Connection, now_us: u64) -> Result<Grant, GrantError> {
    let count: i64 = connection
        .query_row("SELECT count(*) FROM replica_grants", [], |row| row.get(0))
        .map_err(StoreError::from)?;
    if count >= GRANTS_MAX {
        return Err(GrantError::TooMany);
    }
    let secret = Zeroizing::new(crate::random::array::<32>());
    connection
        .execute(
            "INSERT INTO replica_grants (secret, created_us) VALUES (?1, ?2)",
            params![secret.as_slice(), to_sql(now_us)],
        )
        .map_err(StoreError::from)?;
    Ok(Grant {
        id: connection.last_insert_rowid(),
        secret,
    })
}

/// The documents kept for an assigner by a ticket.
pub(super) fn held(
    connection: &Connection,
    grant: i64,
    assigner: &AuthorId,
) -> Result<BTreeSet<TopicId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT topic FROM replica_held JOIN documents ON documents.id = replica_held.document
         WHERE replica_grant = ?1 AND assigner = ?2",
    )?;
    let mut rows = statement.query(params![grant, assigner.as_bytes().as_slice()])?;
    let mut topics = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let topic = <[u8; 32]>::try_from(row.get::<_, Vec<u8>>(0)?)
            .map_err(|_| StoreError::Damaged("a document"))?;
        topics.insert(TopicId::from_bytes(topic));
    }
    Ok(topics)
}

/// How many documents are kept by a ticket.
pub(super) fn held_count(connection: &Connection, grant: i64) -> Result<usize, StoreError> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM replica_held WHERE replica_grant = ?1")?
        .query_row([grant], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Keeps a document for an assigner. Gives it where it was not here before.
pub(super) fn host(
    connection: &Connection,
    processor: &mut Processor,
    grant: i64,
    assigner: &AuthorId,
    keys: &DocumentKeys,
    now_us: u64,
) -> Result<Option<StoredDocument>, StoreError> {
    let known = documents::find(connection, &keys.topic())?;
    let is_new = known.is_none();
    let stored = if let Some(known) = known {
        known
    } else {
        let stored = documents::add(connection, keys, true, now_us)?;
        connection.execute(
            "INSERT INTO replica_hosted (document, bytes) VALUES (?1, 0)",
            [stored.row.0],
        )?;
        processor.application.added(connection, &keys.topic())?;
        stored
    };
    connection.execute(
        "INSERT INTO replica_held (document, assigner, replica_grant) VALUES (?1, ?2, ?3)
         ON CONFLICT (document, assigner) DO UPDATE SET replica_grant = ?3",
        params![stored.row.0, assigner.as_bytes().as_slice(), grant],
    )?;
    Ok(is_new.then_some(stored))
}

/// Keeps a document no more for an assigner. Gives whether it was deleted with that.
pub(super) fn drop_held(
    connection: &Connection,
    processor: &mut Processor,
    assigner: &AuthorId,
    topic: &TopicId,
) -> Result<bool, StoreError> {
    let Some(document) = documents::find(connection, topic)? else {
        return Ok(false);
    };
    connection.execute(
        "DELETE FROM replica_held WHERE document = ?1 AND assigner = ?2",
        params![document.row.0, assigner.as_bytes().as_slice()],
    )?;
    let is_wanted = connection
        .prepare_cached("SELECT 1 FROM replica_held WHERE document = ?1")?
        .exists([document.row.0])?;
    if is_wanted || !is_hosted(connection, document.row)? {
        return Ok(false);
    }
    processor.application.deleted(connection, topic)?;
    documents::delete(connection, topic)?;
    forget_assigner(connection, assigner)?;
    Ok(true)
}

/// Takes an assigner out of the address book where nothing is shared with it any more.
fn forget_assigner(connection: &Connection, assigner: &AuthorId) -> Result<(), StoreError> {
    connection.execute(
        "DELETE FROM peers WHERE endpoint = ?1
         AND NOT EXISTS (SELECT 1 FROM replica_held WHERE assigner = ?1)
         AND NOT EXISTS (SELECT 1 FROM document_peers WHERE endpoint = ?1)",
        [assigner.as_bytes().as_slice()],
    )?;
    Ok(())
}

/// Whether a peer is known here for nothing but assignments that have ended.
pub(super) fn is_forgotten(
    connection: &Connection,
    assigner: &AuthorId,
) -> Result<bool, StoreError> {
    Ok(!connection
        .prepare_cached("SELECT 1 FROM peers WHERE endpoint = ?1")?
        .exists([assigner.as_bytes().as_slice()])?)
}

/// Whether a document is here for nothing but assignments.
pub(super) fn is_hosted(
    connection: &Connection,
    document: DocumentRow,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM replica_hosted WHERE document = ?1")?
        .exists([document.0])?)
}

/// A person joined the document: it is here for more than assignments, and counts for no quota.
pub(crate) fn joined(connection: &Connection, document: DocumentRow) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM replica_hosted WHERE document = ?1")?
        .execute([document.0])?;
    Ok(())
}

/// Removes what belongs to a document that is being deleted.
pub(crate) fn document_deleted(
    connection: &Connection,
    document: DocumentRow,
) -> Result<(), StoreError> {
    for table in ["replica_held", "replica_hosted"] {
        connection.execute(
            &format!("DELETE FROM {table} WHERE document = ?1"),
            [document.0],
        )?;
    }
    Ok(())
}

/// What is kept here, by assigner.
pub(crate) fn all(connection: &Connection) -> Result<Vec<HostedFor>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT assigner, count(*), sum(coalesce(replica_hosted.bytes, 0)) FROM replica_held
         LEFT JOIN replica_hosted USING (document) GROUP BY assigner ORDER BY assigner",
    )?;
    let mut rows = statement.query([])?;
    let mut hosted = Vec::new();
    while let Some(row) = rows.next()? {
        let assigner = <[u8; 32]>::try_from(row.get::<_, Vec<u8>>(0)?)
            .map_err(|_| StoreError::Damaged("an assigner"))?;
        hosted.push(HostedFor {
            assigner: AuthorId::from_bytes(assigner),
            documents: row.get::<_, i64>(1)?.unsigned_abs(),
            bytes: row.get::<_, i64>(2)?.unsigned_abs(),
        });
    }
    Ok(hosted)
}

/// Ends a ticket and everything that was assigned by it. Gives the documents deleted with it.
pub(crate) fn revoke(
    connection: &Connection,
    processor: &mut Processor,
    secret: &[u8; 32],
) -> Result<Option<Vec<TopicId>>, StoreError> {
    let found = grants(connection)?
        .into_iter()
        .find(|grant| crate::sync::proof::is_equal(&grant.secret, secret));
    let Some(grant) = found else {
        return Ok(None);
    };
    let mut statement = connection
        .prepare("SELECT DISTINCT assigner FROM replica_held WHERE replica_grant = ?1")?;
    let assigners: Vec<Vec<u8>> = statement
        .query_map([grant.id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut deleted = Vec::new();
    for assigner in assigners {
        let assigner = AuthorId::from_bytes(
            assigner
                .try_into()
                .map_err(|_| StoreError::Damaged("an assigner"))?,
        );
        for topic in held(connection, grant.id, &assigner)? {
            if drop_held(connection, processor, &assigner, &topic)? {
                deleted.push(topic);
            }
        }
    }
    connection.execute("DELETE FROM replica_grants WHERE id = ?1", [grant.id])?;
    Ok(Some(deleted))
}
