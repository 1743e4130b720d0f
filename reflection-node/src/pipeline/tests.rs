// SPDX-License-Identifier: GPL-3.0-or-later
//! Logs of several authors on one machine, without a network and without a program on top.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use rusqlite::Connection;

use super::*;
use crate::access::{
    Access, BodyContext, Code, DocumentKeys, DocumentSecret, TopicId, encrypt_body,
};
use crate::identity::VerifyingKeys;
use crate::operation::{ForkProof, Kind, NewHeader, Operation, OperationId};
use crate::store::documents::StoredDocument;
use crate::store::{StoreError, documents, forks, operations, prepare};

/// Takes everything but what says "bad".
struct Taking;

impl Application for Taking {
    fn process(&mut self, _: &Connection, delivery: &Delivery<'_>) -> Result<Processed, Refusal> {
        match delivery.body {
            Some(b"bad") => Err(Refusal::Refuse("it is bad")),
            Some(b"later") => Ok(Processed::Later),
            _ => Ok(Processed::Done),
        }
    }

    fn deleted(&mut self, _: &Connection, _: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }

    fn compactor(&self) -> Option<Arc<dyn Compactor>> {
        Some(Arc::new(Joining))
    }
}

/// A log says the words in its bodies.
struct Joining;

fn words(log: &[Delivered]) -> Vec<&str> {
    let bodies = log
        .iter()
        .map(|one| std::str::from_utf8(&one.body).unwrap());
    bodies.flat_map(str::split_whitespace).collect()
}

impl Compactor for Joining {
    fn compact(
        &self,
        _: &TopicId,
        _: &crate::identity::AuthorId,
        _: &[Delivered],
    ) -> Option<Vec<u8>> {
        None
    }

