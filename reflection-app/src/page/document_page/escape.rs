// SPDX-License-Identifier: GPL-3.0-or-later
//! What Escape leaves: the bar for finding, and the preview.

use adw::prelude::*;
use adw::subclass::prelude::*;
use glib::clone;
use gtk::{gdk, glib};

use super::DocumentPage;

impl DocumentPage {
    /// After whatever has the keyboard had no use for it: an open menu closes first.
    pub(super) fn leave_by_escape(&self) {
        let keys = gtk::EventControllerKey::new();
        keys.connect_key_pressed(clone!(
            #[weak(rename_to = page)]
            self,
            #[upgrade_or]
            glib::Propagation::Proceed,
            move |_, key, _, _| {
                if key == gdk::Key::Escape && page.leave_what_is_open() {
                    glib::Propagation::Stop
                } else {
                    glib::Propagation::Proceed
                }
            }
        ));
        self.add_controller(keys);
    }

    /// Closes the bar for finding, or else the preview. `false` if neither is there.
    fn leave_what_is_open(&self) -> bool {
        let find_bar = &self.imp().find_bar;
        let is_finding = find_bar.is_shown();
        if is_finding {
            find_bar.close();
        } else if self.is_previewing() {
            self.set_is_previewing(false);
        } else {
            return false;
        }
        true
    }
}
