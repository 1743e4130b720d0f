// SPDX-License-Identifier: GPL-3.0-or-later
//! Several windows before one person: the same document in two of them, and many documents.

use adw::prelude::*;
use gtk::gdk;
use reflection_doc::library::Profile;
use reflection_doc::objects::{Document, DocumentPhase, SaveState, Service};
use reflection_node::Mode;
use reflection_node::access::Access;
use reflection_node::identity::AuthorKey;
use reflection_node::store::DataFolder;

use super::{Desk, application, network, run, until};
use crate::page::{REVERSALS, TextView};
use crate::preferences::settings;
use crate::window::Window;

/// All windows of the library of a desk, as many as there are to be.
#[track_caller]
fn windows(desk: &Desk, count: usize) -> Vec<Window> {
    let found = || -> Vec<Window> {
        let windows = application().windows().into_iter();
        let windows = windows.filter_map(|window| window.downcast::<Window>().ok());
        let service = desk.window.service();
        windows
            .filter(|window| window.service() == service)
            .collect()
    };
    until("there are as many windows", || found().len() == count);
    found()
}

/// The window that a desk got beside its own, as a desk of its own.
#[track_caller]
pub fn beside(desk: &Desk) -> Desk {
    let mut windows = windows(desk, 2);
    windows.retain(|window| *window != desk.window);
    Desk {
        window: windows.remove(0),
    }
}

fn type_text(editor: &TextView, at: u32, text: &str) {
    editor.go_to_range(&(at..at));
    let buffer = editor.text_buffer();
    assert!(buffer.insert_interactive_at_cursor(text, true));
}

fn text(editor: &TextView) -> String {
    editor.text_buffer().shown_text()
}

/// Undoes or redoes, as the keys for it do.
fn reverse(editor: &TextView, key: gdk::Key) {
    let act = REVERSALS.iter().find(|known| known.0 == key).unwrap().2;
    assert!(editor.reverse(act));
}

fn close_window(window: &Window) {
    window.close();
    until("the window is gone", || {
        !application().windows().contains(window.upcast_ref())
    });
}

fn shown_titles(desk: &Desk, count: usize) -> Vec<String> {
    let shown = windows(desk, count).into_iter();
    let documents = shown.filter_map(|window| window.shown_document());
    let mut titles: Vec<String> = documents.map(|document| document.title()).collect();
    titles.sort();
    titles
}

/// W8: one document in two windows. What is typed, deleted, done by a command and taken back in one
/// is in the other, once, and moves neither caret; the two are one person with one undo.
#[gtk::test]
fn one_document_is_written_in_two_windows() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# Plan 🎉\none\ntwo");
    desk.window.open_document(&document);
    let here = desk.editor(&document);
    here.go_to_range(&(13..13));
    let id = document.id().to_variant();
    desk.act("win.open-in-new-window", Some(&id));
    let other = beside(&desk);
    let there = other.editor(&document);
    assert_eq!(there.caret(), 13, "it begins where one is");
    there.go_to_range(&(16..16));
    let same = |expected: &str| {
        assert_eq!(document.text(), expected);
        assert_eq!(text(&here), expected);
        assert_eq!(text(&there), expected);
    };

    type_text(&here, 12, "שלום");
    same("# Plan 🎉\none\u{5e9}\u{5dc}\u{5d5}\u{5dd}\ntwo");
    assert_eq!((here.caret(), there.caret()), (16, 20));
    type_text(&there, 20, " 👋🏽");
    same("# Plan 🎉\noneשלום\ntwo 👋🏽");
    assert_eq!((here.caret(), there.caret()), (16, 23));
    here.text_buffer().select_range(
        &here.text_buffer().iter_at_offset(9),
        &here.text_buffer().iter_at_offset(12),
    );
    assert!(here.text_buffer().delete_selection(true, true));
    same("# Plan 🎉\nשלום\ntwo 👋🏽");
    assert_eq!((here.caret(), there.caret()), (9, 20));
    there.go_to_range(&(14..17));
    WidgetExt::activate_action(&there, "text.bold", None).unwrap();
    same("# Plan 🎉\nשלום\n**two** 👋🏽");

    // Undo is the document's: the last thing done is taken back first, wherever it was done.
    reverse(&here, gdk::Key::z);
    same("# Plan 🎉\nשלום\ntwo 👋🏽");
    reverse(&there, gdk::Key::z);
    same("# Plan 🎉\noneשלום\ntwo 👋🏽");
    reverse(&here, gdk::Key::z);
    reverse(&here, gdk::Key::z);
    same("# Plan 🎉\none\ntwo");
    assert!(!document.can_undo());
    reverse(&there, gdk::Key::y);
    same("# Plan 🎉\noneשלום\ntwo");

    assert!(document.remote_places().is_empty(), "nobody else is here");
    assert_eq!(document.authors().n_items(), 1);
    close_window(&other.window);
    type_text(&here, 0, "still ");
    until("it is saved", || document.save_state() == SaveState::Saved);
    let kept = document.text();
    desk.close();
    let desk = Desk::open(folder.path());
    let document = desk.service().documents().to_vec().remove(0);
    let editor = desk.editor(&document);
    assert_eq!(text(&editor), kept, "nothing was written twice");
    windows(&desk, 1);
    desk.close();
}

