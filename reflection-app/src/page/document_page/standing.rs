// SPDX-License-Identifier: GPL-3.0-or-later
//! How things stand, in a few words below the title and in a banner.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use gtk::glib;
use reflection_doc::objects::{DocumentPhase, SaveState, Trouble};

use super::{DocumentPage, SAVED_DELAY};
use crate::components::banner;
use crate::page::state::Facts;

impl DocumentPage {
    /// Says how things stand. “Saved” appears late rather than early.
    pub(super) fn show_state(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let imp = self.imp();
        if let Some(source) = imp.saved.take() {
            source.remove();
        }
        let state = document.save_state();
        if state == SaveState::Saved && imp.said_state.get() != SaveState::Saved {
            let page = self.downgrade();
            let source = glib::timeout_add_local_once(SAVED_DELAY, move || {
                if let Some(page) = page.upgrade() {
                    page.imp().saved.take();
                    page.imp().said_state.set(SaveState::Saved);
                    page.say_state();
                }
            });
            imp.saved.replace(Some(source));
        } else {
            imp.said_state.set(state);
        }
        self.say_state();
        self.show_banner();
    }

    pub(super) fn say_state(&self) {
        let (Some(document), Some(service)) = (self.document(), self.imp().service.get()) else {
            return;
        };
        let imp = self.imp();
        let state = Facts {
            save_state: imp.said_state.get(),
            trouble: document.trouble(),
            is_waiting: document.is_waiting(),
            people_here: document.people_here(),
            devices_connected: document.devices_connected(),
            people: document.authors().n_items().saturating_sub(1),
            is_offline: service.is_offline(),
        }
        .state();
        imp.window_title.set_subtitle(&state.label);
        imp.window_title.set_tooltip_text(Some(&state.explanation));
        if document.save_state() == SaveState::Failing {
            imp.window_title.add_css_class("state-trouble");
        } else {
            imp.window_title.remove_css_class("state-trouble");
        }
    }

    /// Lasting states that concern what one is doing.
    pub(super) fn show_banner(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let text = match document.trouble() {
            Trouble::DiskFull => Some(gettext(
                "The disk is full. What you write is saved as soon as there is free space again.",
            )),
            Trouble::NotSaved => Some(gettext(
                "Changes cannot be written to the disk. Reflection goes on trying.",
            )),
            Trouble::NotLoaded if document.has_cached_text() => Some(gettext(
                "The document cannot be read, so what you wrote is not saved",
            )),
            Trouble::NotShown => Some(gettext("What others write cannot be shown")),
            _ if self.is_offline() => Some(gettext(
                "You are offline: what you write reaches the others later",
            )),
            _ if document.is_read_only() && document.phase() == DocumentPhase::Open => {
                Some(gettext("This document can only be read here"))
            }
            _ => None,
        };
        let banner = &self.imp().banner;
        let button = match document.trouble() {
            Trouble::NotLoaded => Some(gettext("_Try Again")),
            Trouble::Nothing if self.is_offline() => Some(gettext("Go _Online…")),
            _ => None,
        };
        banner.set_button_label(button.as_deref());
        if let Some(text) = &text {
            banner.set_title(text);
        }
        banner::reveal(banner, text.is_some());
    }

    /// Does what the button of the banner says.
    pub(super) fn act_on_banner(&self) {
        let Some(document) = self.document() else {
            return;
        };
        if document.trouble() == Trouble::NotLoaded {
            document.reopen();
        } else if self.is_offline() {
            // How far to reach is for a person to say. The window has the action.
            let _ = self.activate_action("win.network-preferences", None);
        }
    }

    fn is_offline(&self) -> bool {
        let service = self.imp().service.get();
        service.is_some_and(reflection_doc::objects::Service::is_offline)
    }
}
