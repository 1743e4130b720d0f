// SPDX-License-Identifier: GPL-3.0-or-later
//! Whoever comes back to the window with a code on the clipboard most likely wants to join.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::glib;
use reflection_node::access::Code;

use super::Window;
use super::shelf::toast;

impl Window {
    /// Looks at the clipboard whenever the window gets the keyboard.
    pub(super) fn watch_clipboard(&self) {
        self.connect_is_active_notify(|window| {
            if window.is_active() && window.service().is_some() {
                window.look_for_code();
            }
        });
    }

    pub(super) fn look_for_code(&self) {
        let clipboard = self.clipboard();
        // What was copied here is no news.
        if clipboard.is_local() || !clipboard.formats().contains_type(glib::Type::STRING) {
            return;
        }
        let window = self.downgrade();
        glib::spawn_future_local(async move {
            let text = clipboard.read_text_future().await;
            if let (Ok(Some(text)), Some(window)) = (text, window.upgrade())
                && let Ok(code) = text.parse::<Code>()
            {
                window.offer_code(text.trim(), &code);
            }
        });
    }

    /// Offers to join by a code, once.
    fn offer_code(&self, text: &str, code: &Code) {
        let imp = self.imp();
        let topic = code.keys().topic();
        let is_here = self
            .service()
            .is_none_or(|service| service.documents().get(&topic).is_some());
        // The dialog takes a code from the clipboard by itself.
        if is_here || self.visible_dialog().is_some() {
            return;
        }
        if imp.offered_code.replace(Some(topic)) == Some(topic) {
            return;
        }
        for sibling in self.siblings() {
            sibling.imp().offered_code.set(Some(topic));
        }
        let toast = toast(&gettext("There is a code on the clipboard"));
        toast.set_button_label(Some(&gettext("Join")));
        let text = text.to_owned();
        toast.connect_button_clicked(clone!(
            #[weak(rename_to = window)]
            self,
            move |_| window.show_join_dialog(&text)
        ));
        imp.code_offer.set(Some(&toast));
        imp.toasts.add_toast(toast);
    }
}
