// SPDX-License-Identifier: GPL-3.0-or-later
//! Our assignments in the store: which replica is to keep which document.
//!
//! A row lives until the replica has confirmed that it keeps the document no more; withdrawn rows
//! are tombstones, told when the replica is met again. Nobody is dialled for a tombstone.

mod overview;
mod telling;

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

pub(crate) use self::overview::{all, has_room, keepers};
pub(super) use self::overview::{one, operations_here};
pub(super) use self::telling::{acknowledged, due, heard, secret, set_trouble, taken};
use super::ticket::Ticket;
use crate::access::{Access, TopicId};
use crate::identity::AuthorId;
use crate::store::documents;
use crate::store::{StoreError, peers};

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS replicas (
    endpoint BLOB PRIMARY KEY,
    secret BLOB NOT NULL,
    name TEXT NOT NULL,
    -- Whether documents that come later are assigned too.
    is_library INTEGER NOT NULL,
    -- When it last proved the ticket; 0 before that.
    contact_us INTEGER NOT NULL,
    -- Why it takes nothing, if so.
    trouble TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS replica_assignments (
    endpoint BLOB NOT NULL REFERENCES replicas(endpoint),
    topic BLOB NOT NULL,
    -- 0 to be told, 1 taken, 2 to be withdrawn, 3 refused for want of room.
    state INTEGER NOT NULL,
    -- Operations that the replica has confirmed.
    acknowledged INTEGER NOT NULL,
    PRIMARY KEY (endpoint, topic)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS replica_assignments_by_topic ON replica_assignments(topic);
";

/// Longest name of a replica, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// How an assignment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignmentState {
    /// The replica has not been told yet.
    Waiting,
    /// The replica keeps the document.
    Taken,
    /// The replica is to drop it and has not confirmed that.
    Withdrawn,
    /// The replica has no room for it at present.
    Refused,
}

impl AssignmentState {
    const ALL: [Self; 4] = [Self::Waiting, Self::Taken, Self::Withdrawn, Self::Refused];

    const fn number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Taken => 1,
            Self::Withdrawn => 2,
            Self::Refused => 3,
        }
    }

    fn from_number(number: i64) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.number() == number)
            .ok_or(StoreError::Damaged("an assignment"))
    }

    /// The word for it on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Taken => "taken",
            Self::Withdrawn => "withdrawn",
            Self::Refused => "refused",
        }
    }
}

/// One document at one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which document.
    pub topic: TopicId,
    /// How it stands.
    pub state: AssignmentState,
    /// Operations that the replica has confirmed to keep.
    pub acknowledged: u64,
    /// Operations that it has yet to confirm.
    pub pending: u64,
}

/// A replica that keeps, or is to keep, documents of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// Which peer.
    pub replica: AuthorId,
    /// What it was called here.
    pub name: String,
    /// Whether documents that come later are assigned too.
    pub is_library: bool,
    /// When it last proved the ticket, microseconds since 1970.
    pub last_contact_us: Option<u64>,
    /// Why it takes nothing at present, in words.
    pub trouble: Option<String>,
    /// The documents.
    pub assignments: Vec<Assignment>,
}

fn key<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N], StoreError> {
    bytes
        .try_into()
        .map_err(|_| StoreError::Damaged("an assignment"))
}

/// The peers to which something is, or is still to be, said.
pub(super) fn replicas(connection: &Connection) -> Result<BTreeSet<AuthorId>, StoreError> {
    let mut statement = connection.prepare("SELECT endpoint FROM replicas")?;
    let mut rows = statement.query([])?;
    let mut replicas = BTreeSet::new();
    while let Some(row) = rows.next()? {
        replicas.insert(AuthorId::from_bytes(key(row.get(0)?)?));
    }
    Ok(replicas)
}

/// Makes a replica known, or gives a known one another ticket. With another ticket everything is
/// told anew.
pub(crate) fn add_replica(
    connection: &Connection,
    ticket: &Ticket,
    name: &str,
) -> Result<(), StoreError> {
    let replica = ticket.replica();
    let endpoint = replica.as_bytes().as_slice();
    let known = secret(connection, &replica)?;
    if known.is_some_and(|known| known != *ticket.secret()) {
        connection.execute(
            "UPDATE replica_assignments SET state = 0 WHERE endpoint = ?1 AND state IN (1, 3)",
            [endpoint],
        )?;
    }
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    connection.execute(
        "INSERT INTO replicas (endpoint, secret, name, is_library, contact_us, trouble)
         VALUES (?1, ?2, ?3, 0, 0, NULL)
         ON CONFLICT (endpoint) DO UPDATE SET secret = ?2, trouble = NULL,
             name = CASE WHEN ?3 = '' THEN name ELSE ?3 END",
        params![endpoint, ticket.secret().as_slice(), &name[..end]],
    )?;
    peers::remember(connection, ticket.hint())
}

/// Assigns one document.
pub(crate) fn assign(
    connection: &Connection,
    replica: &AuthorId,
    topic: &TopicId,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO replica_assignments (endpoint, topic, state, acknowledged)
             VALUES (?1, ?2, 0, 0)
             ON CONFLICT (endpoint, topic) DO UPDATE SET state = 0 WHERE state IN (2, 3)",
        )?
        .execute(params![
            replica.as_bytes().as_slice(),
            topic.as_bytes().as_slice()
        ])?;
    Ok(())
}

