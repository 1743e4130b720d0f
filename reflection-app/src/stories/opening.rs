// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents that are opened: what is seen at once, and where one goes on.

use gtk::gdk;
use gtk::prelude::*;
use reflection_doc::objects::{Document, DocumentPhase, SaveState};

use super::writing::press_key;
use super::{Desk, button, run, says, until};
use crate::page::TextView;

fn type_at_caret(editor: &TextView, text: &str) {
    assert!(editor.is_editable(), "it takes what is typed");
    let buffer = editor.text_buffer();
    buffer.insert_interactive_at_cursor(text, true);
}

fn undo(editor: &TextView) {
    let control = gdk::ModifierType::CONTROL_MASK;
    assert!(press_key(editor, gdk::Key::z, control));
}

/// W9, issue: text on the screen, and the first edit accepted, before the engine is loaded. Whoever
/// holds the document keeps it from being loaded, as a long history does on a slow machine.
#[gtk::test]
fn a_text_can_be_written_in_while_it_is_being_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# Plan 🎉\nthe first line\nthe second line");
    run(document.left_at(24));
    let library = desk.service().library().unwrap();
    let mut held = run(library.open_document(&document.topic().unwrap())).unwrap();

    desk.window.open_document(&document);
    until("the text is seen", || desk.text_view().is_some());
    let view = desk.text_view().unwrap();
    assert_eq!(document.phase(), DocumentPhase::Opening);
    assert_eq!(
        view.text_buffer().shown_text(),
        "# Plan 🎉\nthe first line\nthe second line"
    );
    assert_eq!(view.caret(), 24, "the caret is where it was left");
    type_at_caret(&view, "XY");
    undo(&view);
    assert_eq!(view.caret(), 24, "undo takes it back");
    type_at_caret(&view, "Z");
    let before = "# Plan 🎉\nthe first line\nZthe second line";
    assert_eq!(view.text_buffer().shown_text(), before);
    assert_eq!(document.save_state(), SaveState::Saving, "not saved yet");

    // Meanwhile somebody wrote above the caret.
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
    assert_eq!(view.caret(), 25 + 16, "the caret stayed at its text");
    type_at_caret(&view, "X");
    let typed = "somebody's line\nthe first line\nZXthe second line";
    assert!(document.text().ends_with(typed), "{}", document.text());
    until("it is saved", || document.save_state() == SaveState::Saved);
    while document.can_undo() {
        undo(&view);
    }
    let untyped = "somebody's line\nthe first line\nthe second line";
    assert!(document.text().ends_with(untyped), "{}", document.text());
    desk.close();
}

/// What was written in a document that then cannot be loaded stays on the screen, and is there
/// when it can.
#[gtk::test]
fn what_was_written_before_loading_failed_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# Plan\nas it was");
    let library = desk.service().library().unwrap();
    let held = run(library.open_document(&document.topic().unwrap())).unwrap();
    desk.window.open_document(&document);
    until("the text is seen", || desk.text_view().is_some());
    let view = desk.text_view().unwrap();
    view.go_to_range(&(7..7));
    type_at_caret(&view, "precious, ");

    let rename = |from: &str, to: &str| {
        let statement = format!("ALTER TABLE {from} RENAME TO {to}");
        let renamed = library.node().write(move |connection| {
            connection.execute_batch(&statement)?;
            Ok(())
        });
        run(renamed).unwrap();
    };
    rename("operations", "unreadable");
    drop(held);
    let told = "The document cannot be read, so what you wrote is not saved";
    until("it says what is wrong", || says(&desk.window, told));
    let written = "# Plan\nprecious, as it was";
    assert_eq!(view.text_buffer().shown_text(), written);
    assert!(!view.is_editable() && view.is_mapped());
    assert_eq!(document.save_state(), SaveState::Failing);
    assert!(
        !run(document.flush()),
        "the program would not close by itself"
    );

    rename("unreadable", "operations");
    button(&desk.window, "Try Again").unwrap().emit_clicked();
    until("it is loaded and saved", || {
        document.phase() == DocumentPhase::Open && document.save_state() == SaveState::Saved
    });
    assert_eq!(view.text_buffer().shown_text(), written);
    assert_eq!(document.text(), written);
    assert!(view.is_editable() && !says(&desk.window, told));
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
