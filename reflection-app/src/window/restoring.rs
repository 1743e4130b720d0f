// SPDX-License-Identifier: GPL-3.0-or-later
//! Windows come back as they were left: their documents, the place in each, the size of the last.

use adw::prelude::*;
use adw::subclass::prelude::*;
use reflection_doc::objects::Document;

use super::Window;
use crate::preferences::settings;

/// Most windows that come back.
const WINDOWS_MAX: usize = 16;

impl Window {
    /// Takes the size that the last window had, and lets the settings know of this one's.
    pub(super) fn restore_size(&self) {
        let settings = settings();
        for (key, property) in [
            ("window-width", "default-width"),
            ("window-height", "default-height"),
            ("is-maximized", "maximized"),
        ] {
            // Windows that are open at the same time do not follow each other.
            let binding = settings.bind(key, self, property);
            binding.get().set().get_no_changes().build();
        }
    }

    /// Opens the documents that were open last, as far as they are still there, each in a window of
    /// its own; or the one document that was asked for meanwhile.
    pub(super) fn restore_documents(&self) {
        let Some(service) = self.service() else {
            return;
        };
        let asked_for = self.imp().pending_document.take();
        let remembered = || {
            let ids = settings().strv("open-documents");
            ids.iter().map(|id| id.as_str().to_owned()).collect()
        };
        let ids: Vec<String> = asked_for.map_or_else(remembered, |id| vec![id]);
        let documents = service.documents();
        let found = ids.iter().filter_map(|id| documents.get(&id.parse().ok()?));
        let mut found = found.take(WINDOWS_MAX);
        if let Some(document) = found.next() {
            self.open_document(&document);
        }
        let further: Vec<Document> = found.collect();
        for document in &further {
            self.open_beside(Some(document));
        }
        if !further.is_empty() {
            self.present();
        }
    }

    /// Notes which documents are open, that of this window first. A setting that cannot be written
    /// is no reason to complain.
    pub(super) fn remember_documents(&self) {
        let mut ids: Vec<String> = Vec::new();
        let siblings = self.siblings();
        for window in std::iter::once(self).chain(&siblings) {
            ids.extend(window.shown_document().map(|document| document.id()));
        }
        let _ = settings().set_strv("open-documents", ids);
    }

    /// Opens a document that a notification told of, now or once the library is open.
    pub fn open_document_by_id(&self, id: &str) {
        let document = self.document_by_id(Some(&id.to_variant()));
        if let Some(document) = document {
            self.open_document(&document);
        } else if self.service().is_none() {
            self.imp().pending_document.replace(Some(id.to_owned()));
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