    fn mend(&self, branches: &Branches<'_>) -> Option<Joined> {
        let (ours, theirs) = (words(branches.ours), words(branches.theirs));
        let mut all = theirs.clone();
        all.extend(ours.iter().filter(|word| !theirs.contains(word)));
        Some(Joined {
            body: all.join(" ").into_bytes(),
            is_ours_in_theirs: ours.iter().all(|word| theirs.contains(word)),
            is_theirs_in_ours: theirs.iter().all(|word| ours.contains(word)),
        })
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
        let (verified, refused) =
            verify_batch(&self.keys, &mut VerifyingKeys::default(), said.to_vec());
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

    /// Is the machine of whoever holds this key.
    fn with_key(keys: &DocumentKeys, key: &AuthorKey) -> Self {
        let mut machine = Self::new(keys);
        machine.processor.key = key.clone();
        machine
    }

    fn generation(&self) -> i64 {
        forks::generation(&self.connection, self.document().row).unwrap()
    }

    /// Meets somebody who holds its log as `theirs`.
    fn mends(&mut self, theirs: &[Operation]) -> Mended {
        let (verified, _) =
            verify_batch(&self.keys, &mut VerifyingKeys::default(), theirs.to_vec());
        mend(&self.connection, &mut self.processor, &self.keys, verified).unwrap()
    }

    /// What it says in its own log.
    fn own_words(&self) -> Vec<String> {
        let own = self.processor.key.id();
        let all = read_all(&self.connection, self.document().row, &self.keys).unwrap();
        let (own, _): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.author == own);
        words(&own).into_iter().map(str::to_owned).collect()
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
    let (verified, _) = verify_batch(&keys, &mut VerifyingKeys::default(), vec![good]);
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

#[test]
fn a_log_that_goes_on_in_two_ways_is_proved_once_and_stays_at_the_branch_that_came_first() {
    let keys = keys();
    let author = AuthorKey::generate();
    let common = log(&author, &keys, None, &["common"]);
    let left = log(&author, &keys, common.last(), &["left", "left2"]);
    let right = log(&author, &keys, common.last(), &["right"]);
    let mut bob = Machine::new(&keys);
    bob.hears(&[common.clone(), left.clone()].concat());
    let heard = bob.hears(&right);
    assert_eq!(heard.proofs.len(), 1);
    assert_eq!(heard.proofs[0].sequence(), 1);
    assert!(bob.hears(&right).proofs.is_empty(), "it is told once");
    assert_eq!(bob.sequences(&author.id()), [0, 1, 2]);
    // Whoever saw one branch only believes the proof, from whomever it comes.
    let mut carol = Machine::new(&keys);
    carol.hears(&[common.clone(), left.clone()].concat());
    let evidence = vec![Evidence::Proof(heard.proofs[0].clone())];
    let examined = examine(&carol.connection, &keys, evidence).unwrap();
    assert_eq!(examined, heard.proofs);
    // Above both it opens anew, and whoever read the branch begins again.
    let mending = made(
        &author,
        &keys,
        3,
        Some(right[0].id()),
        Kind::Compaction,
        b"all",
    );
    for machine in [&mut bob, &mut carol] {
        assert_eq!(machine.generation(), 0);
        machine.hears(std::slice::from_ref(&mending));
        assert_eq!(machine.sequences(&author.id()), [3]);
        assert_eq!(machine.generation(), 1);
    }
}

#[test]
fn the_header_that_a_peer_holds_in_the_same_place_makes_the_proof() {
    let keys = keys();
    let author = AuthorKey::generate();
    let common = log(&author, &keys, None, &["common"]);
    let left = log(&author, &keys, common.last(), &["left"]);
    let right = log(&author, &keys, common.last(), &["right", "right2"]);
    let mut bob = Machine::new(&keys);
    bob.hears(&[common.clone(), left].concat());
    let heard = bob.hears(&right[1..]);
    assert_eq!(heard.forks, [(author.id(), 2)]);
    assert!(
        heard.proofs.is_empty(),
        "what came before it is not known yet"
    );
    let evidence =
        |operation: &Operation| vec![Evidence::Header(operation.header_bytes().to_vec())];
    let examined = examine(&bob.connection, &keys, evidence(&common[0])).unwrap();
    assert!(examined.is_empty(), "the same header is no contradiction");
    let examined = examine(&bob.connection, &keys, evidence(&right[0])).unwrap();
    assert_eq!(examined.len(), 1);
}

#[test]
fn a_forged_proof_is_worth_nothing() {
    let keys = keys();
    let (victim, forger) = (AuthorKey::generate(), AuthorKey::generate());
    let mut bob = Machine::new(&keys);
    let honest = log(&victim, &keys, None, &["one", "two"]);
    bob.hears(&honest);
    bob.hears(&log(&forger, &keys, None, &["mine"]));
    let header = |operation: &Operation| operation.header_bytes().to_vec();
    // Signed by somebody else: the author's key stands where theirs would.
    let mut unsigned = header(&log(&victim, &keys, None, &["never"])[0]);
    let last = unsigned.len() - 1;
    unsigned[last] ^= 1;
    let elsewhere = self::keys();
    let other_document = log(&victim, &elsewhere, None, &["there", "there2"]);
    let stranger = AuthorKey::generate();
    let strangers = [
        header(&log(&stranger, &keys, None, &["a"])[0]),
        header(&log(&stranger, &keys, None, &["b"])[0]),
    ];
    let pairs = [
        (header(&honest[0]), unsigned),
        (
            header(&other_document[0]),
            header(&log(&victim, &elsewhere, None, &["x"])[0]),
        ),
        (strangers[0].clone(), strangers[1].clone()),
    ];
    for (one, other) in pairs {
        let proof = ForkProof::new(one, other).unwrap();
        let examined = examine(&bob.connection, &keys, vec![Evidence::Proof(proof)]).unwrap();
        assert!(examined.is_empty());
    }
    for (one, other) in [
        (header(&honest[0]), header(&honest[1])),
        (header(&honest[0]), header(&honest[0])),
        (header(&honest[0]), header(&other_document[0])),
        (header(&honest[0]), vec![0; 40]),
    ] {
        assert!(ForkProof::new(one, other).is_none());
    }
    assert!(
        forks::all(&bob.connection, bob.document().row)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn our_own_forgotten_operations_are_taken_back_and_the_name_changes() {
    let keys = keys();
    let key = AuthorKey::generate();
    let mut before = Machine::with_key(&keys, &key);
    for word in [b"one" as &[u8], b"two", b"three"] {
        before.says(Kind::Edit, word);
    }
    let log = before.log(&key.id());
    let mut restored = Machine::with_key(&keys, &key);
    restored.says(Kind::Edit, b"other");
    operations::clear_log(&restored.connection, restored.document().row, 1).unwrap();
    restored.connection.execute("DELETE FROM logs", []).unwrap();
    let old = restored.document().incarnation;
    let heard = restored.hears(&log);
    assert_eq!(heard.accepted[&key.id()], 3);
    let new = restored.document().incarnation;
    assert_eq!(heard.incarnation, Some(new));
    assert!(new > old);
    assert_eq!(restored.generation(), 1);
    let refused = publish(
        &restored.connection,
        &mut restored.processor,
        &NewOperation {
            topic: keys.topic(),
            kind: Kind::Edit,
            incarnation: old,
            body: b"typed before".to_vec(),
            time_us: 0,
            sequence: None,
        },
    );
    assert!(matches!(refused, Err(PublishError::OldIncarnation)));
    assert_eq!(restored.says(Kind::Edit, b"again").sequence, 3);
}

#[test]
fn our_own_log_in_two_forms_is_joined_above_both() {
    let keys = keys();
    let key = AuthorKey::generate();
    let (mut here, mut there) = (
        Machine::with_key(&keys, &key),
        Machine::with_key(&keys, &key),
    );
    for word in ["left", "left2", "left3"] {
        here.says(Kind::Edit, word.as_bytes());
    }
    there.says(Kind::Edit, b"right");
    let theirs = there.log(&key.id());
    assert!(here.hears(&theirs).is_own_forked);
    let mended = here.mends(&theirs);
    assert_eq!(mended.proof.as_ref().unwrap().sequence(), 0);
    assert_eq!(here.sequences(&key.id()), [3]);
    assert_eq!(here.own_words(), ["right", "left", "left2", "left3"]);
    assert_eq!(mended.incarnation, Some(here.document().incarnation));
    // The other device finds all its own in that, and has nothing to add.
    let mended = there.mends(&here.log(&key.id()));
    assert_eq!(there.sequences(&key.id()), [3]);
    assert_eq!(mended.head.unwrap().1.id, here.log(&key.id())[0].id());
    // Nor is there anything more to mend for either.
    assert!(here.mends(&there.log(&key.id())).head.is_none());
    assert!(there.mends(&here.log(&key.id())).head.is_none());
}

#[test]
fn two_devices_that_join_at_the_same_time_come_to_rest() {
    let keys = keys();
    let key = AuthorKey::generate();
    let mut devices = [
        Machine::with_key(&keys, &key),
        Machine::with_key(&keys, &key),
    ];
    devices[0].says(Kind::Edit, b"left");
    devices[1].says(Kind::Edit, b"right");
    for _ in 0..4 {
        let logs = [devices[0].log(&key.id()), devices[1].log(&key.id())];
        devices[0].mends(&logs[1]);
        devices[1].mends(&logs[0]);
    }
    let heads = devices
        .each_ref()
        .map(|one| one.log(&key.id()).last().unwrap().id());
    assert_eq!(heads[0], heads[1]);
    let mut said = devices[0].own_words();
    said.sort();
    assert_eq!(said, ["left", "right"]);
}

#[test]
fn what_a_peer_says_to_be_our_log_and_is_not_changes_nothing() {
    let keys = keys();
    let (key, other) = (AuthorKey::generate(), AuthorKey::generate());
    let mut here = Machine::with_key(&keys, &key);
    here.says(Kind::Edit, b"ours");
    let whole = log(&key, &keys, None, &["a", "b", "c"]);
    let gap = [whole[0].clone(), whole[2].clone()];
    let cases: [&[Operation]; 4] = [&[], &whole[1..], &gap, &log(&other, &keys, None, &["x"])];
    for theirs in cases {
        assert!(here.mends(theirs).head.is_none());
        assert_eq!(here.own_words(), ["ours"]);
    }
}