/// W8, W6: what somebody else writes is in both windows once, and so is the caret of whoever does;
/// others see one person here.
#[gtk::test]
fn both_windows_follow_somebody_else() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let desk = Desk::open_with(folders[0].path(), Mode::Local);
    let document = desk.document("# Plan\none two");
    let opened = DataFolder::open(folders[1].path()).unwrap();
    let opening = Service::open(opened, AuthorKey::generate(), network(Mode::Local));
    let ben = run(opening).unwrap();
    let profile = Profile {
        name: "Ben".into(),
        colour: Some(3),
    };
    run(ben.set_profile(profile)).unwrap();
    let code = run(document.code(Access::Write)).unwrap();
    let his = run(ben.join_document(&code)).unwrap();
    his.open();
    desk.window.open_document(&document);
    let here = desk.editor(&document);
    desk.act("win.open-in-new-window", Some(&document.id().to_variant()));
    let other = beside(&desk);
    let there = other.editor(&document);
    until("he has the text", || {
        his.phase() == DocumentPhase::Open && his.text() == "# Plan\none two"
    });
    here.go_to_range(&(10..10));
    there.go_to_range(&(14..14));
    his.insert_text(7, "zero ").unwrap();
    let expected = "# Plan\nzero one two";
    until("both have it", || {
        text(&here) == expected && text(&there) == expected
    });
    assert_eq!((here.caret(), there.caret()), (15, 19));
    his.select(reflection_doc::engine::Selection::caret(7));
    until("his caret is seen, and nobody else's", || {
        let places = document.remote_places();
        places.len() == 1 && places[0].selection.caret == 7
    });
    type_text(&there, 19, " three");
    until("he has one of each word", || {
        his.text() == "# Plan\nzero one two three" && his.remote_places().len() == 1
    });
    assert_eq!(his.authors().n_items(), 2, "two people, not three");
    run(ben.close(super::CLOSE_DEADLINE)).unwrap();
    desk.close();
}

