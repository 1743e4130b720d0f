// SPDX-License-Identifier: GPL-3.0-or-later
//! A megabyte from the clipboard.

use gtk::prelude::*;

use super::{Desk, Row, bare, longest_stall, megabyte, ms, page, settle, until};

/// The longest time in which nothing else happens, in milliseconds.
fn paste(view: &gtk::TextView) -> f64 {
    view.clipboard().set_text(&megabyte());
    settle();
    let stall = longest_stall(|| view.emit_paste_clipboard());
    until("it is there", || view.buffer().char_count() > 900_000);
    ms(stall)
}

#[gtk::test]
#[ignore = "measures"]
fn measure() {
    let (window, view) = bare("x");
    let beside = paste(view.upcast_ref());
    window.destroy();
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (_, editor) = page(&desk, "x");
    let measured = paste(editor.upcast_ref());
    Row {
        what: "a paste of 1 MB: the longest time in which nothing else happens",
        measured: format!("{measured:.0} ms"),
        beside: format!("bare view: {beside:.0} ms"),
        ratio: Some(measured / beside),
        target: "under 100 ms",
        is_met: Some(measured < 100.0),
    }
    .print();
    desk.close();
}
