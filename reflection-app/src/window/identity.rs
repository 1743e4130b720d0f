// SPDX-License-Identifier: GPL-3.0-or-later
//! Going on as who one was on another computer, as long as nothing was written here.

use std::time::Duration;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;

use super::{Window, imp};
use crate::startup::choose_key;

/// How long taking leave of others may take.
const CLOSE_DEADLINE: Duration = Duration::from_millis(900);

/// Actions that need an open library.
pub(super) const ACTIONS: [&str; 1] = ["win.use-identity"];

impl Window {
    pub(super) fn install_identity_actions(klass: &mut <imp::Window as ObjectSubclass>::Class) {
        klass.install_action_async("win.use-identity", None, |window: Self, _, _| async move {
            window.use_identity().await;
        });
    }

    async fn use_identity(&self) {
        let chosen = choose_key(Some(self.upcast_ref())).await;
        let Some(service) = self.service() else {
            return;
        };
        // Documents were signed with the key that is in use.
        if service.documents().n_items() > 0 {
            return;
        }
        let imp = self.imp();
        match chosen {
            None => {}
            Some(Err(_)) => self.show_toast(&gettext("This file is not the backup of a key")),
            Some(Ok(key)) => {
                for sibling in self.siblings() {
                    sibling.close();
                }
                self.set_service_actions_enabled(false);
                imp.set_service(None);
                imp.stack.set_visible_child_name("startup");
                service.abandon(CLOSE_DEADLINE).await;
                drop(service);
                imp.startup_page.start_over(key);
            }
        }
    }
}
