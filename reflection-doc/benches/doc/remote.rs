// SPDX-License-Identifier: GPL-3.0-or-later
//! A keystroke of somebody else: the opened body in, effects for the buffer out.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::measure::{Row, at_share, median, ratio, shown};
use super::trace::{Bare, delivered, engine};

const ROUNDS: usize = 2_000;
const PIECE: &str =
    "a line of text that somebody pasted into the document, about 80 letters long.\n";
const MEDIAN_TARGET: Duration = Duration::from_micros(60);
const SLOW_TARGET: Duration = Duration::from_micros(500);

fn at_size(chars: usize) {
    let (mut alice, mut bob) = (engine(1), engine(2));
    let (mut writer, reader) = (Bare::new(), Bare::new());
    // In pieces, so that the text is not one long insertion.
    for number in 0..chars / PIECE.len() {
        let at = number * PIECE.len();
        alice.edit(at, 0, PIECE).unwrap();
        writer.doc.get_text("text").insert(at, PIECE).unwrap();
    }
    for body in alice.take_changes() {
        bob.apply(&[delivered(alice.author(), body)]).unwrap();
    }
    reader.doc.import(&writer.edit(0, 0, "x")).unwrap();

    let length = alice.len_chars();
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for number in 0..ROUNDS {
        let at = number * 7_919 % length;
        alice.edit(at, 0, "k").unwrap();
        let bodies = alice.take_changes();
        let operations: Vec<_> = bodies
            .into_iter()
            .map(|body| delivered(alice.author(), body))
            .collect();
        let started = Instant::now();
        black_box(bob.apply(&operations).unwrap());
        ours.push(started.elapsed());

        let bytes = writer.edit(at, 0, "k");
        let started = Instant::now();
        black_box(reader.doc.import(&bytes).unwrap());
        beside.push(started.elapsed());
    }
    assert_eq!(bob.len_chars(), alice.len_chars());
    let (middle, slow) = (median(&mut ours), at_share(&mut ours, 0.99));
    Row {
        what: format!("keystroke of somebody else in {chars} characters, p50 / p99"),
        measured: format!("{} / {}", shown(middle), shown(slow)),
        beside: format!(
            "Loro's import alone: {} / {}",
            shown(median(&mut beside)),
            shown(at_share(&mut beside, 0.99))
        ),
        ratio: Some(ratio(middle, median(&mut beside))),
        target: "at most 60 µs / 500 µs".into(),
        is_met: Some(middle <= MEDIAN_TARGET && slow <= SLOW_TARGET),
    }
    .print();
}

pub(crate) fn measure() {
    for chars in [100_000, 1_000_000, 10_000_000] {
        at_size(chars);
    }
}