/// W8: many documents at once, each for as long as some window shows it.
#[gtk::test]
fn a_document_is_let_go_by_its_last_window() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (one, two) = (desk.document("# One"), desk.document("# Two"));
    let is_open = |document: &Document| document.phase() == DocumentPhase::Open;
    desk.window.open_document(&one);
    desk.editor(&one);
    desk.act("win.new-window", None);
    let other = beside(&desk);
    assert!(other.window.shown_document().is_none());
    other.window.open_document(&one);
    other.editor(&one);
    other.window.open_document(&two);
    let editor = other.editor(&two);
    until("both are open", || is_open(&one) && is_open(&two));
    type_text(&editor, 5, " words");
    assert_eq!(text(&desk.editor(&one)), "# One");

    // What one deletes leaves each window that shows it.
    desk.act("win.delete-document", Some(&two.id().to_variant()));
    until("the other shows it no longer", || {
        other.window.shown_document().is_none()
    });
    assert!(is_open(&one), "it is still shown here");
    other.window.open_document(&one);
    close_window(&desk.window);
    assert!(is_open(&one), "and now there");
    assert!(other.editor(&one).is_editable());
    let documents = other.service().documents();
    other.act("win.new-document", None);
    until("it is let go", || one.phase() == DocumentPhase::Closed);
    assert_eq!(documents.n_items(), 2);
    other.close();
}

/// W8, D2: windows that were open when the program ended come back, each with its document; one
/// that was closed by itself does not.
#[gtk::test]
fn all_windows_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (one, two) = (desk.document("# One"), desk.document("# Two"));
    desk.window.open_document(&one);
    desk.editor(&one).go_to_range(&(3..3));
    desk.act("win.open-in-new-window", Some(&two.id().to_variant()));
    beside(&desk).editor(&two).go_to_range(&(4..4));
    assert_eq!(shown_titles(&desk, 2), ["One", "Two"]);
    desk.close();

    let desk = Desk::open(folder.path());
    until("both are back", || shown_titles(&desk, 2) == ["One", "Two"]);
    for window in windows(&desk, 2) {
        let document = window.shown_document().unwrap();
        let caret = Desk { window }.editor(&document).caret();
        assert_eq!(caret, if document.title() == "One" { 3 } else { 4 });
    }
    let other = beside(&desk);
    let title = desk.window.shown_document().unwrap().title();
    close_window(&other.window);
    desk.close();

    let desk = Desk::open(folder.path());
    until("one is back", || shown_titles(&desk, 1) == [title.clone()]);
    desk.close();
}

/// W8, D2: a window keeps its own size while another one changes its.
#[gtk::test]
fn windows_are_sized_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    desk.document("# One");
    desk.window.set_default_size(900, 600);
    desk.act("win.new-window", None);
    let other = beside(&desk);
    assert_eq!(other.window.default_size(), (900, 600));
    other.window.set_default_size(700, 500);
    assert_eq!(desk.window.default_size(), (900, 600));
    settings().reset("window-width");
    settings().reset("window-height");
    desk.close();
}

/// W8, D6: whoever looks at one of two windows is not told what they see, nor what they do there.
#[gtk::test]
fn what_is_typed_in_one_window_is_no_news_in_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("one");
    desk.window.open_document(&document);
    let here = desk.editor(&document);
    desk.act("win.open-in-new-window", Some(&document.id().to_variant()));
    let other = beside(&desk);
    other.editor(&document);
    until("the new window is before everything", || {
        other.window.is_active() && application().is_looked_at(&document)
    });
    let heard = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let told = heard.clone();
    let handler = document.connect_changed(move |_, by_others| told.borrow_mut().push(by_others));
    type_text(&here, 3, " two");
    reverse(&here, gdk::Key::z);
    assert_eq!(*heard.borrow(), [false, false]);
    document.disconnect(handler);
    desk.close();
}

/// W8: a window that was closed holds nothing back.
#[gtk::test]
fn a_closed_window_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# One");
    desk.act("win.open-in-new-window", Some(&document.id().to_variant()));
    let other = beside(&desk);
    other.editor(&document);
    let (window, page) = (
        other.window.downgrade(),
        other.text_view().unwrap().downgrade(),
    );
    close_window(&other.window);
    drop(other);
    until("nothing holds its text", || page.upgrade().is_none());
    until("nothing holds it", || window.upgrade().is_none());
    desk.close();
}
