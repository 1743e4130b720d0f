// SPDX-License-Identifier: GPL-3.0-or-later
//! What documents do with an operation inside the transaction that stores it.
//!
//! An operation is accepted if its changes are the signing author's own and go on where that
//! author stopped. The text itself is a function of the operations and is made when somebody
//! looks; here a document is only marked as changed.

use std::time::{SystemTime, UNIX_EPOCH};

use reflection_node::access::TopicId;
use reflection_node::operation::Kind;
use reflection_node::pipeline::{Application, Delivery, Refusal};
use reflection_node::rusqlite::{Connection, OptionalExtension, params};
use reflection_node::store::StoreError;

use super::summary;
use crate::engine::{PeerId, check_update};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS document_counters (
    topic BLOB NOT NULL,
    author BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    -- The CRDT counter with which the author's next change begins.
    next INTEGER NOT NULL,
    PRIMARY KEY (topic, author, incarnation)
) STRICT, WITHOUT ROWID;
";

/// The application on top of the node.
pub(super) struct Documents;

impl Application for Documents {
    fn prepare(&mut self, connection: &Connection) -> Result<(), StoreError> {
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch(summary::SCHEMA)?;
        Ok(())
    }

    fn process(&mut self, connection: &Connection, delivery: &Delivery<'_>) -> Result<(), Refusal> {
        let Some(body) = delivery.body else {
            return Ok(());
        };
        let header = delivery.operation.header();
        if header.kind != Kind::Edit {
            return Err(Refusal::Refuse("the operation is of an unknown kind"));
        }
        let peer = PeerId::derive(&header.author, &delivery.topic, header.incarnation);
        let span = check_update(body, peer).map_err(Refusal::Refuse)?;
        let incarnation = i64::try_from(header.incarnation)
            .map_err(|_| Refusal::Refuse("the incarnation is out of range"))?;
        let topic = delivery.topic.as_bytes().as_slice();
        let author = header.author.as_bytes().as_slice();
        let next: i32 = connection
            .prepare_cached(
                "SELECT next FROM document_counters
                 WHERE topic = ?1 AND author = ?2 AND incarnation = ?3",
            )?
            .query_row(params![topic, author, incarnation], |row| row.get(0))
            .optional()?
            .unwrap_or(0);
        if span.start != next {
            return Err(Refusal::Refuse(
                "the changes do not go on where their author stopped",
            ));
        }
        connection
            .prepare_cached(
                "INSERT INTO document_counters (topic, author, incarnation, next)
                 VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (topic, author, incarnation) DO UPDATE SET next = ?4",
            )?
            .execute(params![topic, author, incarnation, span.end])?;
        // Clocks of others may be wrong in either way; no document was changed in the future.
        let changed_us = header.time_us.min(now_us());
        summary::changed(connection, &delivery.topic, changed_us, !delivery.is_own)?;
        Ok(())
    }

    fn added(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
        summary::add(connection, topic, now_us())
    }

    fn deleted(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
        for table in ["document_counters", "document_summaries"] {
            connection.execute(
                &format!("DELETE FROM {table} WHERE topic = ?1"),
                [topic.as_bytes().as_slice()],
            )?;
        }
        Ok(())
    }
}

fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        })
}
