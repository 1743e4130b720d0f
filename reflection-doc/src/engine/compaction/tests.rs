// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation
)]

use std::io::Read;
use std::path::Path;

use proptest::prelude::*;
use reflection_node::operation::OperationId;
use serde_json::Value;

use super::*;
use crate::engine::Engine;

const TOPIC: TopicId = TopicId::from_bytes([7; 32]);

fn author(number: u8) -> AuthorId {
    AuthorId::from_bytes([number; 32])
}

fn engine(number: u8) -> Engine {
    Engine::new(author(number), &TOPIC, 0)
}

fn delivered(author: AuthorId, kind: Kind, body: Vec<u8>) -> Delivered {
    Delivered {
        position: 1,
        id: OperationId::from_bytes([0; 32]),
        author,
        sequence: 0,
        time_us: 0,
        kind,
        incarnation: 0,
        body,
    }
}

fn said(engine: &mut Engine) -> Vec<Delivered> {
    let author = engine.author();
    let bodies = engine.take_changes().into_iter();
    bodies
        .map(|body| delivered(author, Kind::Edit, body))
        .collect()
}

fn compaction(number: u8, operations: &[Delivered]) -> Delivered {
    let body = compact(&TOPIC, &author(number), operations).expect("the log can be compacted");
    delivered(author(number), Kind::Compaction, body)
}

fn trace(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../reflection-cli/tests/traces")
        .join(name);
    let mut json = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut json)
        .unwrap();
    serde_json::from_str(&json).unwrap()
}

/// Transactions of one person that make an operation together, as while typing quickly.
const JOINED: usize = 8;

/// Plays a trace as it was typed, everybody on the text that they had before them. Gives all
/// operations and the engine of the first author.
fn played(name: &str) -> (Vec<Delivered>, Engine) {
    let trace = trace(name);
    let people = trace["numAgents"].as_u64().unwrap_or(1);
    let mut engines: Vec<Engine> = (0..people).map(|n| engine(n as u8 + 1)).collect();
    let mut log: Vec<Delivered> = Vec::new();
    let mut makers: Vec<usize> = Vec::new();
    // Of each person how many edits are unsaved, and what they have heard of the log.
    let mut unsaved = vec![0; engines.len()];
    let mut heard = vec![0; engines.len()];
    for transaction in trace["txns"].as_array().unwrap() {
        let who = transaction["agent"].as_u64().unwrap_or(0) as usize;
        let parents = transaction["parents"].as_array().into_iter().flatten();
        let makers_before = parents.filter_map(|parent| makers.get(parent.as_u64()? as usize));
        if let Some(&other) = makers_before.clone().find(|&&maker| maker != who) {
            log.extend(said(&mut engines[other]));
            unsaved[other] = 0;
            engines[who].apply(&log[heard[who]..]).unwrap();
            heard[who] = log.len();
        }
        for patch in transaction["patches"].as_array().unwrap() {
            let (at, delete) = (patch[0].as_u64().unwrap(), patch[1].as_u64().unwrap());
            let length = engines[who].len_chars();
            let at = (at as usize).min(length);
            let delete = (delete as usize).min(length - at);
            let insert = patch[2].as_str().unwrap();
            engines[who].edit(at, delete, insert).unwrap();
        }
        makers.push(who);
        unsaved[who] += 1;
        if unsaved[who] == JOINED {
            log.extend(said(&mut engines[who]));
            unsaved[who] = 0;
        }
    }
    for engine in &mut engines {
        log.extend(said(engine));
    }
    let mut first = engines.swap_remove(0);
    first.apply(&log[heard[0]..]).unwrap();
    (log, first)
}

fn bytes(operations: &[Delivered]) -> usize {
    // A header and the seal of a body take about 300 bytes.
    operations.iter().map(|one| one.body.len() + 300).sum()
}

#[test]
fn a_newcomer_reads_the_exact_text_from_compacted_logs_that_are_small() {
    for (name, people) in [
        ("sveltecomponent.json.gz", 1),
        ("friendsforever.concurrent.json.gz", 2),
    ] {
        let (log, first) = played(name);
        let compacted: Vec<Delivered> = (1..=people).map(|n| compaction(n, &log)).collect();
        let snapshot = first.doc.export(ExportMode::Snapshot).unwrap().len();
        assert!(bytes(&compacted) < 2 * snapshot);
        for order in [compacted.clone(), compacted.into_iter().rev().collect()] {
            let mut newcomer = engine(9);
            newcomer.apply(&order).unwrap();
            assert!(newcomer.text() == first.text(), "{name}");
        }
    }
}

