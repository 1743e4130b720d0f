// SPDX-License-Identifier: GPL-3.0-or-later
//! The smallest program on top of the node whose mistakes show: it keeps lists of numbers.
//!
//! The body of an edit is a number in the first eight bytes; a compaction is all numbers of its
//! author, in order, behind a byte of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{Person, Random};
use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::operation::Kind;
use crate::pipeline::{
    Application, Branches, Compactor, Delivered, Delivery, Joined, Processed, Refusal,
};
use crate::store::StoreError;

/// Edits that begin so are refused by everybody.
const REFUSED: u8 = 0xFF;
/// Compactions begin so.
const COMPACTION: u8 = 0x80;
/// Bytes of a number.
const NUMBER_BYTES: usize = 8;

/// A person who writes numbers. The text of the document is the list of each author.
#[derive(Debug, Default)]
pub struct Ledger {
    lists: BTreeMap<AuthorId, Vec<u64>>,
    unpublished: Vec<Vec<u8>>,
}

impl Person for Ledger {
    fn application(&self) -> Box<dyn Application> {
        Box::new(Entries)
    }

    fn start(&mut self, _: AuthorId, _: &TopicId, _: u64) {
        // Numbers that were not stored are lost with the process, as typing would be.
        *self = Self::default();
    }

    fn begin_again(&mut self, _: AuthorId, _: &TopicId, _: u64, stored: &[Delivered]) {
        self.lists.clear();
        self.apply(stored);
    }

    fn apply(&mut self, operations: &[Delivered]) {
        for operation in operations {
            let list = self.lists.entry(operation.author).or_default();
            take(list, operation.kind, &operation.body);
        }
    }

    fn write(&mut self, random: &mut Random) {
        let length = if random.percent(3) {
            60_000
        } else {
            NUMBER_BYTES
        };
        let mut body = vec![0; length];
        random.fill(&mut body[..NUMBER_BYTES]);
        body[0] &= 0x7F;
        self.unpublished.push(body);
    }

    fn take_changes(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.unpublished)
    }

    fn give_back(&mut self, mut bodies: Vec<Vec<u8>>) {
        bodies.append(&mut self.unpublished);
        self.unpublished = bodies;
    }

    fn state(&mut self) -> String {
        format!("{:?}", self.lists)
    }

    fn said(&mut self) -> BTreeSet<u64> {
        self.lists.values().flatten().copied().collect()
    }

    fn check(&self, connection: &Connection) -> Result<(), String> {
        let (entries, distinct, processed): (i64, i64, i64) = connection
            .query_row(
                "SELECT count(*), count(DISTINCT operation),
                        (SELECT count(*) FROM operations WHERE state = 1) FROM entries",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .map_err(|error| error.to_string())?;
        if entries == distinct && entries == processed {
            Ok(())
        } else {
            Err(format!(
                "{processed} operations had {entries} effects, {distinct} different ones"
            ))
        }
    }
}

/// The numbers that a body says.
fn numbers(kind: Kind, body: &[u8]) -> Vec<u64> {
    let (first, rest) = body.split_at_checked(1).unwrap_or_default();
    let body = match kind {
        Kind::Edit => body,
        Kind::Compaction if first == [COMPACTION] => rest,
        Kind::Compaction => &[],
    };
    let count = match kind {
        Kind::Edit => 1,
        Kind::Compaction => usize::MAX,
    };
    body.chunks(NUMBER_BYTES)
        .take(count)
        .map(|chunk| {
            let mut bytes = [0; NUMBER_BYTES];
            bytes[..chunk.len()].copy_from_slice(chunk);
            u64::from_be_bytes(bytes)
        })
        .collect()
}

/// What an operation makes of its author's list.
fn take(list: &mut Vec<u64>, kind: Kind, body: &[u8]) {
    if kind == Kind::Compaction {
        list.clear();
    }
    list.extend(numbers(kind, body));
}

/// What a log makes.
fn list<'a>(log: impl IntoIterator<Item = &'a Delivered>) -> Vec<u64> {
    let mut list = Vec::new();
    for operation in log {
        take(&mut list, operation.kind, &operation.body);
    }
    list
}

