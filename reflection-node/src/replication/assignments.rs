// SPDX-License-Identifier: GPL-3.0-or-later
//! Our assignments in the store: which replica is to keep which document.
//!
//! A row lives until the replica has confirmed that it keeps the document no more; withdrawn rows
//! are tombstones, told when the replica is met again. Nobody is dialled for a tombstone.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use super::assigner::{ASSIGNMENTS_MAX, Task};
use super::ticket::{GrantSecret, Ticket};
use crate::access::{Access, TopicId};
use crate::identity::AuthorId;
use crate::store::documents::{self, to_sql};
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
pub(super) fn forget_finished(
    connection: &Connection,
    replica: &AuthorId,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "DELETE FROM replicas WHERE endpoint = ?1 AND NOT is_library AND NOT EXISTS
                 (SELECT 1 FROM replica_assignments WHERE endpoint = ?1)",
        )?
        .execute([replica.as_bytes().as_slice()])?
        > 0)
}

/// The ticket's secret of a replica.
pub(super) fn secret(
    connection: &Connection,
    replica: &AuthorId,
) -> Result<Option<GrantSecret>, StoreError> {
    let found: Option<Vec<u8>> = connection
        .prepare_cached("SELECT secret FROM replicas WHERE endpoint = ?1")?
        .query_row([replica.as_bytes().as_slice()], |row| row.get(0))
        .optional()?;
    found
        .map(|bytes| key(bytes).map(Zeroizing::new))
        .transpose()
}

/// The documents that a replica is believed to keep.
pub(super) fn taken(
    connection: &Connection,
    replica: &AuthorId,
) -> Result<BTreeSet<TopicId>, StoreError> {
    // One that is to be withdrawn may still be there or not; it counts as not, at the cost of a
    // list.
    let mut statement = connection.prepare_cached(
        "SELECT topic FROM replica_assignments WHERE endpoint = ?1 AND state = 1",
    )?;
    let mut rows = statement.query([replica.as_bytes().as_slice()])?;
    let mut topics = BTreeSet::new();
    while let Some(row) = rows.next()? {
        topics.insert(TopicId::from_bytes(key(row.get(0)?)?));
    }
    Ok(topics)
}

/// What is to be told to a replica: withdrawals first, then the documents that changed last.
pub(super) fn due(
    connection: &Connection,
    replica: &AuthorId,
    count: usize,
) -> Result<Vec<Task>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT topic, state FROM replica_assignments WHERE endpoint = ?1 AND state IN (0, 2)
         ORDER BY state DESC, (SELECT max(position) FROM operations WHERE document =
             (SELECT id FROM documents WHERE documents.topic = replica_assignments.topic)) DESC
         LIMIT ?2",
    )?;
    let mut rows = statement.query(params![replica.as_bytes().as_slice(), to_sql(count as u64)])?;
    let mut tasks = Vec::new();
    while let Some(row) = rows.next()? {
        let topic = TopicId::from_bytes(key(row.get(0)?)?);
        if AssignmentState::from_number(row.get(1)?)? == AssignmentState::Withdrawn {
            tasks.push(Task::Withdraw(topic));
        } else if let Some(document) = documents::find(connection, &topic)? {
            tasks.push(Task::Assign(document.keys));
        }
    }
    Ok(tasks)
}

/// Takes note of how an assignment stands, unless it was changed here meanwhile.
pub(super) fn answered(
    connection: &Connection,
    replica: &AuthorId,
    topic: &TopicId,
    state: AssignmentState,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE replica_assignments SET state = ?3
             WHERE endpoint = ?1 AND topic = ?2 AND state = 0",
        )?
        .execute(params![
            replica.as_bytes().as_slice(),
            topic.as_bytes().as_slice(),
            state.number()
        ])?;
    Ok(())
}

/// Removes the tombstone of a document that the replica has dropped.
pub(super) fn dropped(
    connection: &Connection,
    replica: &AuthorId,
    topic: &TopicId,
) -> Result<(), StoreError> {
    let values = params![replica.as_bytes().as_slice(), topic.as_bytes().as_slice()];
    let dropped = connection
        .prepare_cached(
            "DELETE FROM replica_assignments WHERE endpoint = ?1 AND topic = ?2 AND state = 2",
        )?
        .execute(values)?;
    if dropped > 0 {
        // What it confirmed until just now is no copy any more.
        forget_confirmed(connection, replica, topic)?;
    }
    Ok(())
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

/// Has documents told again that the replica has lost.
pub(super) fn lost(
    connection: &Connection,
    replica: &AuthorId,
    topics: &[TopicId],
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "UPDATE replica_assignments SET state = 0, acknowledged = 0
         WHERE endpoint = ?1 AND topic = ?2 AND state = 1",
    )?;
    for topic in topics {
        statement.execute(params![
            replica.as_bytes().as_slice(),
            topic.as_bytes().as_slice()
        ])?;
    }
    Ok(())
}

/// Has documents told again that were refused.
pub(super) fn retry_refused(connection: &Connection, replica: &AuthorId) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE replica_assignments SET state = 0 WHERE endpoint = ?1 AND state = 3",
        )?
        .execute([replica.as_bytes().as_slice()])?;
    Ok(())
}

/// Takes note that a replica proved the ticket.
pub(super) fn met(
    connection: &Connection,
    replica: &AuthorId,
    now_us: u64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE replicas SET contact_us = ?2, trouble = NULL WHERE endpoint = ?1")?
        .execute(params![replica.as_bytes().as_slice(), to_sql(now_us)])?;
    Ok(())
}

