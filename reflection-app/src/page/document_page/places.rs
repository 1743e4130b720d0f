// SPDX-License-Identifier: GPL-3.0-or-later
//! Where the caret is, is to be, and was when the page was left.

use std::ops::Range;

use adw::subclass::prelude::*;
use gtk::glib;
use gtk::prelude::*;
use reflection_doc::objects::Document;

use super::DocumentPage;

impl DocumentPage {
    /// Gives the keyboard to the text, as soon as there is one.
    pub fn focus_text(&self) {
        let imp = self.imp();
        let is_there = imp.stack.visible_child_name().as_deref() == Some("text");
        imp.wants_focus.set(!is_there);
        if is_there {
            imp.text_view.grab_focus();
        }
    }

    /// Selects a stretch of the text, in characters, as soon as there is one.
    pub fn go_to(&self, stretch: Range<u32>) {
        let imp = self.imp();
        self.set_is_previewing(false);
        if imp.stack.visible_child_name().as_deref() == Some("text") {
            imp.text_view.go_to_range(&stretch);
        } else {
            imp.wanted_place.replace(Some(stretch));
        }
    }

    /// Takes note of where the caret is, for the next showing.
    pub(super) fn keep_place(&self) {
        if let Some((document, caret)) = self.place() {
            glib::spawn_future_local(async move { document.left_at(caret).await });
        }
    }

    /// Like [`DocumentPage::keep_place`], and ends when it is on the disk.
    pub async fn place_kept(&self) {
        if let Some((document, caret)) = self.place() {
            document.left_at(caret).await;
        }
    }

    /// Where the caret is. `None` where no text was shown: then what is known from before stays.
    fn place(&self) -> Option<(Document, u32)> {
        let imp = self.imp();
        let was_shown = imp.wanted_place.borrow().is_none();
        let view = imp.text_view.try_get().filter(|_| was_shown)?;
        Some((self.document()?, view.caret()))
    }
}