fn compaction(list: &[u64]) -> Vec<u8> {
    let numbers = list.iter().flat_map(|number| number.to_be_bytes());
    std::iter::once(COMPACTION).chain(numbers).collect()
}

/// What the ledger keeps in the store: an entry for every effect, and what is in the lists.
struct Entries;

impl Application for Entries {
    fn prepare(&mut self, connection: &Connection) -> Result<(), StoreError> {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS entries (
                 entry INTEGER PRIMARY KEY, topic BLOB NOT NULL, author BLOB NOT NULL,
                 operation BLOB NOT NULL
             ) STRICT;
             CREATE TABLE IF NOT EXISTS numbers (
                 topic BLOB NOT NULL, author BLOB NOT NULL, number INTEGER NOT NULL,
                 PRIMARY KEY (topic, author, number)
             ) STRICT",
        )?;
        Ok(())
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
        let author = header.author.as_bytes().as_slice();
        let topic = delivery.topic.as_bytes().as_slice();
        let said = numbers(header.kind, body);
        if header.kind == Kind::Compaction {
            let listed: BTreeSet<i64> = said.iter().map(|number| number.cast_signed()).collect();
            if !known(connection, topic, author)?.is_subset(&listed) {
                return Err(Refusal::Refuse("the compaction leaves numbers out"));
            }
            connection.execute(
                "DELETE FROM entries WHERE topic = ?1 AND author = ?2",
                [topic, author],
            )?;
        }
        // Written before the refusal, so that it shows if something of a refused one remains.
        connection
            .prepare_cached("INSERT INTO entries (topic, author, operation) VALUES (?1, ?2, ?3)")?
            .execute(params![
                topic,
                author,
                delivery.operation.id().as_bytes().as_slice()
            ])?;
        let mut insert = connection.prepare_cached(
            "INSERT OR IGNORE INTO numbers (topic, author, number) VALUES (?1, ?2, ?3)",
        )?;
        for number in said {
            insert.execute(params![topic, author, number.cast_signed()])?;
        }
        if body.first() == Some(&REFUSED) {
            return Err(Refusal::Refuse("the number is refused"));
        }
        Ok(Processed::Done)
    }

    fn added(&mut self, _: &Connection, _: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }

    fn deleted(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
        let topic = topic.as_bytes().as_slice();
        connection.execute("DELETE FROM entries WHERE topic = ?1", [topic])?;
        connection.execute("DELETE FROM numbers WHERE topic = ?1", [topic])?;
        Ok(())
    }

    fn compactor(&self) -> Option<Arc<dyn Compactor>> {
        Some(Arc::new(Lists))
    }
}

/// The numbers of an author in a document that are here.
fn known(
    connection: &Connection,
    topic: &[u8],
    author: &[u8],
) -> Result<BTreeSet<i64>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT number FROM numbers WHERE topic = ?1 AND author = ?2")?;
    let numbers = statement.query_map([topic, author], |row| row.get(0))?;
    Ok(numbers.collect::<Result<_, _>>()?)
}

/// What the ledger knows about whole logs.
struct Lists;

impl Compactor for Lists {
    fn compact(&self, _: &TopicId, author: &AuthorId, operations: &[Delivered]) -> Option<Vec<u8>> {
        let own = operations.iter().filter(|one| one.author == *author);
        Some(compaction(&list(own)))
    }

    fn mend(&self, branches: &Branches<'_>) -> Option<Joined> {
        let (ours, theirs) = (list(branches.ours), list(branches.theirs));
        let in_ours: BTreeSet<&u64> = ours.iter().collect();
        let in_theirs: BTreeSet<&u64> = theirs.iter().collect();
        let mut joined = theirs.clone();
        joined.extend(ours.iter().filter(|number| !in_theirs.contains(number)));
        Some(Joined {
            body: compaction(&joined),
            is_ours_in_theirs: in_ours.is_subset(&in_theirs),
            is_theirs_in_ours: in_theirs.is_subset(&in_ours),
        })
    }
}
