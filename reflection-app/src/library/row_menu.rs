// SPDX-License-Identifier: GPL-3.0-or-later
//! What can be done with a document in the list.

use adw::prelude::*;
use gettextrs::gettext;
use gtk::gio;
use reflection_doc::objects::Document;

/// The menu of a document. All of it are actions of the window that take the document's id.
pub fn row_menu(document: &Document) -> gio::Menu {
    let id = document.id().to_variant();
    let item = |label: &str, action: &str| {
        let item = gio::MenuItem::new(Some(label), None);
        item.set_action_and_target_value(Some(action), Some(&id));
        item
    };
    let opening = gio::Menu::new();
    opening.append_item(&item(
        &gettext("Open in _New Window"),
        "win.open-in-new-window",
    ));
    let keeping = gio::Menu::new();
    if document.is_pinned() {
        keeping.append_item(&item(&gettext("Un_pin"), "win.unpin-document"));
    } else {
        keeping.append_item(&item(&gettext("_Pin"), "win.pin-document"));
    }
    if document.is_archived() {
        keeping.append_item(&item(
            &gettext("Take Out of _Archive"),
            "win.unarchive-document",
        ));
    } else {
        keeping.append_item(&item(&gettext("_Archive"), "win.archive-document"));
    }
    let files = gio::Menu::new();
    files.append_item(&item(&gettext("_Export…"), "win.export-document"));
    let end = gio::Menu::new();
    end.append_item(&item(&gettext("_Delete"), "win.delete-document"));
    let menu = gio::Menu::new();
    for section in [&opening, &keeping, &files, &end] {
        menu.append_section(None, section);
    }
    menu
}
