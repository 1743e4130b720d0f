// SPDX-License-Identifier: GPL-3.0-or-later
//! The dialog that tells what can be done by keys.
//!
//! A story keeps it in step with the keys that there are.

mod list;

use adw::prelude::*;
use gettextrs::gettext;

use list::Shortcut;
pub use list::groups;

/// Shows all keys.
pub fn shortcuts_dialog(application: &gtk::Application) -> adw::PreferencesDialog {
    let page = adw::PreferencesPage::new();
    for group in groups() {
        let shown = adw::PreferencesGroup::builder().title(&group.title).build();
        for shortcut in &group.shortcuts {
            shown.add(&row(application, shortcut));
        }
        page.add(&shown);
    }
    let dialog = adw::PreferencesDialog::builder()
        .title(gettext("Keyboard Shortcuts"))
        .search_enabled(true)
        .build();
    dialog.add(&page);
    dialog
}

/// What it does, and below each other, where there is no room beside each other, its keys.
fn row(application: &gtk::Application, shortcut: &Shortcut) -> adw::ActionRow {
    let keys = adw::WrapBox::builder()
        .child_spacing(6)
        .line_spacing(6)
        .align(1.0)
        .valign(gtk::Align::Center)
        .margin_top(6)
        .margin_bottom(6)
        .build();
    for accelerator in shortcut.keys.accelerators(application) {
        if let Some((key, modifiers)) = gtk::accelerator_parse(&accelerator) {
            let label = gtk::accelerator_get_label(key, modifiers);
            keys.append(&gtk::Label::new(Some(&label)));
        }
    }
    let row = adw::ActionRow::builder()
        .title(&shortcut.title)
        .use_markup(false)
        .build();
    row.add_suffix(&keys);
    row
}
