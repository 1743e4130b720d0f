// SPDX-License-Identifier: GPL-3.0-or-later
//! What a text was, and names for that.

use adw::prelude::*;
use reflection_doc::objects::Document;
use reflection_node::Mode;

use super::together::{Other, take_part};
use super::{Desk, button, everything, says, until};
use crate::page::TextView;

const NAME: &str = "First draft";

/// Opens the history and waits for its list.
fn open(desk: &Desk, editor: &TextView) -> adw::Dialog {
    WidgetExt::activate_action(editor, "page.history", None).unwrap();
    until("the versions are listed", || {
        let dialog = desk.window.visible_dialog();
        dialog.is_some_and(|dialog| !rows(&dialog).is_empty())
    });
    desk.window.visible_dialog().unwrap()
}

/// The title of each version, the newest first.
fn rows(dialog: &adw::Dialog) -> Vec<String> {
    let rows = everything(dialog).into_iter();
    let rows = rows.filter_map(|widget| widget.downcast::<adw::ActionRow>().ok());
    rows.map(|row| row.title().into()).collect()
}

fn view(dialog: &adw::Dialog) -> gtk::TextView {
    let mut widgets = everything(dialog).into_iter();
    widgets.find_map(|widget| widget.downcast().ok()).unwrap()
}

fn shown(dialog: &adw::Dialog) -> String {
    let buffer = view(dialog).buffer();
    let (start, end) = buffer.bounds();
    buffer.text(&start, &end, false).into()
}

/// The names that somebody else sees.
fn names(document: &Document) -> Vec<String> {
    let past = document.past().unwrap().open().unwrap();
    let versions = past.versions().into_iter();
    versions.flat_map(|version| version.names).collect()
}

/// Types a name where one is asked for, and says that it is the one.
fn answer_with_a_name(desk: &Desk, agree: impl FnOnce(&gtk::Button)) {
    let entry = || {
        let mut widgets = everything(&desk.window).into_iter();
        widgets.find_map(|widget| widget.downcast::<adw::EntryRow>().ok())
    };
    until("it asks for the name", || entry().is_some());
    let name = button(&desk.window, "Name").unwrap();
    assert!(!name.is_sensitive(), "nothing is no name");
    entry().unwrap().set_text(NAME);
    until("that is one", || name.is_sensitive());
    agree(&name);
}

/// The Enter key in the line that is asked for.
fn press_enter(desk: &Desk) {
    let row = everything(&desk.window).into_iter();
    let row = row.filter_map(|widget| widget.downcast::<adw::EntryRow>().ok());
    let mut parts = row.flat_map(|row| everything(&row));
    let text = parts.find_map(|widget| widget.downcast::<gtk::Text>().ok());
    text.unwrap().emit_by_name::<()>("activate", &[]);
}