#[test]
fn a_compaction_changes_nothing_for_whoever_knows_the_log() {
    let mut alice = engine(1);
    let mut log = Vec::new();
    for word in ["one ", "two ", "three "] {
        let end = alice.len_chars();
        alice.edit(end, 0, word).unwrap();
        log.extend(said(&mut alice));
    }
    let mut bob = engine(2);
    bob.apply(&log).unwrap();
    alice.edit(0, 0, "unsaved ").unwrap();
    let compaction = compaction(1, &log);
    assert!(
        bob.apply(std::slice::from_ref(&compaction))
            .unwrap()
            .is_empty()
    );
    assert!(alice.apply(&[compaction]).unwrap().is_empty());
    assert_eq!(said(&mut alice).len(), 1);
}

#[test]
fn all_incarnations_are_kept_and_a_compacted_log_can_be_compacted_again() {
    let mut before = engine(1);
    before.edit(0, 0, "before ").unwrap();
    let log = said(&mut before);
    let mut after = Engine::new(author(1), &TOPIC, 5);
    after.apply(&log).unwrap();
    after.edit(7, 0, "after").unwrap();
    let mut later = said(&mut after);
    later[0].incarnation = 5;
    let first = compaction(1, &log);
    let again = compaction(1, &[vec![first], later].concat());
    let ends = check_compaction(&again.body, &TOPIC, &author(1)).unwrap();
    assert_eq!(ends, Ends::from([(0, 7), (5, 5)]));
    let mut newcomer = engine(2);
    newcomer.apply(&[again]).unwrap();
    assert_eq!(newcomer.text(), "before after");
}

/// Alice and Bob write in turn; gives their log.
fn conversation() -> Vec<Delivered> {
    let (mut alice, mut bob) = (engine(1), engine(2));
    let mut log = Vec::new();
    for turn in 0..6 {
        let (one, other) = if turn % 2 == 0 {
            (&mut alice, &mut bob)
        } else {
            (&mut bob, &mut alice)
        };
        let end = one.len_chars();
        one.edit(end, 0, "word ").unwrap();
        let news = said(one);
        other.apply(&news).unwrap();
        log.extend(news);
    }
    log
}

/// A body that says `ends` and carries what of Alice and Bob `spans` name.
fn forged(log: &[Delivered], ends: &[(u64, u32)], spans: &[(u8, i32, i32)]) -> Vec<u8> {
    let doc = gather(log.iter().map(|one| one.body.as_slice())).unwrap();
    let spans: Vec<IdSpan> = spans
        .iter()
        .map(|&(who, from, to)| {
            IdSpan::new(PeerId::derive(&author(who), &TOPIC, 0).get(), from, to)
        })
        .collect();
    let mut body = vec![FORMAT_COMPACTION, u8::try_from(ends.len()).unwrap()];
    for (incarnation, end) in ends {
        body.extend_from_slice(&incarnation.to_be_bytes());
        body.extend_from_slice(&end.to_be_bytes());
    }
    body.extend(doc.export(ExportMode::updates_in_range(spans)).unwrap());
    body
}

#[test]
fn a_compaction_that_is_not_exactly_the_authors_own_is_refused() {
    let log = conversation();
    let check = |body: &[u8]| check_compaction(body, &TOPIC, &author(1));
    let good = forged(&log, &[(0, 15)], &[(1, 0, 15)]);
    assert_eq!(check(&good), Ok(Ends::from([(0, 15)])));
    assert_eq!(Some(good.clone()), compact(&TOPIC, &author(1), &log));
    let refused = [
        ("another author's", forged(&log, &[(0, 15)], &[(2, 0, 15)])),
        (
            "also another's",
            forged(&log, &[(0, 15)], &[(1, 0, 15), (2, 0, 3)]),
        ),
        ("not from 0", forged(&log, &[(0, 15)], &[(1, 5, 15)])),
        (
            "a list that says more",
            forged(&log, &[(0, 16)], &[(1, 0, 15)]),
        ),
        (
            "a list that says less",
            forged(&log, &[(0, 10)], &[(1, 0, 15)]),
        ),
        (
            "an unlisted incarnation",
            forged(&log, &[(1, 15)], &[(1, 0, 15)]),
        ),
        (
            "twice the same",
            forged(&log, &[(0, 15), (0, 15)], &[(1, 0, 15)]),
        ),
        ("an empty list", forged(&log, &[], &[(1, 0, 15)])),
        ("nothing", forged(&log, &[(0, 0)], &[])),
        (
            "a negative end",
            forged(&log, &[(0, u32::MAX)], &[(1, 0, 15)]),
        ),
        ("an edit", log[0].body.clone()),
        ("cut", good[..good.len() - 1].to_vec()),
        ("no bytes", Vec::new()),
    ];
    for (what, body) in refused {
        assert!(check(&body).is_err(), "{what} is taken");
    }
}

