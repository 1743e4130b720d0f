// SPDX-License-Identifier: GPL-3.0-or-later
//! What can be done in the preview: boxes are ticked, which is an edit like any other, and edits are
//! taken back by the keys that do so in the text.

use adw::subclass::prelude::*;
use glib::clone;
use gtk::prelude::*;
use gtk::{gdk, glib};

use super::DocumentPage;
use crate::page::writing::reversal;

impl DocumentPage {
    pub(super) fn follow_preview(&self) {
        let preview = &*self.imp().preview_view;
        preview.connect_ticked(clone!(
            #[weak(rename_to = page)]
            self,
            move |_, at| page.imp().text_view.tick_at(at)
        ));
        let keys = gtk::EventControllerKey::new();
        keys.set_propagation_phase(gtk::PropagationPhase::Capture);
        keys.connect_key_pressed(clone!(
            #[weak(rename_to = page)]
            self,
            #[upgrade_or]
            glib::Propagation::Proceed,
            move |_, key, _, modifiers| page.preview_key_pressed(key, modifiers)
        ));
        preview.add_controller(keys);
    }

    fn preview_key_pressed(
        &self,
        key: gdk::Key,
        modifiers: gdk::ModifierType,
    ) -> glib::Propagation {
        match reversal(key, modifiers) {
            Some(act) if self.imp().text_view.reverse(act) => glib::Propagation::Stop,
            _ => glib::Propagation::Proceed,
        }
    }
}
