// SPDX-License-Identifier: GPL-3.0-or-later
//! Two people who really typed at the same time: each edit is made upon what its writer had seen.

use std::time::{Duration, Instant};

use loro::{ExportMode, LoroDoc};
use reflection_doc::engine::Engine;
use reflection_node::pipeline::Delivered;

use super::measure::{Row, median, progress, ratio, shown};
use super::peers;
use super::trace::{Trace, delivered, engine};

const ROUNDS: usize = 5;
const TARGET: Duration = Duration::from_millis(60);
/// Operations that a reader who is catching up finds at each frame of the screen.
const FRAME_OPERATIONS: usize = 50;

/// Plays the session on both replicas; gives the time that taking in the other's edits took, all
/// together, on both; the replicas, and all that was written.
pub(crate) fn play(
    trace: &Trace,
    seen: &[[Option<usize>; 2]],
) -> (Duration, [Engine; 2], Vec<Delivered>) {
    let mut people = [engine(1), engine(2)];
    // Edits of each that the other has not got, with the transaction of each.
    let mut waiting: [Vec<(usize, Delivered)>; 2] = [Vec::new(), Vec::new()];
    let (mut taken, mut written) = (Duration::ZERO, Vec::new());
    for (number, transaction) in trace.txns.iter().enumerate() {
        let (writer, other) = (transaction.agent, 1 - transaction.agent);
        if let Some(newest) = seen[number][other] {
            let count = waiting[other].partition_point(|(number, _)| *number <= newest);
            let arrived: Vec<Delivered> = waiting[other]
                .drain(..count)
                .map(|(_, operation)| operation)
                .collect();
            let started = Instant::now();
            people[writer].apply(&arrived).unwrap();
            taken += started.elapsed();
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
        taken += started.elapsed();
    }
    (taken, people, written)
}

/// Somebody who only reads takes in what both wrote, a frame of the screen at a time.
fn read(operations: &[Delivered]) -> (Duration, Engine) {
    let mut reader = engine(3);
    let started = Instant::now();
    for batch in operations.chunks(FRAME_OPERATIONS) {
        reader.apply(batch).unwrap();
    }
    (started.elapsed(), reader)
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
    let (mut ours, mut readers, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (taken, people, written) = play(&trace, &seen);
        let (reading, reader) = read(&written);
        for person in people.iter().chain([&reader]) {
            assert!(person.text() == trace.end_content);
        }
        progress(shown(taken));
        ours.push(taken);
        readers.push(reading);
        beside.push(bare(&all_updates(&written)));
    }
    let beside = median(&mut beside);
    print(
        "merged on both replicas, each time that the next edit builds upon it",
        median(&mut ours),
        beside * 2,
    );
    print(
        "read by a third person in batches of 50 edits",
        median(&mut readers),
        beside,
    );
}

fn print(how: &str, taken: Duration, beside: Duration) {
    Row {
        what: format!("friendsforever, two people at once with their true parents, {how}"),
        measured: shown(taken),
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
