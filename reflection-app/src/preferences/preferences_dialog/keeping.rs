// SPDX-License-Identifier: GPL-3.0-or-later
//! The preferences' group about what is kept on this device: the key and the documents.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::{gettext, ngettext};
use glib::clone;
use gtk::glib;
use reflection_doc::objects::Service;

use super::PreferencesDialog;
use crate::components::file_chooser;

/// What the backup of a key is called unless somebody has a better idea.
const BACKUP_NAME: &str = "reflection.key";

impl PreferencesDialog {
    pub(super) fn bind_keeping(&self, service: &Service) {
        let imp = self.imp();
        let count = service.documents().n_items();
        imp.documents_row.set_subtitle(&count.to_string());
        imp.backup_row.connect_activated(clone!(
            #[weak(rename_to = dialog)]
            self,
            #[weak]
            service,
            move |_| {
                glib::spawn_future_local(async move { dialog.back_up(&service).await });
            }
        ));
        imp.tidy_row.connect_activated(clone!(
            #[weak(rename_to = dialog)]
            self,
            #[weak]
            service,
            move |row| {
                row.set_sensitive(false);
                let row = row.clone();
                glib::spawn_future_local(async move {
                    dialog.tidy_up(&service).await;
                    row.set_sensitive(true);
                });
            }
        ));
        let (dialog, service) = (self.downgrade(), service.clone());
        glib::spawn_future_local(async move {
            if let Some(dialog) = dialog.upgrade() {
                dialog.show_size(&service).await;
            }
        });
    }

    async fn show_size(&self, service: &Service) {
        if let Ok(storage) = service.storage().await {
            let bytes = storage.database_bytes + storage.log_bytes;
            self.imp().size_row.set_subtitle(&glib::format_size(bytes));
        }
    }

    async fn tidy_up(&self, service: &Service) {
        let words = match service.tidy_up().await {
            Ok(tidied) if tidied.faults == 0 => {
                gettext("Everything is sound, and unused space was given back")
            }
            Ok(tidied) => ngettext(
                "{count} fault found, {mended} mended",
                "{count} faults found, {mended} mended",
                u32::try_from(tidied.faults).unwrap_or(u32::MAX),
            )
            .replace("{count}", &tidied.faults.to_string())
            .replace("{mended}", &tidied.mended.to_string()),
            Err(_) => gettext("The documents could not be checked"),
        };
        self.show_size(service).await;
        self.add_toast(adw::Toast::new(&words));
    }

    /// Warns, asks for a place, and writes the key there.
    async fn back_up(&self, service: &Service) {
        let warning = adw::AlertDialog::new(
            Some(&gettext("Back Up the Key?")),
            Some(&gettext(
                "Whoever has this file can write in the name of this device. Keep it where nobody else can read it. It is for replacing this computer, not for using two at once.",
            )),
        );
        warning.add_responses(&[
            ("cancel", &gettext("_Cancel")),
            ("choose", &gettext("Choose a _Place…")),
        ]);
        warning.set_default_response(Some("cancel"));
        warning.set_close_response("cancel");
        if warning.choose_future(Some(self)).await != "choose" {
            return;
        }
        let chooser = gtk::FileDialog::builder()
            .title(gettext("Back Up the Key"))
            .initial_name(BACKUP_NAME)
            .build();
        let window = self.root().and_downcast::<gtk::Window>();
        let Some(file) = file_chooser::save(&chooser, window.as_ref()).await else {
            return;
        };
        let written = match file.path() {
            Some(path) => service.back_up_key(&path).await.is_ok(),
            None => false,
        };
        let words = if written {
            gettext("The key was written to the file")
        } else {
            gettext("The file could not be written")
        };
        self.add_toast(adw::Toast::new(&words));
    }
}
