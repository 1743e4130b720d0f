// SPDX-License-Identifier: GPL-3.0-or-later
//! The search over all documents.

use gtk::prelude::*;

use super::{Desk, everything, until};

fn look_for(desk: &Desk, words: &str) -> gtk::ListView {
    desk.act("win.search", None);
    let entry = |desk: &Desk| {
        let mut widgets = everything(&desk.window).into_iter();
        widgets.find_map(|widget| widget.downcast::<gtk::SearchEntry>().ok())
    };
    until("the search is open", || entry(desk).is_some());
    entry(desk).unwrap().set_text(words);
    let found = |desk: &Desk| {
        everything(&desk.window).into_iter().find_map(|widget| {
            let view = widget.downcast::<gtk::ListView>().ok()?;
            let model = view.model().and_downcast::<gtk::NoSelection>()?;
            (model.n_items() > 0).then_some(view)
        })
    };
    until("something is found", || found(desk).is_some());
    found(desk).unwrap()
}

/// L2: a search finds what is in the text, and what is opened there is selected.
#[gtk::test]
fn a_hit_opens_at_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let long = format!(
        "# Notes\n{}the Café is 🎉 open\n",
        "எழுத்து words\n".repeat(300)
    );
    let notes = desk.document(&long);
    let other = desk.document("# Other\nnothing of that");
    desk.window.open_document(&other);
    desk.editor(&other);

    let results = look_for(&desk, "cafe");
    results.emit_by_name::<()>("activate", &[&0_u32]);
    let editor = desk.editor(&notes);
    let buffer = editor.text_buffer();
    until("the hit is selected", || {
        buffer.selection_bounds().is_some()
    });
    let (from, to) = buffer.selection_bounds().unwrap();
    assert_eq!(buffer.slice(&from, &to, true), "Café");
    until("the hit is in sight", || {
        let (seen, place) = (editor.visible_rect(), editor.iter_location(&from));
        place.y() >= seen.y() && place.y() + place.height() <= seen.y() + seen.height()
    });

    // In a document that is shown already, too.
    let results = look_for(&desk, "open");
    results.emit_by_name::<()>("activate", &[&0_u32]);
    until("the other hit is selected", || {
        let selected = buffer.selection_bounds();
        selected.is_some_and(|(from, to)| buffer.slice(&from, &to, true) == "open")
    });
    desk.close();
}
