// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents in the library: found, pinned, put away, deleted, brought back.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::glib;
use reflection_doc::objects::Document;
use reflection_node::access::TopicId;

use super::{Window, imp};
use crate::library::display_title;

/// How long a deletion can be undone, in seconds.
const UNDO_S: u32 = 10;

/// Actions that need an open library.
pub(super) const ACTIONS: [&str; 6] = [
    "win.search",
    "win.pin-document",
    "win.unpin-document",
    "win.archive-document",
    "win.unarchive-document",
    "win.delete-document",
];

impl Window {
    pub(super) fn install_shelf_actions(klass: &mut <imp::Window as ObjectSubclass>::Class) {
        klass.install_action("win.search", None, |window: &Self, _, _| {
            window.imp().split_view.set_show_content(false);
            window.imp().library_page.focus_search();
        });
        let id = glib::VariantTy::STRING;
        for (action, is_pinned) in [("win.pin-document", true), ("win.unpin-document", false)] {
            klass.install_action_async(action, Some(id), move |window: Self, _, id| async move {
                window.pin(id.as_ref(), is_pinned).await;
            });
        }
        for (action, is_archived) in [
            ("win.archive-document", true),
            ("win.unarchive-document", false),
        ] {
            klass.install_action_async(action, Some(id), move |window: Self, _, id| async move {
                window.archive(id.as_ref(), is_archived).await;
            });
        }
        klass.install_action_async(
            "win.delete-document",
            Some(id),
            |window: Self, _, id| async move {
                if let Some(document) = window.document_by_id(id.as_ref()) {
                    window.delete_document(&document).await;
                }
            },
        );
    }

    async fn pin(&self, id: Option<&glib::Variant>, is_pinned: bool) {
        if let (Some(service), Some(document)) = (self.service(), self.document_by_id(id))
            && service.pin_document(&document, is_pinned).await.is_err()
        {
            self.show_toast(&gettext("The list could not be changed"));
        }
    }

    async fn archive(&self, id: Option<&glib::Variant>, is_archived: bool) {
        let (Some(service), Some(document)) = (self.service(), self.document_by_id(id)) else {
            return;
        };
        if service
            .archive_document(&document, is_archived)
            .await
            .is_err()
        {
            return self.show_toast(&gettext("The list could not be changed"));
        }
        if !is_archived {
            return;
        }
        let title = display_title(&document.title());
        let toast = undo_toast(&gettext("“{title}” archived").replace("{title}", &title));
        toast.set_action_name(Some("win.unarchive-document"));
        toast.set_action_target_value(Some(&document.id().to_variant()));
        self.imp().toasts.add_toast(toast);
    }

    /// Deletes a document, at first in a way that can be undone.
    async fn delete_document(&self, document: &Document) {
        let (Some(service), Some(topic)) = (self.service(), document.topic()) else {
            return;
        };
        let title = display_title(&document.title());
        let was_shown = self.shown_document().as_ref() == Some(document);
        if service.delete_document(document).await.is_err() {
            return self.show_toast(&gettext("The document could not be deleted"));
        }
        let toast = undo_toast(&gettext("“{title}” deleted").replace("{title}", &title));
        toast.set_timeout(UNDO_S);
        let is_kept = std::rc::Rc::new(std::cell::Cell::new(false));
        toast.connect_button_clicked(clone!(
            #[weak(rename_to = window)]
            self,
            #[strong]
            is_kept,
            move |_| {
                is_kept.set(true);
                window.bring_back(topic, was_shown);
            }
        ));
        toast.connect_dismissed(move |_| {
            if is_kept.get() {
                return;
            }
            let service = service.clone();
            glib::spawn_future_local(async move {
                // What cannot be deleted now is deleted at the next start.
                let _ = service.delete_for_good(&topic).await;
            });
        });
        self.imp().toasts.add_toast(toast);
    }

    fn bring_back(&self, topic: TopicId, is_to_be_shown: bool) {
        let window = self.clone();
        glib::spawn_future_local(async move {
            let Some(service) = window.service() else {
                return;
            };
            match service.bring_back(&topic).await {
                Ok(document) if is_to_be_shown => window.open_document(&document),
                Ok(_) => {}
                Err(_) => window.show_toast(&gettext("The document could not be brought back")),
            }
        });
    }
}

/// A toast whose text is text, whatever signs it has.
pub(super) fn toast(text: &str) -> adw::Toast {
    let toast = adw::Toast::new(text);
    toast.set_use_markup(false);
    toast
}

/// A toast that offers to take back what it tells of. It is seen at once: whoever wants that takes
/// back what they did last. The one that it takes the place of comes back after it.
pub fn undo_toast(text: &str) -> adw::Toast {
    let toast = toast(text);
    toast.set_button_label(Some(&gettext("Undo")));
    toast.set_priority(adw::ToastPriority::High);
    toast
}
