// SPDX-License-Identifier: GPL-3.0-or-later
//! Going through a document's history, with what changed between one version and the next.

use std::hint::black_box;
use std::time::{Duration, Instant};

use loro::{ID, LoroDoc};
use reflection_doc::engine::{Engine, History, PeerId, Version, difference_by_words};
use reflection_node::pipeline::Delivered;

use super::measure::{Row, at_share, median, ratio, shown};
use super::merge;
use super::trace::{TOPIC, Trace, author, longest, typed};

const STEPS: usize = 100;
const TARGET: Duration = Duration::from_micros(8_300);
const FIRST_TARGET: Duration = Duration::from_millis(16);

/// Looks at versions one after the other; gives what each took.
fn walk(history: &History, versions: impl Iterator<Item = Version>) -> Vec<Duration> {
    let mut before: Option<String> = None;
    let mut taken = Vec::new();
    for version in versions {
        let started = Instant::now();
        let text = history.text(&version).unwrap();
        if let Some(before) = &before {
            black_box(difference_by_words(before, &text));
        }
        taken.push(started.elapsed());
        before = Some(text);
    }
    taken
}

pub(crate) fn measure() {
    let (name, trace) = longest();
    let (engine, operations) = typed(1, trace.patches(1));
    through(name, &engine, &operations);
    let trace = Trace::read("friendsforever.concurrent");
    let played = merge::play(&trace, &trace.seen());
    let (engine, operations) = (&played.people[0], &played.written);
    through("friendsforever, two people at once", engine, operations);
}

/// Goes through what one of them has written, with what had come from the other by then.
fn through(name: &str, engine: &Engine, operations: &[Delivered]) {
    let peer = PeerId::derive(&author(1), &TOPIC, 0).get();
    let bare = LoroDoc::new();
    // After the byte that names the format.
    let updates = operations
        .iter()
        .map(|operation| operation.body[1..].to_vec());
    bare.import_batch(&updates.collect::<Vec<_>>()).unwrap();
    let changes = usize::try_from(*bare.oplog_vv().get(&peer).unwrap()).unwrap();
    let counters: Vec<i32> = (1..=STEPS)
        .map(|step| i32::try_from(changes * step / STEPS - 1).unwrap())
        .collect();
    let version = |counter: &i32| format!("{peer:016x}{counter:x}").parse().unwrap();

    let started = Instant::now();
    let history = engine.history().unwrap().open().unwrap();
    let opened = started.elapsed();
    let back = walk(&history, counters.iter().rev().map(version));
    let opened = opened + back[0];
    let forth = walk(&history, counters.iter().map(version));
    // The first each way has no version before it to differ from.
    let mut taken: Vec<Duration> = back[1..].iter().chain(&forth[1..]).copied().collect();

    let mut beside = Vec::new();
    for counter in counters.iter().rev().chain(&counters) {
        let started = Instant::now();
        bare.checkout(&ID::new(peer, *counter).into()).unwrap();
        black_box(bare.get_text("text").to_string());
        beside.push(started.elapsed());
    }
    let slow = at_share(&mut taken, 0.99);
    let slow_beside = at_share(&mut beside, 0.99);
    Row {
        what: format!(
            "history of {name}: 100 steps each way with the difference by words, p50 / p99; \
             opening with the first text"
        ),
        measured: format!(
            "{} / {}; {}",
            shown(median(&mut taken)),
            shown(slow),
            shown(opened)
        ),
        beside: format!(
            "Loro's checkout and text alone: {} / {}",
            shown(median(&mut beside)),
            shown(slow_beside)
        ),
        ratio: Some(ratio(slow, slow_beside)),
        target: "p99 at most 8.3 ms, the first at most 16 ms".into(),
        is_met: Some(slow <= TARGET && opened <= FIRST_TARGET),
    }
    .print();
}
