// SPDX-License-Identifier: GPL-3.0-or-later
//! Undo and redo, at the end of a long history and after somebody else has edited.

use std::time::{Duration, Instant};

use loro::UndoManager;
use reflection_doc::engine::{Engine, Undone};

use super::measure::{Row, at_share, median, ratio, shown};
use super::peers;
use super::trace::{Bare, Trace, delivered, engine, longest, typed};

const STEPS: usize = 200;
/// Loro's own takes long enough to be measured a few times only.
const BARE_STEPS: usize = 10;
const TARGET: Duration = Duration::from_micros(500);

fn steps(engine: &mut Engine, act: fn(&mut Engine) -> Option<Undone>) -> Vec<Duration> {
    let mut taken = Vec::new();
    for _ in 0..STEPS {
        let started = Instant::now();
        let undone = act(engine);
        taken.push(started.elapsed());
        if undone.is_none() {
            break;
        }
    }
    taken
}

fn at_length(name: &str, trace: &Trace, times: usize) {
    let (mut alice, operations) = typed(1, trace.patches(times));
    let mut bob = engine(2);
    for batch in operations.chunks(1_000) {
        bob.apply(batch).unwrap();
    }
    for number in 0..100 {
        bob.edit(number * 50, 0, "x").unwrap();
        let author = bob.author();
        let arrived: Vec<_> = bob
            .take_changes()
            .into_iter()
            .map(|body| delivered(author, body))
            .collect();
        alice.apply(&arrived).unwrap();
    }
    let mut taken = steps(&mut alice, Engine::undo);
    let count = taken.len();
    taken.extend(steps(&mut alice, Engine::redo));

    let mut bare = Bare::new();
    let mut manager = UndoManager::new(&bare.doc);
    for (at, delete, insert) in trace.patches(times) {
        bare.edit(at, delete, insert);
    }
    let mut beside = Vec::new();
    for _ in 0..BARE_STEPS {
        let started = Instant::now();
        manager.undo().unwrap();
        beside.push(started.elapsed());
    }
    let (slow, taken) = (at_share(&mut taken, 1.0), median(&mut taken));
    let beside = median(&mut beside);
    Row {
        what: format!("undo and redo, {times} × {name} ({count} steps each)"),
        measured: format!("{} (slowest {})", shown(taken), shown(slow)),
        beside: format!(
            "Loro's own undo: {}{}",
            shown(beside),
            peers::times("undo", &format!("{name}*{times}"))
        ),
        ratio: Some(ratio(taken, beside)),
        target: format!("at most {}", shown(TARGET)),
        is_met: Some(taken <= TARGET),
    }
    .print();
}

pub(crate) fn measure() {
    let (name, trace) = longest();
    for times in [1, 3, 10] {
        at_length(name, &trace, times);
    }
}
