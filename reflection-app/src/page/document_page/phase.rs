// SPDX-License-Identifier: GPL-3.0-or-later
//! The text, or what takes its place while there is none: nothing, a spinner, or why it cannot be
//! read. The text of last time is as good as the present one, which follows it.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::{gettext, ngettext};
use gtk::glib;
use reflection_doc::objects::{Document, DocumentPhase, Trouble};

use super::DocumentPage;

impl DocumentPage {
    pub(super) fn show_phase(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let imp = self.imp();
        match document.phase() {
            DocumentPhase::Open => self.show_text(&document),
            _ if document.has_cached_text() => self.show_text(&document),
            DocumentPhase::Failed => self.show_failure(&document),
            DocumentPhase::Closed | DocumentPhase::Opening => {
                imp.text_view.text_buffer().detach();
                imp.text_view.set_editable(false);
                imp.opening_view.begin();
                imp.stack.set_visible_child_name("opening");
            }
        }
    }

    fn show_text(&self, document: &Document) {
        let imp = self.imp();
        if !imp.text_view.text_buffer().is_attached() {
            imp.text_view.text_buffer().attach(document);
        }
        if self.is_previewing() {
            self.mark_authors_soon();
        } else {
            // Not a moment later: what is seen first has its colours.
            self.mark_authors();
        }
        self.show_access();
        if document.is_waiting() {
            imp.stack.set_visible_child_name("waiting");
            self.show_awaited();
        } else {
            self.show_text_page(document);
        }
    }

    /// Brings the text or its preview to the front, and the caret to where it is wanted.
    fn show_text_page(&self, document: &Document) {
        let imp = self.imp();
        if self.is_previewing() {
            imp.preview_view.set_markdown(&document.text());
            imp.stack.set_visible_child_name("preview");
            return;
        }
        imp.stack.set_visible_child_name("text");
        if let Some(place) = imp.wanted_place.take() {
            imp.text_view.open_at(&place);
        }
        if imp.wants_focus.replace(false) {
            imp.text_view.grab_focus();
        }
    }

    /// Says for whom the page waits. Their names come with the text; until then it is known which
    /// devices the code named and others told of, and which of them a connection stands to.
    pub(super) fn show_awaited(&self) {
        let (Some(document), Some(service)) = (self.document(), self.imp().service.get()) else {
            return;
        };
        if !document.is_waiting() {
            return;
        }
        let (page, service) = (self.downgrade(), service.clone());
        glib::spawn_future_local(async move {
            let devices = service.known_devices().await;
            if let (Ok(count), Some(page)) = (devices, page.upgrade()) {
                let is_connected = document.devices_connected() > 0;
                let words = awaited(count, is_connected);
                page.imp().waiting_view.set_description(Some(&words));
            }
        });
    }

    fn show_failure(&self, document: &Document) {
        let imp = self.imp();
        let (title, description, may_help) = match document.trouble() {
            Trouble::Unreadable => (
                gettext("Kept for Others"),
                gettext("This device keeps a copy of the document without being able to read it"),
                false,
            ),
            _ => (
                gettext("The Text Cannot Be Read"),
                gettext("It is left as it is on the disk"),
                true,
            ),
        };
        imp.opening_view.fail(
            "reflection-trouble-symbolic",
            &title,
            &description,
            may_help,
        );
        imp.stack.set_visible_child_name("opening");
    }
}

/// For whom a page waits, with how many devices are known and whether one of them has answered.
fn awaited(known: u32, is_connected: bool) -> String {
    if is_connected {
        return gettext(
            "A device that takes part is connected. The text appears here as soon as it comes from there.",
        );
    }
    let first = gettext(
        "The text appears here as soon as the device that shared it is connected, or another one that has it.",
    );
    if known == 0 {
        return first;
    }
    let second = ngettext(
        "{count} device is known, and Reflection goes on calling it.",
        "{count} devices are known, and Reflection goes on calling them.",
        known,
    );
    format!("{first} {}", second.replace("{count}", &known.to_string()))
}
