// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents that are opened: what is seen at once, and where one goes on.

use gtk::gdk;
use gtk::glib::value::ToValue;
use gtk::prelude::*;
use reflection_doc::objects::{Document, DocumentPhase, SaveState};

use super::windows::beside;
use super::writing::press_key;
use super::{Desk, button, frames, run, says, until};
use crate::page::TextView;
use crate::people::text_colour;
use crate::preferences::settings;

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

/// Where the first line is on the screen, in pixels below the upper edge of the text.
fn first_line_at(editor: &TextView) -> i32 {
    let (top, _) = editor.line_yrange(&editor.text_buffer().start_iter());
    let place = editor.buffer_to_window_coords(gtk::TextWindowType::Widget, 0, top);
    place.1
}

/// Issue: a text that fits is shown from its beginning, wherever the caret is, also in a window
/// that gets the text before its size.
#[gtk::test]
fn a_short_text_is_shown_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# Short\none\ntwo\nthree");
    run(document.left_at(21));
    let id = document.id().to_variant();
    desk.act("win.open-document", Some(&id));
    let editor = desk.editor(&document);
    desk.act("win.open-in-new-window", Some(&id));
    let other = beside(&desk);
    let beside = other.editor(&document);
    for view in [&editor, &beside] {
        frames(view, 30);
        assert_eq!(view.caret(), 21);
        assert_eq!(first_line_at(view), view.top_margin());
    }
    desk.close();
}

/// Issue: a page begins with the air above its first line, also for whoever comes back to it.
#[gtk::test]
fn the_first_line_has_air_above_it() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document(&"a line\n".repeat(200));
    desk.window.open_document(&document);
    let editor = desk.editor(&document);
    let scrolled = || editor.vadjustment().unwrap().value();
    until("the text has its height", || {
        let adjustment = editor.vadjustment().unwrap();
        adjustment.upper() > 2.0 * adjustment.page_size()
    });
    frames(&editor, 30);
    assert_eq!(first_line_at(&editor), editor.top_margin());
    let go = |count: i32| {
        let values: [&dyn ToValue; 3] = [&gtk::MovementStep::BufferEnds, &count, &false];
        editor.emit_by_name::<()>("move-cursor", &values);
    };
    go(1);
    until("the end is shown", || scrolled() > 100.0);
    // The way there takes some frames.
    frames(&editor, 60);
    go(-1);
    until("the beginning is shown", || {
        editor.caret() == 0 && scrolled() < 1.0
    });
    frames(&editor, 30);
    assert_eq!(first_line_at(&editor), editor.top_margin());
    desk.close();
}

/// P4, issue: the colours of authors are there with the text, and those of one who chose another
/// colour follow.
#[gtk::test]
fn colours_of_authors_are_there_with_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# Plan\nmine");
    settings().set_boolean("show-authorship", true).unwrap();
    desk.window.open_document(&document);
    until("the text is open", || {
        document.phase() == DocumentPhase::Open
    });
    let view = desk.text_view().unwrap();
    let tag = || {
        let tags = view.text_buffer().iter_at_offset(8).tags();
        tags.into_iter().find(gtk::TextTag::is_background_set)
    };
    // It is marked at once.
    let colour = tag().unwrap().underline_rgba();
    let service = desk.service();
    let own = service.this_author().unwrap();
    until("one is known", || document.authors().get(&own).is_some());
    let author = document.authors().get(&own).unwrap();
    let is_dark = adw::StyleManager::default().is_dark();
    let shown = |index: u32| Some(text_colour(index, is_dark));
    assert_eq!(
        colour,
        shown(author.colour()),
        "and not in a colour of nobody"
    );
    let other = (author.colour() + 1) % 10;
    settings()
        .set_int("colour", i32::try_from(other).unwrap())
        .unwrap();
    until("another colour is shown", || {
        tag().and_then(|tag| tag.underline_rgba()) == shown(other)
    });
    settings().reset("colour");
    settings().reset("show-authorship");
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
