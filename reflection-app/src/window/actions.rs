// SPDX-License-Identifier: GPL-3.0-or-later
//! What can be done from anywhere in the window.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use gtk::glib;
use reflection_doc::objects::Document;

use super::{Window, beside, files, identity, imp, people, shelf};
use crate::preferences::PreferencesDialog;
use crate::share::JoinDialog;

/// Actions that need an open library.
const SERVICE_ACTIONS: [&str; 6] = [
    "win.preferences",
    "win.network-preferences",
    "win.new-document",
    "win.join-document",
    "win.open-document",
    "win.open-hit",
];

impl Window {
    pub(super) fn install_actions(klass: &mut <imp::Window as ObjectSubclass>::Class) {
        klass.install_action_async("win.new-document", None, |window: Self, _, _| async move {
            window.new_document().await;
        });
        klass.install_action("win.join-document", None, |window: &Self, _, _| {
            window.show_join_dialog("");
        });
        klass.install_action("win.preferences", None, |window: &Self, _, _| {
            if let Some(service) = window.service() {
                PreferencesDialog::new(&service).present(Some(window));
            }
        });
        klass.install_action("win.network-preferences", None, |window: &Self, _, _| {
            if let Some(service) = window.service() {
                let dialog = PreferencesDialog::new(&service);
                dialog.set_visible_page_name("network");
                dialog.present(Some(window));
            }
        });
        let id = glib::VariantTy::STRING;
        klass.install_action("win.open-document", Some(id), |window: &Self, _, id| {
            if let Some(document) = window.document_by_id(id) {
                window.open_document(&document);
            }
        });
        let hit = <(String, u32, u32)>::static_variant_type();
        klass.install_action("win.open-hit", Some(&hit), |window: &Self, _, hit| {
            window.open_hit(hit);
        });
        Self::install_beside_actions(klass);
        Self::install_shelf_actions(klass);
        Self::install_file_actions(klass);
        Self::install_people_actions(klass);
        Self::install_identity_actions(klass);
    }

    pub(super) fn set_service_actions_enabled(&self, enabled: bool) {
        let here = SERVICE_ACTIONS.iter().chain(&shelf::ACTIONS);
        let there = files::ACTIONS.iter().chain(&people::ACTIONS);
        let rest = beside::ACTIONS.iter().chain(&identity::ACTIONS);
        for action in here.chain(there).chain(rest) {
            self.action_set_enabled(action, enabled);
        }
    }

    pub(super) fn document_by_id(&self, id: Option<&glib::Variant>) -> Option<Document> {
        let topic = id?.str()?.parse().ok()?;
        self.service()?.documents().get(&topic)
    }

    /// Opens a document at what a search found in it: id, first character, the one after the last.
    fn open_hit(&self, hit: Option<&glib::Variant>) {
        let Some((id, from, to)) = hit.and_then(glib::Variant::get::<(String, u32, u32)>) else {
            return;
        };
        if let Some(document) = self.document_by_id(Some(&id.to_variant())) {
            self.open_document(&document);
            if let Some(page) = &*self.imp().page.borrow() {
                page.go_to(from..to);
                page.focus_text();
            }
        }
    }

    async fn new_document(&self) {
        let Some(service) = self.service() else {
            return;
        };
        match service.create_document().await {
            Ok(document) => self.open_document(&document),
            Err(_) => self.show_toast(&gettext("The document could not be made")),
        }
    }

    /// Asks for a code, of which one may be given already.
    pub(super) fn show_join_dialog(&self, code: &str) {
        let Some(service) = self.service() else {
            return;
        };
        let dialog = JoinDialog::new(&service);
        if !code.is_empty() {
            dialog.set_code(code);
        }
        // What it offers is what the dialog is for.
        if let Some(offer) = self.imp().code_offer.upgrade() {
            offer.dismiss();
        }
        let window = self.downgrade();
        dialog.connect_joined(move |dialog, document| {
            if let Some(window) = window.upgrade() {
                window.open_document(&document);
                if dialog.was_here() {
                    window.show_toast(&gettext("You already have this document"));
                }
            }
        });
        dialog.present(Some(self));
    }
}
