// SPDX-License-Identifier: GPL-3.0-or-later
//! Logs of several authors on one machine, without a network and without a program on top.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use rusqlite::Connection;

use super::*;
use crate::access::{
    Access, BodyContext, Code, DocumentKeys, DocumentSecret, TopicId, encrypt_body,
};
use crate::operation::{Kind, NewHeader, Operation, OperationId};
use crate::store::documents::StoredDocument;
use crate::store::{StoreError, documents, operations, prepare};

/// Takes everything but what says "bad".
struct Taking;

impl Application for Taking {
    fn prepare(&mut self, _: &Connection) -> Result<(), StoreError> {
        Ok(())
    }

    fn state_version(&self) -> u32 {
        1
    }

    fn process(&mut self, _: &Connection, delivery: &Delivery<'_>) -> Result<Processed, Refusal> {
        match delivery.body {
            Some(b"bad") => Err(Refusal::Refuse("it is bad")),
            Some(b"later") => Ok(Processed::Later),
            _ => Ok(Processed::Done),
        }
    }

    fn wipe(&mut self, _: &Connection, _: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }

    fn reset(&mut self, _: &Connection) -> Result<(), StoreError> {
        Ok(())
    }

    fn digest(&self, _: &Connection, _: &TopicId) -> Result<[u8; 32], StoreError> {
        Ok([0; 32])
    }

    fn added(&mut self, _: &Connection, _: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }

    fn deleted(&mut self, _: &Connection, _: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }
}

/// One machine.
struct Machine {
    connection: Connection,
    processor: Processor,
    keys: DocumentKeys,
}

impl Machine {
    fn new(keys: &DocumentKeys) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        prepare(&connection).unwrap();
        documents::add(&connection, keys, true, 5).unwrap();
        Self {
            connection,
            processor: Processor {
                key: AuthorKey::generate(),
                application: Box::new(Taking),
                early: WaitingRoom::default(),
            },
            keys: keys.clone(),
        }
    }

    fn document(&self) -> StoredDocument {
        documents::find(&self.connection, &self.keys.topic())
            .unwrap()
            .unwrap()
    }

    fn hears(&mut self, said: &[Operation]) -> Ingested {
        let (verified, refused) = verify_batch(&self.keys, said.to_vec());
        assert!(refused.is_empty());
        ingest(&self.connection, &mut self.processor, &self.keys, verified).unwrap()
    }

    fn says(&mut self, kind: Kind, body: &[u8]) -> Published {
        let document = self.document();
        let new = NewOperation {
            topic: self.keys.topic(),
            kind,
            incarnation: document.incarnation,
            body: body.to_vec(),
            time_us: 7,
            sequence: None,
        };
        publish(&self.connection, &mut self.processor, &new)
            .unwrap()
            .0
    }

    fn log(&self, author: &crate::identity::AuthorId) -> Vec<Operation> {
        operations::range(&self.connection, self.document().row, author, 0, 10_000).unwrap()
    }

    fn sequences(&self, author: &crate::identity::AuthorId) -> Vec<u64> {
        let log = self.log(author).into_iter();
        log.map(|operation| operation.header().sequence).collect()
    }
}

fn keys() -> DocumentKeys {
    DocumentKeys::for_writing(DocumentSecret::generate())
}

/// An operation of `author` as that author's machine would make it.
fn made(
    author: &AuthorKey,
    keys: &DocumentKeys,
    sequence: u64,
    backlink: Option<OperationId>,
    kind: Kind,
    body: &[u8],
) -> Operation {
    let context = BodyContext {
        topic: keys.topic(),
        author: author.id(),
        sequence,
    };
    let header = NewHeader {
        topic: keys.topic(),
        sequence,
        backlink,
        time_us: 1,
        kind,
        incarnation: 0,
        write_proof: keys.prove_write(&author.id()),
    };
    Operation::sign(author, header, encrypt_body(keys, &context, body).unwrap())
}

/// A log of edits with these bodies, going on after `before`.
fn log(
    author: &AuthorKey,
    keys: &DocumentKeys,
    before: Option<&Operation>,
    bodies: &[&str],
) -> Vec<Operation> {
    let mut log: Vec<Operation> = Vec::new();
    for body in bodies {
        let last = log.last().or(before);
        let sequence = last.map_or(0, |last| last.header().sequence + 1);
        let backlink = last.map(Operation::id);
        log.push(made(
            author,
            keys,
            sequence,
            backlink,
            Kind::Edit,
            body.as_bytes(),
        ));
    }
    log
}

