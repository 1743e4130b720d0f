// SPDX-License-Identifier: GPL-3.0-or-later
//! Leaving a large document right after a key.

use reflection_doc::objects::DocumentPhase;

use super::{Desk, Row, longest_stall, megabyte, ms, page, until};
use gtk::prelude::*;

#[gtk::test]
#[ignore = "measures"]
fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (other, _) = page(&desk, "other words");
    let (document, editor) = page(&desk, &megabyte());
    editor.text_buffer().insert_interactive_at_cursor("x", true);
    let measured = ms(longest_stall(|| desk.window.open_document(&other)));
    until("it is let go", || document.phase() == DocumentPhase::Closed);
    Row {
        what: "leaving a document of 1 MB for a small one right after a key: the longest time in which nothing else happens",
        measured: format!("{measured:.0} ms"),
        beside: "the first Reflection: 5 s, measured elsewhere".into(),
        ratio: None,
        target: "under 100 ms",
        is_met: Some(measured < 100.0),
    }
    .print();
    desk.close();
}
