// SPDX-License-Identifier: GPL-3.0-or-later
//! What a talk with a replica reads and writes: what it is to be told, and what it answered.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use super::{AssignmentState, forget_confirmed, forget_finished, key};
use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::replication::assigner::{Heard, Task};
use crate::replication::ticket::GrantSecret;
use crate::store::StoreError;
use crate::store::documents::{self, to_sql};

/// The ticket's secret of a replica.
pub(in crate::replication) fn secret(
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
pub(in crate::replication) fn taken(
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
pub(in crate::replication) fn due(
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

/// Writes down what a replica said. `true` where nothing is left to be said to it, ever.
pub(in crate::replication) fn heard(
    connection: &Connection,
    replica: &AuthorId,
    heard: &Heard,
    now_us: u64,
) -> Result<bool, StoreError> {
    match heard {
        Heard::Nothing | Heard::Storage(Some(_)) => {}
        Heard::Proved { .. } => {
            met(connection, replica, now_us)?;
            retry_refused(connection, replica)?;
        }
        Heard::Lost(topics) => lost(connection, replica, topics)?,
        Heard::Taken(topic) => answered(connection, replica, topic, AssignmentState::Taken)?,
        Heard::Refused(topic, _) => {
            answered(connection, replica, topic, AssignmentState::Refused)?;
        }
        Heard::Dropped(topic) => {
            dropped(connection, replica, topic)?;
            return forget_finished(connection, replica);
        }
        Heard::Storage(None) => retry_refused(connection, replica)?,
    }
    Ok(false)
}

/// Takes note of how an assignment stands, unless it was changed here meanwhile.
fn answered(
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
fn dropped(connection: &Connection, replica: &AuthorId, topic: &TopicId) -> Result<(), StoreError> {
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

/// Has documents told again that the replica has lost.
fn lost(connection: &Connection, replica: &AuthorId, topics: &[TopicId]) -> Result<(), StoreError> {
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
fn retry_refused(connection: &Connection, replica: &AuthorId) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE replica_assignments SET state = 0 WHERE endpoint = ?1 AND state = 3",
        )?
        .execute([replica.as_bytes().as_slice()])?;
    Ok(())
}

/// Takes note that a replica proved the ticket.
fn met(connection: &Connection, replica: &AuthorId, now_us: u64) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE replicas SET contact_us = ?2, trouble = NULL WHERE endpoint = ?1")?
        .execute(params![replica.as_bytes().as_slice(), to_sql(now_us)])?;
    Ok(())
}

/// Takes note of why a replica takes nothing, or that it does.
pub(in crate::replication) fn set_trouble(
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
pub(in crate::replication) fn acknowledged(
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