#[test]
fn a_compaction_takes_the_place_of_what_it_replaces_here_and_at_others() {
    let keys = keys();
    let mut alice = Machine::new(&keys);
    let mut bob = Machine::new(&keys);
    let id = alice.processor.key.id();
    for _ in 0..5 {
        alice.says(Kind::Edit, b"edit");
    }
    bob.hears(&alice.log(&id));
    let compaction = alice.says(Kind::Compaction, b"all");
    assert_eq!(compaction.sequence, 5);
    alice.says(Kind::Edit, b"later");
    assert_eq!(alice.sequences(&id), [5, 6]);
    let heard = bob.hears(&alice.log(&id));
    assert_eq!(heard.accepted[&id], 2);
    assert_eq!(heard.heads[&id].base, 5);
    assert_eq!(bob.sequences(&id), [5, 6]);
    let heights = operations::heights(&bob.connection, bob.document().row).unwrap();
    assert_eq!(heights.get(&id), Some(&heard.heads[&id]));
    // What comes late from somebody who has not heard of it is known.
    let late = made(
        &alice.processor.key,
        &keys,
        2,
        Some(compaction.id),
        Kind::Edit,
        b"edit",
    );
    let heard = bob.hears(&[late]);
    assert!(heard.forks.is_empty() && heard.accepted.is_empty() && heard.early == 0);
}

#[test]
fn a_newcomer_and_a_replica_take_a_compaction_without_what_came_before() {
    let keys = keys();
    let author = AuthorKey::generate();
    let opening = made(
        &author,
        &keys,
        9,
        Some(OperationId::from_bytes([3; 32])),
        Kind::Compaction,
        b"all",
    );
    let after = log(&author, &keys, Some(&opening), &["more"]);
    let code = Code::new(&keys, Access::Replica, Vec::new()).unwrap();
    for keys in [&keys, code.keys()] {
        let mut machine = Machine::new(keys);
        let heard = machine.hears(&[opening.clone(), after[0].clone()]);
        assert_eq!(heard.accepted[&author.id()], 2);
        assert_eq!(machine.sequences(&author.id()), [9, 10]);
    }
}

#[test]
fn a_refused_compaction_leaves_everything_as_it_was_and_is_remembered() {
    let keys = keys();
    let author = AuthorKey::generate();
    let mut bob = Machine::new(&keys);
    let edits = log(&author, &keys, None, &["one", "two"]);
    bob.hears(&edits);
    let bad = made(
        &author,
        &keys,
        2,
        Some(edits[1].id()),
        Kind::Compaction,
        b"bad",
    );
    let heard = bob.hears(&[bad]);
    assert_eq!(heard.refused.len(), 1);
    assert_eq!(heard.declined[&author.id()], 2);
    assert_eq!(bob.sequences(&author.id()), [0, 1]);
    let row = bob.document().row;
    let refusals = operations::refusals(&bob.connection, row).unwrap();
    assert_eq!(refusals, [(author.id(), 2)]);
    // A good one above it opens the log anew, and the refusal is of no account any more.
    let good = made(
        &author,
        &keys,
        3,
        Some(edits[1].id()),
        Kind::Compaction,
        b"all",
    );
    let (verified, _) = verify_batch(&keys, vec![good]);
    ingest(&bob.connection, &mut bob.processor, &keys, verified).unwrap();
    assert_eq!(bob.sequences(&author.id()), [3]);
    assert!(
        operations::refusals(&bob.connection, row)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_was_made_before_the_log_grew_is_not_published() {
    let keys = keys();
    let mut alice = Machine::new(&keys);
    alice.says(Kind::Edit, b"one");
    let new = NewOperation {
        topic: keys.topic(),
        kind: Kind::Compaction,
        incarnation: 5,
        body: b"all".to_vec(),
        time_us: 0,
        sequence: Some(0),
    };
    let refused = publish(&alice.connection, &mut alice.processor, &new);
    assert!(matches!(refused, Err(PublishError::Overtaken)));
}

#[test]
fn what_comes_too_early_waits_and_is_taken_in_order() {
    let keys = keys();
    let author = AuthorKey::generate();
    let mut bob = Machine::new(&keys);
    let edits = log(&author, &keys, None, &["0", "1", "2", "3"]);
    let heard = bob.hears(&[edits[3].clone(), edits[1].clone()]);
    assert_eq!(heard.early, 2);
    assert!(heard.accepted.is_empty() && heard.stuck.is_empty());
    let heard = bob.hears(&edits[..1]);
    assert_eq!(heard.accepted[&author.id()], 2);
    assert_eq!(heard.heads[&author.id()].next, 2);
    let heard = bob.hears(&edits[2..3]);
    assert_eq!(heard.heads[&author.id()].next, 4);
    assert_eq!(bob.sequences(&author.id()), [0, 1, 2, 3]);
}

#[test]
fn what_is_left_for_later_is_kept_and_given_again_at_start() {
    let keys = keys();
    let author = AuthorKey::generate();
    let mut bob = Machine::new(&keys);
    let edits = log(&author, &keys, None, &["now", "later", "now"]);
    assert_eq!(bob.hears(&edits).accepted[&author.id()], 3);
    let row = bob.document().row;
    let acknowledged = |bob: &Machine| {
        let all = operations::after(&bob.connection, row, 0, 100).unwrap();
        all.len()
    };
    assert_eq!(acknowledged(&bob), 2, "exactly those, not up to a highest");
    process_all_waiting(&bob.connection, &mut bob.processor).unwrap();
    assert_eq!(acknowledged(&bob), 2);
    let waiting = operations::waiting(&bob.connection, row, 0).unwrap();
    assert_eq!(waiting[0].1.id(), edits[1].id());
}
