// SPDX-License-Identifier: GPL-3.0-or-later
//! A window comes back as it was left: its size, its document, the place in it.

use adw::prelude::*;
use adw::subclass::prelude::*;
use reflection_doc::objects::Document;

use super::Window;
use crate::preferences::settings;

impl Window {
    /// Takes the size that the last window had, and keeps the settings up with this one's.
    pub(super) fn restore_size(&self) {
        let settings = settings();
        settings.bind("window-width", self, "default-width").build();
        settings
            .bind("window-height", self, "default-height")
            .build();
        settings.bind("is-maximized", self, "maximized").build();
    }

    /// Opens the document that was open last, if it is still there.
    pub(super) fn restore_document(&self) {
        let settings = settings();
        let found = settings
            .string("open-document")
            .parse()
            .ok()
            .and_then(|topic| self.service()?.documents().get(&topic));
        if let Some(document) = found {
            self.open_document(&document);
        }
    }

    /// Notes which document is open. A setting that cannot be written is no reason to complain.
    pub(super) fn remember_document(document: Option<&Document>) {
        let id = document.map(Document::id).unwrap_or_default();
        let _ = settings().set_string("open-document", &id);
    }

    /// Opens a document that a notification told of, now or once the library is open.
    pub fn open_document_by_id(&self, id: &str) {
        let document = self.document_by_id(Some(&id.to_variant()));
        if let Some(document) = document {
            self.open_document(&document);
        } else if self.service().is_none() {
            let _ = settings().set_string("open-document", id);
        }
        self.present();
    }

    /// Joins by a link that another program handed over, now or once the library is open.
    pub fn join_by_link(&self, link: &str) {
        self.imp().pending_code.replace(Some(link.to_owned()));
        if self.service().is_some() {
            self.join_pending();
        }
    }

    /// Whether a link was waiting; then it is shown in the dialog for joining.
    pub(super) fn join_pending(&self) -> bool {
        let pending = self.imp().pending_code.take();
        if let Some(code) = &pending {
            self.show_join_dialog(code);
        }
        pending.is_some()
    }
}
