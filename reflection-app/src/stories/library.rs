// SPDX-License-Identifier: GPL-3.0-or-later
//! The list of documents, and the window around it.

use adw::prelude::*;
use reflection_doc::objects::Document;
use reflection_doc::persona::Persona;

use super::company::pixels;
use super::{Desk, button, everything, frames, run, says, until};
use crate::people::default_name;
use crate::preferences::settings;

/// How often it is looked whether something has been drawn.
const FRAMES_MAX: u32 = 50;

/// L1, L4: what is pinned comes first, what is archived is put away and can be shown.
#[gtk::test]
fn documents_are_pinned_and_put_away() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (old, new) = (desk.document("# Old"), desk.document("# New"));
    let order = || -> Vec<String> {
        let documents = desk.service().documents().to_vec();
        documents.iter().map(Document::title).collect()
    };
    until("the last changed is first", || order() == ["New", "Old"]);
    desk.act("win.pin-document", Some(&old.id().to_variant()));
    until("the pinned one is first", || order() == ["Old", "New"]);
    desk.act("win.unpin-document", Some(&old.id().to_variant()));
    until("it is not any more", || order() == ["New", "Old"]);

    desk.act("win.archive-document", Some(&new.id().to_variant()));
    until("it is put away", || says(&desk.window, "“New” archived"));
    until("it is not listed", || !says(&desk.window, "New"));
    let archived = || {
        everything(&desk.window).into_iter().find_map(|widget| {
            let button = widget.downcast::<gtk::ToggleButton>().ok()?;
            (button.label().as_deref() == Some("Show 1 Archived")).then_some(button)
        })
    };
    until("it can be shown", || archived().is_some());
    archived().unwrap().set_active(true);
    until("it is listed again", || says(&desk.window, "New"));
    desk.close();
}

/// L1: the last used document is first, whether it was opened or changed, also after a restart.
#[gtk::test]
fn the_last_used_document_is_first() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (one, two, three) = (
        desk.document("# One"),
        desk.document("# Two"),
        desk.document("# Three"),
    );
    let order = |desk: &Desk| -> Vec<String> {
        let documents = desk.service().documents().to_vec();
        documents.iter().map(Document::title).collect()
    };
    assert_eq!(order(&desk), ["Three", "Two", "One"]);
    desk.window.open_document(&one);
    desk.editor(&one);
    assert_eq!(order(&desk), ["One", "Three", "Two"], "it was opened");
    let two_s_time = two.last_use_us();
    desk.window.open_document(&two);
    let editor = desk.editor(&two);
    assert!(two.last_use_us() > two_s_time && two.last_use_us() > one.last_use_us());
    desk.window.open_document(&three);
    desk.editor(&three);
    assert_eq!(order(&desk), ["Three", "Two", "One"], "leaving is no use");
    drop(editor);
    desk.window.open_document(&two);
    let editor = desk.editor(&two);
    let buffer = editor.text_buffer();
    buffer.insert(&mut buffer.end_iter(), " more");
    let opened = two.last_use_us();
    until("it is changed", || two.last_use_us() > opened);
    desk.close();
    let desk = Desk::open(folder.path());
    assert_eq!(order(&desk), ["Two more", "Three", "One"]);
    // It was restored, and so used; another one that is opened comes before it.
    let one = desk.listed(&one.topic().unwrap());
    desk.window.open_document(&one);
    assert_eq!(order(&desk), ["One", "Two more", "Three"]);
    desk.close();
}

/// L6: an empty document that nobody wrote in is not there at the next start.
#[gtk::test]
fn untouched_documents_do_not_lie_about() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    desk.act("win.new-document", None);
    until("it is there", || desk.service().documents().n_items() == 1);
    let made = desk.service().documents().to_vec().remove(0);
    assert!(desk.editor(&made).is_editable(), "W1: one can type at once");
    desk.close();
    let desk = Desk::open(folder.path());
    assert_eq!(desk.service().documents().n_items(), 0);
    desk.close();
}

/// L6, issue: nor does it stay once another document is opened, unless it is open elsewhere, or
/// somebody wrote in it or has its code.
#[gtk::test]
fn untouched_documents_go_when_they_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let plan = desk.document("# Plan");
    let documents = desk.service().documents();
    let make = || {
        let before = desk.window.shown_document();
        desk.act("win.new-document", None);
        until("a new one is shown", || {
            let shown = desk.window.shown_document();
            shown.is_some() && shown != before
        });
        let made = desk.window.shown_document().unwrap();
        desk.editor(&made);
        made
    };
    make();
    assert_eq!(documents.n_items(), 2);
    desk.window.open_document(&plan);
    until("it is gone", || documents.n_items() == 1);
    desk.editor(&plan);

    make();
    let second = make();
    until("the first of two is gone", || documents.n_items() == 2);
    let id = second.id().to_variant();
    desk.act("win.open-in-new-window", Some(&id));
    let other = super::windows::beside(&desk);
    other.editor(&second);
    desk.window.open_document(&plan);
    desk.editor(&plan);
    other.window.close();
    until("it goes with its last window", || documents.n_items() == 1);

    let shared = make();
    run(shared.code(reflection_node::access::Access::Write)).unwrap();
    desk.window.open_document(&plan);
    desk.editor(&plan);
    let written = make();
    let buffer = desk.editor(&written).text_buffer().clone();
    buffer.insert_interactive_at_cursor("words", true);
    desk.window.open_document(&plan);
    desk.editor(&plan);
    make();
    desk.window.open_document(&plan);
    until("only the last one goes", || documents.n_items() == 3);
    let topics = [&plan, &shared, &written].map(|document| document.topic().unwrap());
    assert!(topics.iter().all(|topic| documents.get(topic).is_some()));
    desk.close();
}

