// SPDX-License-Identifier: GPL-3.0-or-later
//! The end of a window: what was typed goes to the disk before the program goes with the last one.

use std::time::Duration;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use gtk::glib;
use reflection_doc::objects::Service;

use super::Window;

/// How long saving and taking leave of others may take.
const CLOSE_DEADLINE: Duration = Duration::from_millis(900);

/// How long it may take to note where the caret is.
const PLACE_DEADLINE: Duration = Duration::from_millis(200);

/// How far a window is with closing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closing {
    /// It is in use.
    #[default]
    No,
    /// Everything is being saved.
    Saving,
    /// Nothing is left to do.
    Done,
}

impl Window {
    /// Whether nothing is left to do before the window goes. Otherwise begins with it; then the
    /// window closes itself.
    pub(super) fn may_close(&self) -> bool {
        let closing = &self.imp().closing;
        if let (Closing::No, Some(sibling)) = (closing.get(), self.siblings().first()) {
            self.leave_to(sibling);
        }
        match (closing.get(), self.service()) {
            (Closing::Done, _) | (Closing::No, None) => true,
            (Closing::Saving, _) => false,
            (Closing::No, Some(service)) => {
                closing.set(Closing::Saving);
                let window = self.clone();
                // Keeps the program alive though its window is no longer seen.
                let hold = self.application().map(|application| application.hold());
                glib::spawn_future_local(async move {
                    window.close_service(&service).await;
                    drop(hold);
                });
                false
            }
        }
    }

    async fn close_service(&self, service: &Service) {
        self.set_visible(false);
        self.keep_place().await;
        if service.close(CLOSE_DEADLINE).await.is_err() {
            self.set_visible(true);
            self.present();
            if !self.confirm_loss().await {
                self.imp().closing.set(Closing::No);
                return;
            }
            self.set_visible(false);
            service.abandon(CLOSE_DEADLINE).await;
        }
        self.leave_page();
        self.imp().startup_page.forget_this_time();
        self.imp().closing.set(Closing::Done);
        self.destroy();
    }

    /// Where the caret is goes to the disk while there is still somebody who writes it.
    async fn keep_place(&self) {
        let page = self.imp().page.borrow().clone();
        if let Some(page) = page {
            // A disk that hangs does not keep the window from closing.
            let _ = glib::future_with_timeout(PLACE_DEADLINE, page.place_kept()).await;
        }
    }

    async fn confirm_loss(&self) -> bool {
        let dialog = adw::AlertDialog::new(
            Some(&gettext("Changes Are Not Saved")),
            Some(&gettext(
                "The last changes could not be written to the disk. Closing now loses them.",
            )),
        );
        dialog.add_responses(&[
            ("cancel", &gettext("_Cancel")),
            ("close", &gettext("Close _Anyway")),
        ]);
        dialog.set_response_appearance("close", adw::ResponseAppearance::Destructive);
        dialog.set_default_response(Some("cancel"));
        dialog.set_close_response("cancel");
        dialog.choose_future(Some(self)).await == "close"
    }
}