/// Takes note of why a replica takes nothing, or that it does.
pub(super) fn set_trouble(
    connection: &Connection,
    replica: &AuthorId,
    trouble: Option<&str>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE replicas SET trouble = ?2 WHERE endpoint = ?1")?
        .execute(params![replica.as_bytes().as_slice(), trouble])?;
    Ok(())
}

/// Takes note of how many operations a replica has confirmed. `false` where the document is not
/// assigned to it.
pub(super) fn acknowledged(
    connection: &Connection,
    replica: &AuthorId,
    topic: &TopicId,
    operations: u64,
    now_us: u64,
) -> Result<bool, StoreError> {
    let endpoint = replica.as_bytes().as_slice();
    let noted = connection
        .prepare_cached(
            "UPDATE replica_assignments SET acknowledged = ?3
             WHERE endpoint = ?1 AND topic = ?2 AND state != 2",
        )?
        .execute(params![
            endpoint,
            topic.as_bytes().as_slice(),
            to_sql(operations)
        ])?;
    connection
        .prepare_cached("UPDATE replicas SET contact_us = ?2 WHERE endpoint = ?1")?
        .execute(params![endpoint, to_sql(now_us)])?;
    Ok(noted > 0)
}

/// How many operations of a document are here.
pub(super) fn operations_here(connection: &Connection, topic: &TopicId) -> Result<u64, StoreError> {
    let count: Option<i64> = connection
        .prepare_cached(
            "SELECT sum(next) FROM logs WHERE document =
                 (SELECT id FROM documents WHERE topic = ?1)",
        )?
        .query_row([topic.as_bytes().as_slice()], |row| row.get(0))?;
    Ok(count.unwrap_or(0).unsigned_abs())
}

/// All replicas and what they keep.
pub(crate) fn all(connection: &Connection) -> Result<Vec<ReplicaInfo>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT endpoint, name, is_library, contact_us, trouble FROM replicas ORDER BY endpoint",
    )?;
    let mut rows = statement.query([])?;
    let mut replicas = Vec::new();
    while let Some(row) = rows.next()? {
        let replica = AuthorId::from_bytes(key(row.get(0)?)?);
        let contact_us = row.get::<_, i64>(3)?.unsigned_abs();
        replicas.push(ReplicaInfo {
            replica,
            name: row.get(1)?,
            is_library: row.get(2)?,
            last_contact_us: (contact_us > 0).then_some(contact_us),
            trouble: row.get(4)?,
            assignments: of_replica(connection, &replica)?,
        });
    }
    Ok(replicas)
}

/// How one document stands at one replica.
pub(super) fn one(
    connection: &Connection,
    replica: &AuthorId,
    topic: &TopicId,
) -> Result<Option<Assignment>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT state, acknowledged FROM replica_assignments
             WHERE endpoint = ?1 AND topic = ?2",
        )?
        .query_row(
            params![replica.as_bytes().as_slice(), topic.as_bytes().as_slice()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    found
        .map(|(state, acknowledged)| counted(connection, *topic, state, acknowledged))
        .transpose()
}

fn counted(
    connection: &Connection,
    topic: TopicId,
    state: i64,
    acknowledged: i64,
) -> Result<Assignment, StoreError> {
    let state = AssignmentState::from_number(state)?;
    let acknowledged = acknowledged.unsigned_abs();
    let here = match state {
        AssignmentState::Withdrawn => 0,
        _ => operations_here(connection, &topic)?,
    };
    Ok(Assignment {
        topic,
        state,
        acknowledged,
        pending: here.saturating_sub(acknowledged),
    })
}

fn of_replica(connection: &Connection, replica: &AuthorId) -> Result<Vec<Assignment>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT topic, state, acknowledged FROM replica_assignments
         WHERE endpoint = ?1 ORDER BY topic",
    )?;
    let mut rows = statement.query([replica.as_bytes().as_slice()])?;
    let mut assignments = Vec::new();
    while let Some(row) = rows.next()? {
        let topic = TopicId::from_bytes(key(row.get(0)?)?);
        assignments.push(counted(connection, topic, row.get(1)?, row.get(2)?)?);
    }
    Ok(assignments)
}

/// How many documents a replica is to keep.
pub(crate) fn count(connection: &Connection, replica: &AuthorId) -> Result<usize, StoreError> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM replica_assignments WHERE endpoint = ?1")?
        .query_row([replica.as_bytes().as_slice()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Whether a replica can be assigned so many more documents.
pub(crate) fn has_room(
    connection: &Connection,
    replica: &AuthorId,
    more: usize,
) -> Result<bool, StoreError> {
    Ok(count(connection, replica)?.saturating_add(more) <= ASSIGNMENTS_MAX)
}

/// Replicas that keep a document, those met last first.
pub(crate) fn keepers(
    connection: &Connection,
    topic: &TopicId,
    count: usize,
) -> Result<Vec<AuthorId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT endpoint FROM replica_assignments JOIN replicas USING (endpoint)
         WHERE topic = ?1 AND state = 1 ORDER BY contact_us DESC LIMIT ?2",
    )?;
    let mut rows = statement.query(params![topic.as_bytes().as_slice(), to_sql(count as u64)])?;
    let mut keepers = Vec::new();
    while let Some(row) = rows.next()? {
        keepers.push(AuthorId::from_bytes(key(row.get(0)?)?));
    }
    Ok(keepers)
}
