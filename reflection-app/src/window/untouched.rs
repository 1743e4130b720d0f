// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents that were made and never written in go when they are left.

use adw::subclass::prelude::*;
use gtk::glib;
use reflection_doc::objects::Document;

use super::Window;
use super::closing::Closing;

impl Window {
    /// Lets go of a document that is shown here no longer, if nobody would miss it. While the
    /// library is being closed that is left to the next start.
    pub(super) fn forget_untouched(&self, document: Document) {
        let Some(service) = self.service() else {
            return;
        };
        if document.chars() > 0 || self.imp().closing.get() == Closing::Saving {
            return;
        }
        glib::spawn_future_local(async move {
            // What cannot be deleted now is deleted at the next start.
            let _ = service.forget_untouched(&document).await;
        });
    }
}
