// SPDX-License-Identifier: GPL-3.0-or-later
//! What documents do with an operation inside the transaction that stores it.
//!
//! An operation is accepted if its changes are the signing author's own and go on where that
//! author stopped; a compaction, if it holds all of the author's changes so far. The text itself
//! is a function of the operations and is made when somebody looks; here a document is only marked
//! as changed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::operation::Kind;
use reflection_node::pipeline::{
    Application, Branches, Compactor, Delivered, Delivery, Joined, Processed, Refusal,
};
use reflection_node::rusqlite::{Connection, params};
use reflection_node::store::StoreError;

use super::{histories, kept, local, now_us, profile, search, summary, texts};
use crate::engine::{
    PeerId, check_compaction, check_update, compact, keeps_everything, mend, says_the_same,
};

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

/// To be raised when the tables of this application, or what is made of operations in them, change.
/// In version 1 summaries counted changes instead of naming the newest one's position; version 2 knew
/// no names of people; in version 3 cached texts had no digest.
const STATE_VERSION: u32 = 4;

/// The application on top of the node.
pub(super) struct Documents;

impl Application for Documents {
    fn prepare(&mut self, connection: &Connection) -> Result<(), StoreError> {
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch(summary::SCHEMA)?;
        texts::prepare(connection)?;
        connection.execute_batch(histories::SCHEMA)?;
        connection.execute_batch(local::SCHEMA)?;
        connection.execute_batch(kept::SCHEMA)?;
        connection.execute_batch(profile::SCHEMA)?;
        search::prepare(connection)
    }

    fn state_version(&self) -> u32 {
        STATE_VERSION
    }

    fn process(
        &mut self,
        connection: &Connection,
        delivery: &Delivery<'_>,
    ) -> Result<Processed, Refusal> {
        let Some(body) = delivery.body else {
            return Ok(Processed::Done);
        };
        let header = delivery.operation.header();
        let has_news = match header.kind {
            Kind::Edit => take_edit(connection, delivery, body).map(|()| true),
            Kind::Compaction => take_compaction(connection, delivery, body),
        }?;
        if header.kind == Kind::Compaction {
            histories::forget(connection, &delivery.topic)?;
        }
        histories::forget_from(connection, &delivery.topic, delivery.position)?;
        if has_news {
            // Clocks of others may be wrong in either way; no document was changed in the future.
            let changed_us = header.time_us.min(now_us());
            let is_unread = !delivery.is_own
                && !delivery.is_replay
                && !local::is_muted(connection, &header.author)?;
            summary::changed(
                connection,
                &delivery.topic,
                delivery.position,
                changed_us,
                is_unread,
            )?;
        }
        Ok(Processed::Done)
    }

    fn wipe(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
        connection.execute(
            "DELETE FROM document_counters WHERE topic = ?1",
            [topic.as_bytes().as_slice()],
        )?;
        texts::delete(connection, topic)?;
        histories::forget(connection, topic)?;
        summary::wipe(connection, topic)
    }

    fn reset(&mut self, connection: &Connection) -> Result<(), StoreError> {
        connection.execute_batch(
            "DROP TABLE IF EXISTS document_counters; DROP TABLE IF EXISTS document_texts;
             DROP TABLE IF EXISTS document_people; DROP TABLE IF EXISTS document_histories",
        )?;
        summary::reset(connection)?;
        self.prepare(connection)?;
        search::reset(connection)
    }

    fn reindex(&mut self, connection: &Connection) -> Result<bool, StoreError> {
        search::reset(connection)?;
        Ok(true)
    }

    fn digest(&self, connection: &Connection, topic: &TopicId) -> Result<[u8; 32], StoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT author, incarnation, next FROM document_counters WHERE topic = ?1
             ORDER BY author, incarnation",
        )?;
        let mut rows = statement.query([topic.as_bytes().as_slice()])?;
        let mut hasher = blake3::Hasher::new();
        while let Some(row) = rows.next()? {
            hasher.update(&row.get::<_, Vec<u8>>(0)?);
            hasher.update(&row.get::<_, i64>(1)?.to_be_bytes());
            hasher.update(&row.get::<_, i64>(2)?.to_be_bytes());
        }
        Ok(*hasher.finalize().as_bytes())
    }

    fn added(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
        summary::add(connection, topic, now_us())
    }

    fn deleted(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
        texts::delete(connection, topic)?;
        kept::delete(connection, topic)?;
        for table in [
            "document_counters",
            "document_summaries",
            "document_local",
            "wanted_documents",
            "document_histories",
        ] {
            connection.execute(
                &format!("DELETE FROM {table} WHERE topic = ?1"),
                [topic.as_bytes().as_slice()],
            )?;
        }
        Ok(())
    }

    fn compactor(&self) -> Option<Arc<dyn Compactor>> {
        Some(Arc::new(Texts))
    }
}

