// SPDX-License-Identifier: GPL-3.0-or-later
//! Telling of changes in documents that nobody looks at, if that is wanted: those that are not shown,
//! and those that are, while their windows are in the background.
//!
//! Invariants: one notification per document, until somebody looks at it; none of what people
//! wrote is in it but the title.

use std::time::Duration;

use adw::prelude::*;
use gettextrs::gettext;
use gtk::{gio, glib};
use reflection_doc::objects::{Document, Service};

use crate::application::Application;
use crate::library::display_title;
use crate::people::display_name;
use crate::preferences::settings;
use crate::window::Window;

/// How long changes in the document that is shown are collected before they are told of.
const AWAY_DELAY: Duration = Duration::from_millis(500);

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

/// Tells of a change in a document that is shown, unless somebody looks at it.
pub fn shown_changed(application: &Application, document: &Document) {
    if application.is_looked_at(document) || !settings().boolean("notify") {
        return;
    }
    let (application, document) = (application.clone(), document.clone());
    // Who wrote it is known a moment later than what.
    glib::timeout_add_local_once(AWAY_DELAY, move || {
        let is_muted = document
            .last_writer()
            .is_some_and(|author| author.is_muted());
        if !is_muted && !application.is_looked_at(&document) {
            let id = notification_id(&document);
            application.send_notification(Some(&id), &notification(&document));
        }
    });
}

/// Somebody looks at the document.
pub fn looked_at(window: &Window, document: &Document) {
    if let Some(application) = window.application() {
        application.withdraw_notification(&notification_id(document));
    }
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
