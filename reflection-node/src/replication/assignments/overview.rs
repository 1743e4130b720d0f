// SPDX-License-Identifier: GPL-3.0-or-later
//! How assignments stand, for those who look at them.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Assignment, AssignmentState, ReplicaInfo, key};
use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::replication::assigner::ASSIGNMENTS_MAX;
use crate::store::StoreError;
use crate::store::documents::to_sql;

/// How many operations of a document are here.
pub(in crate::replication) fn operations_here(
    connection: &Connection,
    topic: &TopicId,
) -> Result<u64, StoreError> {
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
pub(in crate::replication) fn one(
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
fn count(connection: &Connection, replica: &AuthorId) -> Result<usize, StoreError> {
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