/// What documents know about whole logs.
struct Texts;

impl Compactor for Texts {
    fn compact(
        &self,
        topic: &TopicId,
        author: &AuthorId,
        operations: &[Delivered],
    ) -> Option<Vec<u8>> {
        compact(topic, author, operations)
    }

    fn mend(&self, branches: &Branches<'_>) -> Option<Joined> {
        // What the CRDT makes of another branch must not end the program.
        catch_unwind(AssertUnwindSafe(|| mend(branches))).ok()?
    }
}

fn take_edit(connection: &Connection, delivery: &Delivery<'_>, body: &[u8]) -> Result<(), Refusal> {
    let header = delivery.operation.header();
    let peer = PeerId::derive(&header.author, &delivery.topic, header.incarnation);
    let span = check_update(body, peer).map_err(Refusal::Refuse)?;
    let known = counters(connection, &delivery.topic, &header.author)?;
    if span.start != known.get(&header.incarnation).copied().unwrap_or(0) {
        return Err(Refusal::Refuse(
            "the changes do not go on where their author stopped",
        ));
    }
    count(connection, delivery, header.incarnation, span.end)?;
    Ok(())
}

/// Gives whether it says anything that was not known.
fn take_compaction(
    connection: &Connection,
    delivery: &Delivery<'_>,
    body: &[u8],
) -> Result<bool, Refusal> {
    let author = &delivery.operation.header().author;
    let ends = check_compaction(body, &delivery.topic, author).map_err(Refusal::Refuse)?;
    let known = counters(connection, &delivery.topic, author)?;
    // Who has joined two forms of the log opens it under a name that nothing was said under, and may have
    // written again what was known under the same counters. Anybody else has said the same.
    let is_joined = !ends.contains_key(&delivery.operation.header().incarnation);
    let is_lower =
        |(incarnation, &next): (&u64, &i32)| ends.get(incarnation).is_none_or(|&end| end < next);
    // What we have joined ourselves may give counters up that nobody else has seen.
    if known.iter().any(is_lower) && !(is_joined && delivery.is_own) {
        return Err(Refusal::Refuse("the compaction leaves changes out"));
    }
    // The counters alone can be right where a change between them is missing.
    if !delivery.is_own && !known.is_empty() {
        let history = delivery.history.read(connection)?;
        if is_joined && !keeps_everything(&history, author, body) {
            return Err(Refusal::Refuse("the compaction leaves changes out"));
        }
        if !is_joined && !says_the_same(&history, &delivery.topic, author, &known, body) {
            return Err(Refusal::Refuse(
                "the compaction is not what its author has said before",
            ));
        }
    }
    for (&incarnation, &end) in &ends {
        count(connection, delivery, incarnation, end)?;
    }
    Ok(known != ends)
}

/// Where the changes of an author in a document end, by incarnation.
fn counters(
    connection: &Connection,
    topic: &TopicId,
    author: &AuthorId,
) -> Result<BTreeMap<u64, i32>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT incarnation, next FROM document_counters WHERE topic = ?1 AND author = ?2",
    )?;
    let mut rows = statement.query([topic.as_bytes().as_slice(), author.as_bytes()])?;
    let mut counters = BTreeMap::new();
    while let Some(row) = rows.next()? {
        counters.insert(row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?);
    }
    Ok(counters)
}

fn count(
    connection: &Connection,
    delivery: &Delivery<'_>,
    incarnation: u64,
    next: i32,
) -> Result<(), Refusal> {
    let incarnation = i64::try_from(incarnation)
        .map_err(|_| Refusal::Refuse("the incarnation is out of range"))?;
    connection
        .prepare_cached(
            "INSERT INTO document_counters (topic, author, incarnation, next)
             VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (topic, author, incarnation) DO UPDATE SET next = ?4",
        )?
        .execute(params![
            delivery.topic.as_bytes().as_slice(),
            delivery.operation.author().as_bytes().as_slice(),
            incarnation,
            next
        ])?;
    Ok(())
}
