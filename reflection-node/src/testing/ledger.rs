// SPDX-License-Identifier: GPL-3.0-or-later
//! The smallest program on top of the node whose mistakes show: it adds up numbers.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Person, Random};
use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::pipeline::{Application, Delivered, Delivery, Processed, Refusal};
use crate::store::StoreError;

/// Bodies that begin so are refused by everybody.
const REFUSED: u8 = 0xFF;

/// A person who writes numbers. The text of the document is the sum for each author.
#[derive(Debug, Default)]
pub struct Ledger {
    sums: BTreeMap<AuthorId, u64>,
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

    fn apply(&mut self, operations: &[Delivered]) {
        for operation in operations {
            let sum = self.sums.entry(operation.author).or_default();
            // Depends on the order within a log, and on nothing else.
            *sum = sum.wrapping_mul(31).wrapping_add(number(&operation.body));
        }
    }

    fn write(&mut self, random: &mut Random) {
        let length = if random.percent(3) { 60_000 } else { 8 };
        let mut body = vec![0; length];
        random.fill(&mut body[..8]);
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
        format!("{:?}", self.sums)
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

fn number(body: &[u8]) -> u64 {
    body.iter().fold(body.len() as u64, |number, &byte| {
        number.wrapping_mul(257).wrapping_add(byte.into())
    })
}

/// What the ledger keeps in the store: an entry for every effect.
struct Entries;

impl Application for Entries {
    fn prepare(&mut self, connection: &Connection) -> Result<(), StoreError> {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS entries (
                 entry INTEGER PRIMARY KEY, operation BLOB NOT NULL, number INTEGER NOT NULL
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
        // Written before the refusal, so that it shows if something of a refused one remains.
        connection
            .prepare_cached("INSERT INTO entries (operation, number) VALUES (?1, ?2)")?
            .execute(params![
                delivery.operation.id().as_bytes().as_slice(),
                i64::try_from(number(body) >> 1).unwrap_or(0),
            ])?;
        if body.first() == Some(&REFUSED) {
            return Err(Refusal::Refuse("the number is refused"));
        }
        Ok(Processed::Done)
    }

    fn added(&mut self, _: &Connection, _: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }

    fn deleted(&mut self, connection: &Connection, _: &TopicId) -> Result<(), StoreError> {
        connection.execute("DELETE FROM entries", [])?;
        Ok(())
    }
}
