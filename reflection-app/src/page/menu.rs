// SPDX-License-Identifier: GPL-3.0-or-later
//! The menu of a document.

use gettextrs::gettext;
use gtk::gio;
use gtk::prelude::*;
use reflection_doc::objects::Document;

/// What can be done with this document.
pub fn document_menu(document: &Document) -> gio::Menu {
    let menu = gio::Menu::new();
    let section = |items: &[(String, &str)]| {
        let section = gio::Menu::new();
        for (label, action) in items {
            section.append(Some(label), Some(action));
        }
        menu.append_section(None, &section);
    };
    section(&[
        (gettext("_Find…"), "page.find"),
        (gettext("Find and _Replace…"), "page.replace"),
    ]);
    section(&[
        (gettext("Pre_view"), "page.preview"),
        (gettext("Show _Who Wrote What"), "page.show-authors"),
    ]);
    section(&[
        (gettext("_History"), "page.history"),
        (gettext("_Statistics"), "page.statistics"),
        (gettext("_Print…"), "page.print"),
    ]);
    let id = document.id().to_variant();
    let of_window = |label: &str, action: &str| {
        let (section, item) = (gio::Menu::new(), gio::MenuItem::new(Some(label), None));
        item.set_action_and_target_value(Some(action), Some(&id));
        section.append_item(&item);
        menu.append_section(None, &section);
    };
    of_window(&gettext("Open in _New Window"), "win.open-in-new-window");
    of_window(&gettext("_Delete"), "win.delete-document");
    menu
}
