// SPDX-License-Identifier: GPL-3.0-or-later
//! The others on the page: where they are, and who wrote what.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::{gettext, ngettext};
use glib::clone;
use gtk::glib;

use super::{AUTHORSHIP_DELAY, DocumentPage};
use crate::application::Application;
use crate::notifications;
use crate::page::remote_cursors::RemoteCursor;
use crate::people::display_name;
use crate::window::Window;

impl DocumentPage {
    /// Shows where the others are, as they have just said.
    pub(super) fn show_people(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let people = document.authors();
        let cursors = document.remote_places().into_iter().filter_map(|place| {
            let author = people.get(&place.author)?;
            Some(RemoteCursor { place, author })
        });
        let view = &self.imp().text_view;
        view.remote_cursors().set(view, cursors.collect());
        self.imp().authorship.colour(&document);
    }

    /// Moves the others' places with the text.
    pub(super) fn follow_people(&self) {
        if let Some(document) = self.document() {
            let view = &self.imp().text_view;
            view.remote_cursors()
                .follow(view, &document.remote_places());
        }
    }

    /// Marks who wrote what, once for all changes of a short while.
    pub(super) fn mark_authors_soon(&self) {
        let imp = self.imp();
        if imp.marking.borrow().is_some() || imp.is_left.get() {
            return;
        }
        let page = self.downgrade();
        let source = glib::timeout_add_local_once(AUTHORSHIP_DELAY, move || {
            if let Some(page) = page.upgrade() {
                page.imp().marking.take();
                page.mark_authors();
            }
        });
        imp.marking.replace(Some(source));
    }

    pub(super) fn mark_authors(&self) {
        let imp = self.imp();
        let buffer = imp.text_view.text_buffer();
        match self.document() {
            Some(document) if self.shows_authors() && buffer.is_attached() => {
                imp.authorship.show(buffer, &document);
            }
            _ => imp.authorship.hide(buffer),
        }
    }

    /// Names the author of what is under the pointer while colours show who wrote what: not
    /// everybody can tell them apart.
    pub(super) fn name_authors(&self) {
        let view = &self.imp().text_view;
        view.set_has_tooltip(true);
        view.connect_query_tooltip(clone!(
            #[weak(rename_to = page)]
            self,
            #[upgrade_or]
            false,
            move |view, x, y, is_by_keys, tooltip| {
                let buffer = view.text_buffer();
                let place = if is_by_keys {
                    Some(buffer.iter_at_mark(&buffer.get_insert()))
                } else {
                    let kind = gtk::TextWindowType::Widget;
                    let (x, y) = view.window_to_buffer_coords(kind, x, y);
                    view.iter_at_location(x, y)
                };
                let name = place.and_then(|place| page.author_name(&place));
                tooltip.set_text(name.as_deref());
                name.is_some()
            }
        ));
    }

    fn author_name(&self, place: &gtk::TextIter) -> Option<String> {
        let author = self.imp().authorship.author_at(place)?;
        let author = self.document()?.authors().get(&author)?;
        Some(display_name(&author))
    }

    /// Gives the marks the colours of people who became known, and follows what these choose.
    pub(super) fn follow_colours(&self) {
        let Some(document) = self.document() else {
            return;
        };
        for author in document.authors().to_vec() {
            if self.imp().coloured.borrow().contains(&author) {
                continue;
            }
            self.imp().coloured.borrow_mut().push(author.clone());
            let handler = author.connect_colour_notify(clone!(
                #[weak(rename_to = page)]
                self,
                move |_| page.show_colours()
            ));
            self.keep(author.upcast_ref(), handler);
        }
        self.show_colours();
    }

    fn show_colours(&self) {
        if let Some(document) = self.document() {
            self.imp().authorship.colour(&document);
        }
    }

    /// Whoever has another window before them hears of changes by a notification.
    pub(super) fn tell_who_is_away(&self) {
        let window = self.root().and_downcast::<Window>();
        let application = window.and_then(|window| window.application());
        let application = application.and_downcast::<Application>();
        if let (Some(application), Some(document)) = (application, self.document()) {
            notifications::shown_changed(&application, &document);
        }
    }

    /// Who cannot see the pictures in the header hears who comes and goes.
    pub(super) fn announce_people(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let count = document.people_here();
        let words = if count == 0 {
            gettext("Nobody else is here")
        } else {
            ngettext("With {count} person", "With {count} people", count)
                .replace("{count}", &count.to_string())
        };
        self.announce(&words, gtk::AccessibleAnnouncementPriority::Low);
    }
}
