// SPDX-License-Identifier: GPL-3.0-or-later
//! An open document catches up with very many keystrokes of somebody else.

use std::time::{Duration, Instant};

use loro::LoroDoc;

use super::measure::{Row, median, ratio, shown};
use super::trace::{Trace, engine, typed, typed_into};

const ROUNDS: usize = 3;
const OPERATIONS: usize = 260_000;
/// Operations that a document's stream gives at once.
const BATCH: usize = 1_000;
const TARGET: f64 = 2.0;

pub(crate) fn measure() {
    let trace = Trace::read("sveltecomponent");
    let times = OPERATIONS / trace.patches(1).count() + 1;
    // Alice has seen what Bob wrote: nothing is concurrent, as among people who are connected.
    let before = || typed(2, [(0, 0, "\n")].into_iter());
    let mut alice = engine(1);
    alice.apply(&before().1).unwrap();
    let patches = trace.patches(times).take(OPERATIONS);
    let operations = typed_into(&mut alice, 1, patches);
    let (mut ours, mut beside): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut bob, own) = before();
        let started = Instant::now();
        for batch in operations.chunks(BATCH) {
            bob.apply(batch).unwrap();
        }
        ours.push(started.elapsed());
        assert_eq!(bob.len_chars(), alice.len_chars());

        let doc = LoroDoc::new();
        doc.import(&own[0].body[1..]).unwrap();
        let started = Instant::now();
        for operation in &operations {
            // After the byte that names the format.
            doc.import(&operation.body[1..]).unwrap();
        }
        beside.push(started.elapsed());
    }
    let (ours, beside) = (median(&mut ours), median(&mut beside));
    let ratio = ratio(ours, beside);
    Row {
        what: "260,000 keystrokes of somebody else into an open document, checks not counted"
            .into(),
        measured: format!("{}, {} each", shown(ours), shown(ours / 260_000)),
        beside: format!("Loro's import alone: {}", shown(beside)),
        ratio: Some(ratio),
        target: format!("at most {TARGET} times Loro's import"),
        is_met: Some(ratio <= TARGET),
    }
    .print();
}
