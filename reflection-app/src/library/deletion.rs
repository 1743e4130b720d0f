// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking before a document goes, which cannot be undone.

use adw::prelude::*;
use gettextrs::gettext;
use reflection_doc::objects::Document;

use super::display_title;

/// Asks whether to delete a document from this device. Whether to do so.
pub async fn confirm_deletion(parent: &impl IsA<gtk::Widget>, document: &Document) -> bool {
    let heading =
        gettext("Delete “{title}”?").replace("{title}", &display_title(&document.title()));
    let body = if document.authors().n_items() > 1 {
        gettext(
            "It is removed from this device. The others keep it, and with the code it can be joined again.",
        )
    } else {
        gettext("Nobody else has been seen with this document. Deleting it cannot be undone.")
    };
    let dialog = adw::AlertDialog::new(Some(&heading), Some(&body));
    dialog.add_responses(&[
        ("cancel", &gettext("_Cancel")),
        ("delete", &gettext("_Delete")),
    ]);
    dialog.set_response_appearance("delete", adw::ResponseAppearance::Destructive);
    dialog.set_default_response(Some("cancel"));
    dialog.set_close_response("cancel");
    dialog.choose_future(Some(parent)).await == "delete"
}