/// L1, issue: the list shows how a document goes on while it is written here.
#[gtk::test]
fn the_list_follows_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# Plan");
    desk.window.open_document(&document);
    let buffer = desk.editor(&document).text_buffer().clone();
    buffer.insert(&mut buffer.end_iter(), "\n\n- **first** words");
    until("they are in the list", || says(&desk.window, "first words"));
    desk.close();
}

/// D2: the window comes back with its size and its document.
#[gtk::test]
fn the_window_comes_back_as_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# Kept");
    desk.window.open_document(&document);
    desk.editor(&document);
    desk.window.set_default_size(720, 510);
    desk.close();
    let desk = Desk::open(folder.path());
    assert_eq!(desk.window.default_size(), (720, 510));
    until("the document is shown", || desk.text_view().is_some());
    assert_eq!(desk.window.title().as_deref(), Some("Kept"));
    settings().reset("window-width");
    settings().reset("window-height");
    desk.close();
}

/// D3, issue: everything that is stored is checked, packed, and what is not needed given back.
#[gtk::test]
fn the_store_is_looked_after_by_a_button() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    desk.document("# Sound");
    desk.act("win.preferences", None);
    let row = || {
        everything(&desk.window).into_iter().find_map(|widget| {
            let row = widget.downcast::<adw::ButtonRow>().ok()?;
            (row.title() == "Check and Give Back Unused Space").then_some(row)
        })
    };
    until("the button is there", || row().is_some());
    row().unwrap().emit_by_name::<()>("activated", &[]);
    until("it says what was found", || {
        says(
            &desk.window,
            "Everything is sound, and unused space was given back",
        )
    });
    desk.close();
}

/// L7: the window says of a file, and the list of a text, that it may be dropped there.
#[gtk::test]
fn what_is_dragged_is_seen_to_be_welcome() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    desk.document("# Plan");
    until("it is listed", || says(&desk.window, "Plan"));
    let accent = adw::StyleManager::default().accent_color().to_rgba();
    let widgets = everything(&desk.window).into_iter();
    let targets: Vec<_> = widgets
        .filter(|it| it.has_css_class("drop-target"))
        .collect();
    assert_eq!(targets.len(), 2);
    for target in targets {
        // A line all round that is thick enough to be seen, but for its corners.
        let around = usize::try_from(2 * (target.width() + target.height())).unwrap();
        let frame = around * 5 / 2;
        // Frames in between, which looking alone would leave no time for.
        let is_framed = |wanted: bool| {
            (0..FRAMES_MAX).any(|_| {
                frames(&target, 2);
                (pixels(&target, &accent) > frame) == wanted
            })
        };
        assert!(is_framed(false));
        target.set_state_flags(gtk::StateFlags::DROP_ACTIVE, false);
        assert!(is_framed(true), "{} has no frame", target.type_());
        target.unset_state_flags(gtk::StateFlags::DROP_ACTIVE);
        assert!(is_framed(false));
    }
    desk.close();
}

/// P1, issue: the first page says what others see one as, and where that is changed; so do the
/// preferences, which choose nothing by saying it.
#[gtk::test]
fn one_s_own_name_is_said_from_the_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let author = desk.service().this_author().unwrap();
    let default = default_name(&Persona::of(&author));
    let told = |name: &str| format!("Others see you as “{name}”.");
    until("the first name is said", || {
        says(&desk.window, &told(&default))
    });
    button(&desk.window, "Change the Name…")
        .unwrap()
        .emit_clicked();
    until("the preferences say it, too", || {
        let dialog = desk.window.visible_dialog();
        let without = format!("or “{default}” without one");
        dialog.is_some_and(|_| super::seen().contains(&without))
    });
    assert_eq!(settings().string("name"), "");
    desk.window.visible_dialog().unwrap().force_close();
    settings().set_string("name", "Zoë").unwrap();
    until("the chosen one is said", || {
        says(&desk.window, &told("Zoë"))
    });
    settings().reset("name");
    desk.close();
}