#[test]
fn a_compaction_that_takes_away_what_others_built_on_is_found() {
    let log = conversation();
    let whole = forged(&log, &[(0, 15)], &[(1, 0, 15)]);
    assert!(keeps_everything(&log, &author(1), &whole));
    let shorter = forged(&log, &[(0, 10)], &[(1, 0, 10)]);
    assert!(!keeps_everything(&log, &author(1), &shorter));
    // The gap hides among changes that wait for Bob's, where the ends alone look right.
    let gap = forged(&log, &[(0, 15)], &[(1, 0, 5), (1, 10, 15)]);
    assert!(!keeps_everything(&log, &author(1), &gap));
}

#[test]
fn no_cut_and_no_changed_byte_makes_the_check_panic() {
    let good = forged(&conversation(), &[(0, 15)], &[(1, 0, 15)]);
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 0x55;
        let _ = check_compaction(&changed, &TOPIC, &author(1));
        let _ = check_compaction(&good[..at], &TOPIC, &author(1));
    }
}

/// One step of a random session.
#[derive(Clone, Debug)]
enum Step {
    Edit {
        who: usize,
        at: prop::sample::Index,
        delete: usize,
        insert: &'static str,
    },
    Sync {
        from: usize,
        to: usize,
    },
    Compact(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let insert = prop::sample::select(vec!["a", "bc", "🎉", "தமிழ்", "\n", ""]);
    prop_oneof![
        4 => (0..3_usize, any::<prop::sample::Index>(), 0..4_usize, insert)
            .prop_map(|(who, at, delete, insert)| Step::Edit { who, at, delete, insert }),
        3 => (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Sync { from, to }),
        1 => (0..3_usize).prop_map(Step::Compact),
    ]
}

/// What one machine holds: everybody's log as it stands there, and an open text.
struct Machine {
    engine: Engine,
    logs: Vec<Vec<Delivered>>,
}

impl Machine {
    fn save(&mut self, who: usize) {
        let mut news = said(&mut self.engine);
        let next = self.logs[who].last().map_or(0, |last| last.sequence + 1);
        for (sequence, operation) in (next..).zip(&mut news) {
            operation.sequence = sequence;
        }
        self.logs[who].extend(news);
    }

    /// Takes what the other has and this one lacks of every log, as sync does.
    fn take_from(&mut self, logs: &[Vec<Delivered>]) {
        for (mine, theirs) in self.logs.iter_mut().zip(logs) {
            let next = mine.last().map_or(0, |last| last.sequence + 1);
            for operation in theirs.iter().filter(|one| one.sequence >= next) {
                if operation.kind == Kind::Compaction {
                    mine.clear();
                }
                mine.push(operation.clone());
                self.engine.apply(std::slice::from_ref(operation)).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn compactions_at_any_time_leave_everybody_with_the_same_text(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut machines: Vec<Machine> = (0..3_u8)
            .map(|n| Machine { engine: engine(n + 1), logs: vec![Vec::new(); 3] })
            .collect();
        let mut all = steps;
        // In the end everybody hears of everybody, twice round.
        all.extend((0..12).map(|n| Step::Sync { from: n % 3, to: (n + 1) % 3 }));
        for step in all {
            match step {
                Step::Edit { who, at, delete, insert } => {
                    let engine = &mut machines[who].engine;
                    let length = engine.len_chars();
                    let at = at.index(length + 1);
                    engine.edit(at, delete.min(length - at), insert).unwrap();
                }
                Step::Sync { from, to } if from != to => {
                    machines[from].save(from);
                    let logs = machines[from].logs.clone();
                    machines[to].save(to);
                    machines[to].take_from(&logs);
                }
                Step::Sync { .. } => {}
                Step::Compact(who) => {
                    let machine = &mut machines[who];
                    machine.save(who);
                    let operations = machine.logs.concat();
                    let body = compact(&TOPIC, &author(who as u8 + 1), &operations);
                    prop_assert_eq!(body.is_some(), !machine.logs[who].is_empty());
                    if let Some(body) = body {
                        let own = &mut machine.logs[who];
                        let mut made = delivered(author(who as u8 + 1), Kind::Compaction, body);
                        made.sequence = own.last().map_or(0, |last| last.sequence + 1);
                        *own = vec![made];
                    }
                }
            }
        }
        let text = machines[0].engine.text();
        for machine in &machines {
            prop_assert_eq!(&machine.engine.text(), &text);
            let mut reader = engine(9);
            reader.apply(&machine.logs.concat()).unwrap();
            prop_assert_eq!(&reader.text(), &text);
        }
    }
}
