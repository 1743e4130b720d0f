// SPDX-License-Identifier: GPL-3.0-or-later
//! A version that was brought back, and how to take that back.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::glib;
use reflection_doc::objects::Document;

use super::DocumentPage;
use crate::window::{Window, undo_toast};

impl DocumentPage {
    /// Says that the text is what it was, and offers to take that back for as long as nothing else
    /// would be taken back in its place.
    pub(super) fn tell_restored(&self) {
        let window = self.root().and_downcast::<Window>();
        let (Some(document), Some(window)) = (self.document(), window) else {
            return;
        };
        let toast = undo_toast(&gettext("Version restored"));
        let edits = document.edits();
        toast.connect_button_clicked(clone!(
            #[weak(rename_to = page)]
            self,
            #[weak]
            document,
            move |_| {
                if document.edits() == edits {
                    page.imp().text_view.reverse(Document::undo);
                }
            }
        ));
        let handler = self.imp().text_view.text_buffer().connect_changed(clone!(
            #[weak]
            toast,
            #[weak]
            document,
            move |_| {
                if document.edits() != edits {
                    toast.dismiss();
                }
            }
        ));
        let buffer = self.imp().text_view.text_buffer().downgrade();
        let handler = std::cell::Cell::new(Some(handler));
        toast.connect_dismissed(move |_| {
            if let (Some(buffer), Some(handler)) = (buffer.upgrade(), handler.take()) {
                buffer.disconnect(handler);
            }
        });
        self.imp().restored.set(Some(&toast));
        window.add_toast(toast);
    }
}
