// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents that are opened: what is seen at once, and where one goes on.

use gtk::prelude::*;
use reflection_doc::objects::{Document, DocumentPhase};

use super::{Desk, run, until};

fn type_at_caret(desk: &Desk, document: &Document, text: &str) {
    let editor = desk.editor(document);
    assert!(editor.is_editable(), "it takes what is typed");
    let buffer = editor.text_buffer();
    buffer.insert_interactive_at_cursor(text, true);
}

/// W9, issue: text on the screen before the engine is loaded. Whoever holds the document keeps it
/// from being loaded, as a long history does on a slow machine.
#[gtk::test]
fn a_text_can_be_read_while_it_is_being_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# Plan 🎉\nthe first line\nthe second line");
    run(document.left_at(24));
    let library = desk.service().library().unwrap();
    let held = run(library.open_document(&document.topic().unwrap())).unwrap();

    desk.window.open_document(&document);
    until("the text is seen", || desk.text_view().is_some());
    let view = desk.text_view().unwrap();
    assert_eq!(document.phase(), DocumentPhase::Opening);
    assert_eq!(
        view.text_buffer().shown_text(),
        "# Plan 🎉\nthe first line\nthe second line"
    );
    assert!(!view.is_editable(), "nothing can be typed yet");
    assert_eq!(view.caret(), 24, "the caret is where it was left");

    // While it was being read, somebody wrote above the caret.
    let mut held = held;
    held.engine.edit(9, 0, "somebody's line\n").unwrap();
    run(held.flush()).unwrap();
    drop(held);
    let view = desk.editor(&document);
    until("the text is the present one", || {
        view.text_buffer().shown_text() == document.text()
    });
    assert!(
        view.text_buffer()
            .shown_text()
            .contains("somebody's line\nthe first")
    );
    assert_eq!(view.caret(), 24 + 16, "the caret stayed at its text");
    type_at_caret(&desk, &document, "X");
    let typed = "somebody's line\nthe first line\nXthe second line";
    assert!(document.text().ends_with(typed), "{}", document.text());
    desk.close();
}

/// D2: each document is shown again where it was left, also after the program was closed.
#[gtk::test]
fn each_document_remembers_where_its_caret_was() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (one, other) = (
        desk.document("one two three"),
        desk.document("four five six"),
    );
    let (first, second) = (one.topic().unwrap(), other.topic().unwrap());
    let put_caret = |document: &Document, at: u32| {
        desk.window.open_document(document);
        desk.editor(document).go_to_range(&(at..at));
    };
    put_caret(&one, 4);
    put_caret(&other, 9);
    desk.window.open_document(&one);
    assert_eq!(desk.editor(&one).caret(), 4);
    desk.editor(&one).go_to_range(&(7..7));
    desk.close();

    let desk = Desk::open(folder.path());
    let one = desk.listed(&first);
    assert_eq!(desk.editor(&one).caret(), 7, "it is shown again by itself");
    let other = desk.listed(&second);
    desk.window.open_document(&other);
    assert_eq!(desk.editor(&other).caret(), 9);
    desk.close();
}
