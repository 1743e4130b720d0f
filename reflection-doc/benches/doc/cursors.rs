// SPDX-License-Identifier: GPL-3.0-or-later
//! Cursors of fifty people, a third of them where text was deleted, moved by each edit.

use std::hint::black_box;
use std::time::{Duration, Instant};

use loro::cursor::Side;
use reflection_doc::engine::Bias;

use super::measure::{Row, median, ratio, shown};
use super::trace::{Bare, Trace, engine};

const CURSORS: usize = 50;
const EDITS: usize = 2_000;
/// Loro's own take long enough to be measured a few times only.
const BARE_EDITS: usize = 20;
const TARGET: Duration = Duration::from_micros(50);

pub(crate) fn measure() {
    let trace = Trace::read("sveltecomponent");
    let mut engine = engine(1);
    let mut bare = Bare::new();
    for (at, delete, insert) in trace.patches(1) {
        engine.edit(at, delete, insert).unwrap();
        bare.edit(at, delete, insert);
    }
    let text = bare.doc.get_text("text");
    let places = (0..CURSORS).map(|number| 500 + number * 300);
    let cursors: Vec<_> = places
        .clone()
        .map(|at| engine.add_cursor(at, Bias::Before))
        .collect();
    let others: Vec<_> = places
        .clone()
        .map(|at| text.get_cursor(at, Side::Middle).unwrap())
        .collect();
    for at in places.rev().step_by(3) {
        engine.edit(at - 5, 10, "").unwrap();
        bare.edit(at - 5, 10, "");
    }
    let mut ours = Vec::new();
    for _ in 0..EDITS {
        let started = Instant::now();
        engine.edit(50, 0, "x").unwrap();
        for cursor in &cursors {
            black_box(engine.cursor(*cursor));
        }
        ours.push(started.elapsed());
    }
    let mut beside = Vec::new();
    for _ in 0..BARE_EDITS {
        let started = Instant::now();
        bare.edit(50, 0, "x");
        for cursor in &others {
            let _ = black_box(bare.doc.get_cursor_pos(cursor));
        }
        beside.push(started.elapsed());
    }
    let (ours, beside) = (median(&mut ours), median(&mut beside));
    Row {
        what: "an edit that moves 50 cursors, a third of them on deleted text".into(),
        measured: shown(ours),
        beside: format!("Loro's own cursors: {}", shown(beside)),
        ratio: Some(ratio(ours, beside)),
        target: format!("at most {}", shown(TARGET)),
        is_met: Some(ours <= TARGET),
    }
    .print();
}