/// Assigns all documents that are here, and those that come later.
///
/// What is kept here for others is not among them: two replicas would fill each other.
pub(crate) fn assign_library(
    connection: &Connection,
    replica: &AuthorId,
) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE replicas SET is_library = 1 WHERE endpoint = ?1",
        [replica.as_bytes().as_slice()],
    )?;
    for document in documents::all(connection)? {
        if document.keys.access() > Access::Replica {
            assign(connection, replica, &document.keys.topic())?;
        }
    }
    Ok(())
}

/// Assigns a document that came to those replicas that keep the whole library.
pub(crate) fn document_added(connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO replica_assignments (endpoint, topic, state, acknowledged)
             SELECT endpoint, ?1, 0, 0 FROM replicas WHERE is_library
             ON CONFLICT (endpoint, topic) DO UPDATE SET state = 0 WHERE state IN (2, 3)",
        )?
        .execute([topic.as_bytes().as_slice()])?;
    Ok(())
}

/// Withdraws a document that is being deleted from all replicas.
pub(crate) fn document_deleted(connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE replica_assignments SET state = 2, acknowledged = 0 WHERE topic = ?1",
        )?
        .execute([topic.as_bytes().as_slice()])?;
    Ok(())
}

/// Withdraws documents, or everything, from a replica. What it confirmed does not count any more.
/// Gives whether nothing is left to be said to it: what it was never told needs no tombstone.
pub(crate) fn withdraw(
    connection: &Connection,
    replica: &AuthorId,
    topics: Option<&[TopicId]>,
) -> Result<bool, StoreError> {
    let endpoint = replica.as_bytes().as_slice();
    match topics {
        None => {
            connection.execute(
                "UPDATE replicas SET is_library = 0 WHERE endpoint = ?1",
                [endpoint],
            )?;
            connection.execute(
                "DELETE FROM document_peers WHERE endpoint = ?1 AND document IN
                     (SELECT id FROM documents WHERE topic IN
                         (SELECT topic FROM replica_assignments WHERE endpoint = ?1))",
                [endpoint],
            )?;
            connection.execute(
                "UPDATE replica_assignments SET state = 2 WHERE endpoint = ?1",
                [endpoint],
            )?;
        }
        Some(topics) => {
            for topic in topics {
                let values = params![endpoint, topic.as_bytes().as_slice()];
                let withdrawn = connection.execute(
                    "UPDATE replica_assignments SET state = 2
                     WHERE endpoint = ?1 AND topic = ?2",
                    values,
                )?;
                if withdrawn > 0 {
                    forget_confirmed(connection, replica, topic)?;
                }
            }
        }
    }
    connection.execute(
        "DELETE FROM replica_assignments WHERE endpoint = ?1 AND state = 2
         AND EXISTS (SELECT 1 FROM replicas WHERE endpoint = ?1 AND contact_us = 0)",
        [endpoint],
    )?;
    forget_finished(connection, replica)
}

/// Whether a replica has nothing but tombstones, so that it need not be dialled.
pub(crate) fn is_withdrawn(
    connection: &Connection,
    replica: &AuthorId,
) -> Result<bool, StoreError> {
    Ok(!connection
        .prepare_cached(
            "SELECT 1 FROM replicas WHERE endpoint = ?1 AND (is_library OR EXISTS
                 (SELECT 1 FROM replica_assignments WHERE endpoint = ?1 AND state != 2))",
        )?
        .exists([replica.as_bytes().as_slice()])?)
}

/// Whether a peer is in the address book for nothing but replication that has ended; then it is
/// taken out.
pub(crate) fn forget_peer(connection: &Connection, peer: &AuthorId) -> Result<bool, StoreError> {
    let endpoint = peer.as_bytes().as_slice();
    let is_needed = connection
        .prepare_cached("SELECT 1 FROM document_peers WHERE endpoint = ?1")?
        .exists([endpoint])?;
    if is_needed || !is_withdrawn(connection, peer)? {
        return Ok(false);
    }
    connection.execute("DELETE FROM peers WHERE endpoint = ?1", [endpoint])?;
    connection.execute("DELETE FROM peer_syncs WHERE endpoint = ?1", [endpoint])?;
    Ok(true)
}

/// Forgets a replica to which nothing is left to be said. `false` while something is.
fn forget_finished(connection: &Connection, replica: &AuthorId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "DELETE FROM replicas WHERE endpoint = ?1 AND NOT is_library AND NOT EXISTS
                 (SELECT 1 FROM replica_assignments WHERE endpoint = ?1)",
        )?
        .execute([replica.as_bytes().as_slice()])?
        > 0)
}

fn forget_confirmed(
    connection: &Connection,
    replica: &AuthorId,
    topic: &TopicId,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM document_peers WHERE endpoint = ?1 AND document =
                 (SELECT id FROM documents WHERE topic = ?2)",
        )?
        .execute(params![
            replica.as_bytes().as_slice(),
            topic.as_bytes().as_slice()
        ])?;
    Ok(())
}
