// SPDX-License-Identifier: GPL-3.0-or-later
//! One line of 100,000 characters, wrapped.

use std::time::Duration;

use gtk::prelude::*;

use super::{Desk, Row, at_share, bare, frames, page};

const WORDS: &str = "wrapped words ";
const CHARACTERS: usize = 100_000;
const TIME: Duration = Duration::from_secs(5);

/// Medians: of painting what is there, and of painting after a key.
fn paint(view: &gtk::TextView) -> (f64, f64) {
    let still = at_share(&mut frames(view, TIME, || {}), 0.5);
    let buffer = view.buffer();
    let type_key = move || {
        buffer.insert_interactive_at_cursor("x", true);
    };
    (still, at_share(&mut frames(view, TIME, type_key), 0.5))
}

#[gtk::test]
#[ignore = "measures"]
fn measure() {
    let line = WORDS.repeat(CHARACTERS / WORDS.len());
    let (window, view) = bare(&line);
    let (bare_still, bare_key) = paint(view.upcast_ref());
    window.destroy();
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (_, editor) = page(&desk, &line);
    let (still, key) = paint(editor.upcast_ref());
    for (what, measured, beside) in [
        (
            "a frame of a wrapped line of 100,000 characters",
            still,
            bare_still,
        ),
        ("the same, right after a key", key, bare_key),
    ] {
        Row {
            what,
            measured: format!("{measured:.1} ms"),
            beside: format!("bare view: {beside:.1} ms"),
            ratio: Some(measured / beside),
            target: "under 16 ms",
            is_met: Some(measured < 16.0),
        }
        .print();
    }
    desk.close();
}
