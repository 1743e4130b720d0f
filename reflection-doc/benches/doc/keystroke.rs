// SPDX-License-Identifier: GPL-3.0-or-later
//! A keystroke of one's own: edit, commit, the body of its operation, its step of undo.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::measure::{Row, median, ratio, shown};
use super::peers;
use super::session::SEQUENTIAL;
use super::trace::{Bare, Trace, engine};

const ROUNDS: usize = 5;
const TARGET: Duration = Duration::from_micros(5);
/// How many times as long as we yrs has to take.
const YRS_TARGET: f64 = 3.0;

fn play(name: &str, trace: &Trace) {
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
    let by_yrs = peers::time("keystroke", name, "yrs").map(|yrs| ratio(yrs, ours));
    Row {
        what: format!("own keystroke: edit, commit, bytes, undo step ({name}, {count} edits)"),
        measured: shown(ours),
        beside: format!(
            "Loro alone: {}{}",
            shown(bare),
            peers::times("keystroke", name)
        ),
        ratio: Some(ratio(ours, bare)),
        target: format!("at most {}, {YRS_TARGET} × under yrs", shown(TARGET)),
        is_met: Some(ours <= TARGET && by_yrs.is_none_or(|by| by >= YRS_TARGET)),
    }
    .print();
}

pub(crate) fn measure() {
    for name in SEQUENTIAL {
        match Trace::find(name) {
            Some(trace) => play(name, &trace),
            None => super::measure::progress(format!("{name} is not here")),
        }
    }
}
