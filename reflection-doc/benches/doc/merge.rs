// SPDX-License-Identifier: GPL-3.0-or-later
//! Two people who really typed at the same time: each edit is made upon what its writer had seen.

use std::time::{Duration, Instant};

use loro::{ExportMode, LoroDoc};
use reflection_doc::engine::{Engine, Intake};
use reflection_node::pipeline::Delivered;

use super::measure::{Row, at_share, median, progress, ratio, shown};
use super::peers;
use super::trace::{Trace, delivered, engine};

const ROUNDS: usize = 5;
const TARGET: Duration = Duration::from_millis(60);
/// How far apart operations are that a node checks, stores and hands over as fast as it can: see the
/// row `catch-up` of nodes.
const ARRIVING_APART: Duration = Duration::from_micros(50);
/// Operations that a document's stream gives at once.
const BATCH: usize = 1_000;

/// What both have done.
pub(crate) struct Played {
    /// How long each time took that one of them took in what the other had written.
    merges: Vec<Duration>,
    pub(crate) people: [Engine; 2],
    pub(crate) written: Vec<Delivered>,
}

/// Plays the session on both replicas.
pub(crate) fn play(trace: &Trace, seen: &[[Option<usize>; 2]]) -> Played {
    let mut people = [engine(1), engine(2)];
    // Edits of each that the other has not got, with the transaction of each.
    let mut waiting: [Vec<(usize, Delivered)>; 2] = [Vec::new(), Vec::new()];
    let (mut merges, mut written) = (Vec::new(), Vec::new());
    for (number, transaction) in trace.txns.iter().enumerate() {
        let (writer, other) = (transaction.agent, 1 - transaction.agent);
        if let Some(newest) = seen[number][other] {
            let count = waiting[other].partition_point(|(number, _)| *number <= newest);
            let arrived: Vec<Delivered> = waiting[other]
                .drain(..count)
                .map(|(_, operation)| operation)
                .collect();
            if !arrived.is_empty() {
                let started = Instant::now();
                people[writer].apply(&arrived).unwrap();
                merges.push(started.elapsed());
            }
        }
        for (at, delete, insert) in &transaction.patches {
            people[writer].edit(*at, *delete, insert).unwrap();
        }
        let author = people[writer].author();
        for body in people[writer].take_changes() {
            let operation = delivered(author, body);
            written.push(operation.clone());
            waiting[writer].push((number, operation));
        }
    }
    for (writer, waiting) in waiting.into_iter().enumerate() {
        let rest: Vec<Delivered> = waiting
            .into_iter()
            .map(|(_, operation)| operation)
            .collect();
        let started = Instant::now();
        people[1 - writer].apply(&rest).unwrap();
        merges.push(started.elapsed());
    }
    Played {
        merges,
        people,
        written,
    }
}

/// Somebody who only reads has the document open and takes in what both wrote as the application
/// does, where operations arrive so far apart. The time between them passes in thought; gives what
/// each time took.
fn read(operations: &[Delivered], apart: Duration) -> (Vec<Duration>, Engine) {
    let (mut reader, mut intake) = (engine(3), Intake::default());
    let (mut taken, mut read) = (Vec::new(), 0);
    let begun = Instant::now();
    let mut now = begun;
    while read < operations.len() {
        now += intake.rest(now);
        // When the next one is there; more may have come by now.
        now = now.max(begun + apart * u32::try_from(read).unwrap());
        let arrived = operations[read..]
            .iter()
            .zip(read..)
            .take_while(|(_, number)| begun + apart * u32::try_from(*number).unwrap() <= now)
            .take(BATCH)
            .count();
        let batch = &operations[read..read + arrived];
        intake.takes(batch.len(), now);
        let started = Instant::now();
        reader.apply(batch).unwrap();
        let elapsed = started.elapsed();
        now += elapsed;
        taken.push(elapsed);
        read += arrived;
    }
    (taken, reader)
}

/// The same history in one blob, into the CRDT alone: the least that merging can cost.
fn bare(all: &[u8]) -> Duration {
    let started = Instant::now();
    LoroDoc::new().import(all).unwrap();
    started.elapsed()
}

/// All that both wrote, as the CRDT exports it at once.
fn all_updates(operations: &[Delivered]) -> Vec<u8> {
    let doc = LoroDoc::new();
    // After the byte that names the format.
    let updates: Vec<Vec<u8>> = operations
        .iter()
        .map(|operation| operation.body[1..].to_vec())
        .collect();
    doc.import_batch(&updates).unwrap();
    doc.export(ExportMode::all_updates()).unwrap()
}

pub(crate) fn measure() {
    let trace = Trace::read("friendsforever.concurrent");
    let seen = trace.seen();
    let (mut rounds, mut beside) = ([Vec::new(), Vec::new(), Vec::new()], Vec::new());
    for _ in 0..ROUNDS {
        let played = play(&trace, &seen);
        let (arriving, one) = read(&played.written, ARRIVING_APART);
        let (stored, other) = read(&played.written, Duration::ZERO);
        for person in played.people.iter().chain([&one, &other]) {
            assert!(person.text() == trace.end_content);
        }
        for (rounds, taken) in rounds.iter_mut().zip([played.merges, arriving, stored]) {
            progress(shown(taken.iter().sum()));
            rounds.push(taken);
        }
        beside.push(bare(&all_updates(&played.written)));
    }
    let beside = median(&mut beside);
    let [both, arriving, stored] = &mut rounds;
    print(
        "merged on both replicas, each time that the next edit builds upon it",
        both,
        beside * 2,
    );
    print(
        "read by a third person while 20,000 operations a second arrive",
        arriving,
        beside,
    );
    print(
        "read by a third person who finds all of it in the store",
        stored,
        beside,
    );
}

/// Prints the round in the middle.
fn print(how: &str, rounds: &mut [Vec<Duration>], beside: Duration) {
    let sum = |taken: &Vec<Duration>| taken.iter().sum::<Duration>();
    rounds.sort_by_key(sum);
    let middle = &mut rounds[ROUNDS / 2];
    let taken = sum(middle);
    Row {
        what: format!("friendsforever, two people at once with their true parents, {how}"),
        measured: format!(
            "{}: {} times, p50 / p99 {} / {}",
            shown(taken),
            middle.len(),
            shown(median(middle)),
            shown(at_share(middle, 0.99))
        ),
        beside: format!(
            "Loro alone, all in one blob: {}{}",
            shown(beside),
            peers::times("merge", "friendsforever.concurrent")
        ),
        ratio: Some(ratio(taken, beside)),
        target: format!("at most {}", shown(TARGET)),
        is_met: Some(taken <= TARGET),
    }
    .print();
}
