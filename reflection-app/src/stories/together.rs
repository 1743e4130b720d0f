// SPDX-License-Identifier: GPL-3.0-or-later
//! Several people and one document, seen from one window.

use adw::prelude::*;
use gtk::glib;
use reflection_doc::library::Profile;
use reflection_doc::objects::{Document, Service};
use reflection_node::access::Access;
use reflection_node::identity::AuthorKey;
use reflection_node::store::DataFolder;
use reflection_node::{Mode, NetworkConfig};

use super::{Desk, below, button, everything, network, run, says, until};
use crate::page::TextView;

/// Somebody else, who has no window.
pub(super) struct Other {
    pub(super) service: Service,
    _folder: tempfile::TempDir,
}

impl Other {
    pub(super) fn begin() -> Self {
        Self::begin_with(network(Mode::Local))
    }

    pub(super) fn begin_with(network: NetworkConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let opened = DataFolder::open(folder.path()).unwrap();
        let opening = Service::open(opened, AuthorKey::generate(), network);
        Self {
            service: run(opening).unwrap(),
            _folder: folder,
        }
    }

    pub(super) fn document(&self, text: &str) -> Document {
        let document = run(self.service.create_document_of(text)).unwrap();
        document.open();
        until("it is open", || document.text() == text);
        document
    }

    /// Joins by a code and waits until the text is this.
    pub(super) fn join(&self, code: &str, text: &str) -> Document {
        let document = run(self.service.join_document(&code.parse().unwrap())).unwrap();
        document.open();
        until("the text is there", || document.text() == text);
        document
    }

    pub(super) fn leave(self) {
        run(self.service.close(super::CLOSE_DEADLINE)).unwrap();
    }
}

pub(super) fn code(document: &Document, access: Access) -> String {
    run(document.code(access)).unwrap().to_string()
}

/// Joins somebody's document in the window, to write, and waits until its text is there.
pub(super) fn take_part(desk: &Desk, hers: &Document) -> (Document, TextView) {
    join(desk, &code(hers, Access::Write));
    let document = joined(desk);
    let editor = desk.editor(&document);
    until("the text is there", || {
        editor.text_buffer().shown_text() == hers.text()
    });
    (document, editor)
}

/// Pastes a code into the dialog for joining and presses the button.
pub(super) fn join(desk: &Desk, code: &str) {
    desk.act("win.join-document", None);
    let row = || {
        let dialog = desk.window.visible_dialog()?;
        let mut widgets = everything(&dialog).into_iter();
        widgets.find_map(|widget| widget.downcast::<adw::EntryRow>().ok())
    };
    until("the dialog is there", || row().is_some());
    row().unwrap().set_text(code);
    let dialog = desk.window.visible_dialog().unwrap();
    button(&dialog, "Join").unwrap().emit_clicked();
}

pub(super) fn joined(desk: &Desk) -> Document {
    let documents = desk.service().documents();
    until("it is joined", || documents.n_items() == 1);
    documents.to_vec().remove(0)
}

/// W2, A2: whoever joins to read sees the text and what others write, and is told that it can only
/// be read; a code that is wrong is said to be so.
#[gtk::test]
fn a_reader_sees_the_text_and_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let hers = anna.document("# Plan\nשלום 🎉");
    let code = code(&hers, Access::Read);
    join(&desk, &code[..code.len() - 3]);
    until("the code is found to be wrong", || {
        let dialog = desk.window.visible_dialog();
        dialog.is_some_and(|dialog| {
            everything(&dialog)
                .iter()
                .any(|widget| widget.has_css_class("error"))
        })
    });
    assert_eq!(desk.service().documents().n_items(), 0);
    desk.window.visible_dialog().unwrap().force_close();
    until("the dialog is gone", || {
        desk.window.visible_dialog().is_none()
    });
    join(&desk, &code);
    let document = joined(&desk);
    let editor = desk.editor(&document);
    until("the text is there", || {
        editor.text_buffer().shown_text() == "# Plan\nשלום 🎉"
    });
    until("it says so", || {
        says(&desk.window, "This document can only be read here")
    });
    assert!(!editor.is_editable());
    editor
        .text_buffer()
        .insert(&mut editor.text_buffer().start_iter(), "no");
    assert_eq!(editor.text_buffer().shown_text(), "# Plan\nשלום 🎉");
    hers.insert_text(0, "new\n").unwrap();
    until("what she writes arrives", || {
        editor.text_buffer().shown_text().starts_with("new\n# Plan")
    });
    anna.leave();
    desk.close();
}

