// SPDX-License-Identifier: GPL-3.0-or-later
//! What can be done about the people of the document that is shown.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use gtk::glib;

use super::{Window, imp};
use crate::people::ConnectionDialog;

/// Actions that need an open library.
pub(super) const ACTIONS: [&str; 3] = [
    "win.mute-person",
    "win.unmute-person",
    "win.connection-details",
];

impl Window {
    pub(super) fn install_people_actions(klass: &mut <imp::Window as ObjectSubclass>::Class) {
        let id = glib::VariantTy::STRING;
        for (action, is_muted) in [("win.mute-person", true), ("win.unmute-person", false)] {
            klass.install_action_async(action, Some(id), move |window: Self, _, id| async move {
                let author = id.as_ref().and_then(glib::Variant::str);
                let author = author.and_then(|author| author.parse().ok());
                if let (Some(service), Some(author)) = (window.service(), author)
                    && service.mute(&author, is_muted).await.is_err()
                {
                    window.show_toast(&gettext("That could not be noted"));
                }
            });
        }
        klass.install_action("win.connection-details", None, |window: &Self, _, _| {
            if let (Some(service), Some(document)) = (window.service(), window.shown_document()) {
                ConnectionDialog::new(&service, &document).present(Some(window));
            }
        });
    }
}
