// SPDX-License-Identifier: GPL-3.0-or-later
//! Several windows of one library, which may show the same document.
//!
//! Invariants: the library is opened once and ends with its last window; what concerns the library
//! and not what is looked at is done for the first window alone.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib;
use reflection_doc::objects::Document;

use super::closing::Closing;
use super::{Window, imp};
use crate::application::Application;

/// Actions that need an open library.
pub(super) const ACTIONS: [&str; 2] = ["win.new-window", "win.open-in-new-window"];

impl Window {
    pub(super) fn install_beside_actions(klass: &mut <imp::Window as ObjectSubclass>::Class) {
        klass.install_action("win.new-window", None, |window: &Self, _, _| {
            window.open_beside(None);
        });
        let id = glib::VariantTy::STRING;
        klass.install_action(
            "win.open-in-new-window",
            Some(id),
            |window: &Self, _, id| {
                if let Some(document) = window.document_by_id(id) {
                    window.open_beside(Some(&document));
                }
            },
        );
    }

    /// Opens one more window of the same library, with a document or with none.
    pub fn open_beside(&self, document: Option<&Document>) {
        let application = self.application().and_downcast::<Application>();
        let (Some(application), Some(service)) = (application, self.service()) else {
            return;
        };
        let window: Self = glib::Object::builder()
            .property("application", application)
            .build();
        let (here, there) = (self.imp(), window.imp());
        there.startup_page.share(&here.startup_page);
        // What was offered here is not offered there once more.
        there.offered_code.set(here.offered_code.get());
        window.show_library(service);
        if let Some(document) = document {
            window.open_document(document);
        }
        window.present();
    }

    /// The other windows of the same library, last used first.
    pub(super) fn siblings(&self) -> Vec<Self> {
        let Some(service) = self.service() else {
            return Vec::new();
        };
        let windows = self.application().map_or_else(Vec::new, |it| it.windows());
        let windows = windows.into_iter().filter_map(|it| it.downcast().ok());
        windows
            .filter(|window: &Self| window != self && !window.is_closing())
            .filter(|window| window.service().as_ref() == Some(&service))
            .collect()
    }

    /// Whether the window is on its way out.
    pub fn is_closing(&self) -> bool {
        self.imp().closing.get() != Closing::No
    }

    /// Ends this window alone, while another one goes on with the library.
    pub(super) fn leave_to(&self, sibling: &Self) {
        // The window would close a dialog in its own place.
        while let Some(dialog) = self.visible_dialog() {
            dialog.force_close();
        }
        self.imp().closing.set(Closing::Done);
        self.leave_page();
        self.imp().startup_page.forget_this_time();
        sibling.remember_documents();
    }
}
