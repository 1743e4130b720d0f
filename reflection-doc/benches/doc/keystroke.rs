// SPDX-License-Identifier: GPL-3.0-or-later
//! A keystroke of one's own: edit, commit, and the body of its operation.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::measure::{Row, median, ratio, shown};
use super::trace::{Bare, Trace, engine};

const ROUNDS: usize = 7;
const TARGET: Duration = Duration::from_micros(5);

pub(crate) fn measure() {
    let trace = Trace::read("sveltecomponent");
    let count = u32::try_from(trace.patches(1).count()).unwrap();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let mut engine = engine(1);
        for (at, delete, insert) in trace.patches(1) {
            engine.edit(at, delete, insert).unwrap();
            black_box(engine.take_changes());
        }
        ours.push(started.elapsed() / count);
        assert!(engine.text() == trace.end_content);

        let started = Instant::now();
        let mut doc = Bare::new();
        for (at, delete, insert) in trace.patches(1) {
            black_box(doc.edit(at, delete, insert));
        }
        bare.push(started.elapsed() / count);
    }
    let (ours, bare) = (median(&mut ours), median(&mut bare));
    Row {
        what: "own keystroke: edit, commit, bytes, undo step (sveltecomponent)".into(),
        measured: shown(ours),
        beside: format!("Loro alone: {}", shown(bare)),
        ratio: Some(ratio(ours, bare)),
        target: format!("at most {}", shown(TARGET)),
        is_met: Some(ours <= TARGET),
    }
    .print();
}
