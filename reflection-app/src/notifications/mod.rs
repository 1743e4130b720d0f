// SPDX-License-Identifier: GPL-3.0-or-later
//! Telling of changes in documents that nobody looks at, if that is wanted.
//!
//! Invariants: one notification per document, until somebody looks at it; none of what people
//! wrote is in it but the title.

use adw::prelude::*;
use gettextrs::gettext;
use gtk::{gio, glib};
use reflection_doc::objects::{Document, Service};

use crate::application::Application;
use crate::library::display_title;
use crate::people::display_name;
use crate::preferences::settings;

/// Tells of changes in the documents of a library from now on.
pub fn follow(application: &Application, service: &Service) {
    service.documents().connect_unread_changed(glib::clone!(
        #[weak]
        application,
        move |_, document| {
            let id = notification_id(&document);
            if !document.is_unread() {
                application.withdraw_notification(&id);
            } else if settings().boolean("notify") {
                application.send_notification(Some(&id), &notification(&document));
            }
        }
    ));
}

fn notification_id(document: &Document) -> String {
    format!("document-{}", document.id())
}

fn notification(document: &Document) -> gio::Notification {
    let notification = gio::Notification::new(&display_title(&document.title()));
    let body = match document.last_writer() {
        Some(author) => gettext("{name} wrote in it").replace("{name}", &display_name(&author)),
        None => gettext("Somebody wrote in it"),
    };
    notification.set_body(Some(&body));
    notification.set_default_action_and_target_value(
        "app.open-document",
        Some(&document.id().to_variant()),
    );
    notification
}