/// W3, W6, P1, P4, A6, N7, E9: two write at once; each sees the other's name and who wrote what; a
/// muted person still writes; offline is said, and what was written meanwhile is merged.
#[gtk::test]
fn two_people_write_see_each_other_and_part() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let hers = anna.document("# Plan\n");
    let profile = Profile {
        name: "Anna".into(),
        colour: Some(2),
    };
    run(anna.service.set_profile(profile)).unwrap();
    let (document, editor) = take_part(&desk, &hers);
    let buffer = editor.text_buffer().clone();
    let her = anna.service.this_author().unwrap();
    until("her name is known", || {
        let known = document.authors().get(&her);
        known.is_some_and(|author| author.name() == "Anna" && author.is_here())
    });
    until("it says with whom", || says(&desk.window, "With 1 person"));

    editor.go_to_range(&(7..7));
    buffer.insert_interactive_at_cursor("தமிழ் mine", true);
    hers.insert_text(0, "hers ").unwrap();
    until("both have both", || {
        buffer.shown_text() == "hers # Plan\nதமிழ் mine" && hers.text() == buffer.shown_text()
    });
    assert_eq!(editor.caret(), 22, "the caret stays after what was typed");

    WidgetExt::activate_action(&editor, "page.show-authors", None).unwrap();
    let marks = |at: i32| buffer.iter_at_offset(at).tags();
    let is_marked = |at: i32| marks(at).iter().any(gtk::TextTag::is_background_set);
    until("it is marked who wrote what", || {
        is_marked(1) && is_marked(14)
    });
    let mine = marks(14).into_iter().find(gtk::TextTag::is_background_set);
    assert!(!marks(1).contains(&mine.unwrap()), "not in the same colour");
    // Anna is named by the tooltip over her words, and misspelt words stay marked.
    let place = editor.iter_location(&buffer.iter_at_offset(1));
    let (x, y) =
        editor.buffer_to_window_coords(gtk::TextWindowType::Widget, place.x(), place.y() + 1);
    let tooltip = glib::Object::new::<gtk::Tooltip>();
    assert!(editor.emit_by_name::<bool>("query-tooltip", &[&x, &y, &false, &tooltip]));
    assert!(
        marks(1)
            .iter()
            .all(|tag| !tag.is_background_set() || tag.priority() < 2)
    );
    WidgetExt::activate_action(&editor, "page.show-authors", None).unwrap();
    until("the marks are gone", || !is_marked(1));

    desk.act("win.mute-person", Some(&her.to_string().to_variant()));
    until("she is muted", || {
        document
            .authors()
            .get(&her)
            .is_some_and(|author| author.is_muted())
    });
    hers.insert_text(0, "still ").unwrap();
    until("her words arrive", || {
        buffer.shown_text().starts_with("still hers")
    });

    run(desk.service().change_mode(Mode::Offline)).unwrap();
    let offline = "You are offline: what you write reaches the others later";
    until("it says so", || says(&desk.window, offline));
    buffer.insert(&mut buffer.end_iter(), " offline");
    hers.insert_text(0, "meanwhile ").unwrap();
    run(desk.service().change_mode(Mode::Local)).unwrap();
    until("it is said no more, to nobody", || {
        let mut widgets = below(&desk.window, |_| true).into_iter();
        !widgets.any(|widget| widget.is::<adw::Banner>() && widget.is_mapped())
    });
    until("both have both again", || {
        let text = buffer.shown_text();
        text.starts_with("meanwhile still hers")
            && text.ends_with("mine offline")
            && hers.text() == text
    });
    hers.close();
    until("she is online and elsewhere", || {
        says(&desk.window, "Saved here · Connected")
    });
    hers.open();
    until("she is back", || says(&desk.window, "With 1 person"));
    hers.close();
    anna.leave();
    until("she is gone", || document.devices_connected() == 0);
    desk.close();
}

/// P1, L5: the list knows by name who takes part in documents that were never opened here.
#[gtk::test]
fn names_are_known_of_documents_that_were_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let profile = Profile {
        name: "Anna".into(),
        colour: Some(2),
    };
    run(anna.service.set_profile(profile)).unwrap();
    let hers = anna.document("# Plan\nby her");
    hers.insert_text(0, "\n").unwrap();
    let code = run(hers.code(Access::Write)).unwrap();
    hers.close();
    let document = run(desk.service().join_document(&code)).unwrap();
    document.meet_people();
    let her = anna.service.this_author().unwrap();
    until("her name is known", || {
        let known = document.authors().get(&her);
        known.is_some_and(|author| author.name() == "Anna" && !author.is_here())
    });
    assert_eq!(document.text(), "", "it is not open");
    anna.leave();
    desk.close();
    // And without her.
    let desk = Desk::open(folder.path());
    let document = desk.service().documents().to_vec().remove(0);
    document.meet_people();
    until("her name is still known", || {
        let known = document.authors().get(&her);
        known.is_some_and(|author| author.name() == "Anna")
    });
    desk.close();
}