/// H1, H2, issue: a version that was given a name, by the Enter key, is still the one that is shown,
/// and the one that is brought back. What is there anyway cannot be brought back, and what was
/// brought back can be taken away again.
#[gtk::test]
fn a_version_stays_chosen_and_is_what_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let hers = anna.document("# Plan\nher words\n");
    let (document, editor) = take_part(&desk, &hers);
    let buffer = editor.text_buffer();
    buffer.insert(&mut buffer.end_iter(), "my words\n");
    let both = "# Plan\nher words\nmy words\n";
    until("she has it", || hers.text() == both);
    anna.leave();

    let dialog = open(&desk, &editor);
    let is_offered = || button(&dialog, "Restore").is_some_and(|restore| restore.is_sensitive());
    until("the newest is shown", || shown(&dialog) == both);
    assert!(!is_offered(), "it is there already");
    let list = everything(&dialog).into_iter();
    let mut list = list.filter_map(|widget| widget.downcast::<gtk::ListBox>().ok());
    let list = list.next().unwrap();
    let place = || list.selected_row().map(|row| row.index());
    let last = i32::try_from(rows(&dialog).len()).unwrap() - 1;
    list.select_row(list.row_at_index(last).as_ref());
    until("the oldest is shown and can be had", || {
        shown(&dialog) == "# Plan\nher words\n" && is_offered()
    });
    WidgetExt::activate_action(&view(&dialog), "history.name", None).unwrap();
    answer_with_a_name(&desk, |_| press_enter(&desk));
    until("the version has the name", || {
        rows(&dialog).contains(&NAME.to_owned())
    });
    until("it is shown as before", || {
        place() == Some(last) && shown(&dialog) == "# Plan\nher words\n" && is_offered()
    });
    button(&dialog, "Restore").unwrap().emit_clicked();
    until("the text is that", || {
        document.text() == "# Plan\nher words\n"
    });
    until("it is said", || says(&desk.window, "Version restored"));
    button(&desk.window, "Undo").unwrap().emit_clicked();
    until("it is as before", || document.text() == both);

    let dialog = open(&desk, &editor);
    let list = everything(&dialog).into_iter();
    let mut list = list.filter_map(|widget| widget.downcast::<gtk::ListBox>().ok());
    let list = list.next().unwrap();
    let mut all = (0..).map_while(|place| list.row_at_index(place));
    let named = all.find(|row| says(row, NAME)).unwrap();
    list.select_row(Some(&named));
    let restore = || button(&dialog, "Restore").filter(WidgetExt::is_sensitive);
    until("it can be had once more", || restore().is_some());
    restore().unwrap().emit_clicked();
    until("it is said again", || {
        says(&desk.window, "Version restored")
    });
    buffer.insert_interactive_at_cursor("x", true);
    until("another step would be taken back", || {
        !says(&desk.window, "Version restored")
    });
    desk.close();
}

/// H1, H2: each one's work is a version to slide to; what changed in it is marked; a name that one
/// gives is seen by everybody, also after a restart.
#[gtk::test]
fn a_version_gets_a_name_that_everybody_sees() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let hers = anna.document("# Plan\nher words\n");
    let (document, editor) = take_part(&desk, &hers);
    let topic = document.topic().unwrap();
    let buffer = editor.text_buffer();
    buffer.insert(&mut buffer.end_iter(), "my words\n");
    until("she has it", || hers.text().ends_with("my words\n"));

    let dialog = open(&desk, &editor);
    assert_eq!(rows(&dialog).len(), 2);
    let scale = || {
        let mut widgets = everything(&dialog).into_iter();
        widgets.find_map(|widget| widget.downcast::<gtk::Scale>().ok())
    };
    until("there is something to slide", || scale().is_some());
    until("the last one is shown", || {
        shown(&dialog) == "# Plan\nher words\nmy words\n"
    });
    let is_marked = |at: i32| !view(&dialog).buffer().iter_at_offset(at).tags().is_empty();
    assert!(is_marked(18) && !is_marked(8), "what was added is marked");
    scale().unwrap().set_value(0.0);
    until("the first one is", || {
        shown(&dialog) == "# Plan\nher words\n"
    });

    WidgetExt::activate_action(&view(&dialog), "history.name", None).unwrap();
    answer_with_a_name(&desk, ButtonExt::emit_clicked);
    until("the version has it", || {
        rows(&dialog).contains(&NAME.to_owned())
    });
    assert_eq!(rows(&dialog).len(), 2, "{:?}", rows(&dialog));
    dialog.force_close();
    until("she sees it", || names(&hers) == [NAME]);
    anna.leave();
    desk.close();

    let desk = Desk::open(folder.path());
    let document = desk.listed(&topic);
    desk.window.open_document(&document);
    let editor = desk.editor(&document);
    let dialog = open(&desk, &editor);
    until("it still has it", || {
        rows(&dialog).contains(&NAME.to_owned())
    });
    let list = everything(&dialog).into_iter();
    let mut list = list.filter_map(|widget| widget.downcast::<gtk::ListBox>().ok());
    let list = list.next().unwrap();
    let mut named = (0..2).filter_map(|place| list.row_at_index(place));
    let named = named.rfind(|row| says(row, NAME)).unwrap();
    list.select_row(Some(&named));
    until("it is what it was", || {
        shown(&dialog) == "# Plan\nher words\n"
    });
    WidgetExt::activate_action(&view(&dialog), "history.restore", None).unwrap();
    until("the text is that again", || {
        document.text() == "# Plan\nher words\n"
    });
    desk.close();
}
