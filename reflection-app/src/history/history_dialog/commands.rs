// SPDX-License-Identifier: GPL-3.0-or-later
//! What can be done with a version: bringing it back, naming it, taking its text elsewhere.
//!
//! Nothing can be done with a version whose text is not there yet.

use std::time::Duration;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::{gio, glib};
use reflection_doc::engine::Version;

use super::HistoryDialog;
use crate::components::file_chooser;
use crate::library::display_title;

/// How long after a change of the document it is looked at again what can be done.
const LOOK_DELAY: Duration = Duration::from_millis(200);

impl HistoryDialog {
    pub(super) fn add_actions(&self) {
        let imp = self.imp();
        let action = |name: &str, act: fn(&Self)| {
            gio::ActionEntry::builder(name)
                .activate(clone!(
                    #[weak(rename_to = dialog)]
                    self,
                    move |_: &gio::SimpleActionGroup, _, _| act(&dialog)
                ))
                .build()
        };
        let changes = gio::ActionEntry::builder("show-changes")
            .state(true.to_variant())
            .change_state(clone!(
                #[weak(rename_to = dialog)]
                self,
                move |_: &gio::SimpleActionGroup, action, state| {
                    let Some(is_on) = state.and_then(glib::Variant::get::<bool>) else {
                        return;
                    };
                    action.set_state(&is_on.to_variant());
                    dialog.imp().shows_changes.set(is_on);
                    dialog.show_version();
                }
            ))
            .build();
        imp.actions.add_action_entries([
            changes,
            action("restore", Self::restore),
            action("name", Self::ask_for_name),
            action("copy", Self::copy),
            action("save", Self::save),
        ]);
        self.insert_action_group("history", Some(&imp.actions));
    }

    fn set_enabled(&self, name: &str, is_enabled: bool) {
        let action = self.imp().actions.lookup_action(name);
        if let Some(action) = action.and_downcast::<gio::SimpleAction>() {
            action.set_enabled(is_enabled);
        }
    }

    /// Offers what can be done with what is shown: not to bring back what is there anyway.
    pub(super) fn show_possible(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let text = self.imp().text.borrow();
        let is_other = text.as_ref().is_some_and(|text| *text != document.text());
        self.set_enabled("restore", is_other && !document.is_read_only());
        self.set_enabled("name", text.is_some() && !document.is_read_only());
        self.set_enabled("copy", text.is_some());
        self.set_enabled("save", text.is_some());
    }

    /// Shows it a little later: who writes meanwhile makes many changes, and each look is at the whole
    /// text.
    pub(super) fn show_possible_soon(&self) {
        if self.imp().is_stale.replace(true) {
            return;
        }
        let dialog = self.downgrade();
        glib::timeout_add_local_once(LOOK_DELAY, move || {
            if let Some(dialog) = dialog.upgrade() {
                dialog.imp().is_stale.set(false);
                dialog.show_possible();
            }
        });
    }

    fn say(&self, text: &str) {
        self.imp().toasts.add_toast(adw::Toast::new(text));
    }

    /// Ends the dialog: undo takes the restoring back like any other edit.
    fn restore(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let Some(text) = self.imp().text.borrow().clone() else {
            return;
        };
        if document.restore_text(&text).is_ok() {
            self.close();
            self.emit_by_name::<()>("restored", &[]);
        } else {
            self.say(&gettext("The version could not be restored"));
        }
    }

    fn copy(&self) {
        if let Some(text) = &*self.imp().text.borrow() {
            self.clipboard().set_text(text);
            self.say(&gettext("Text Copied"));
        }
    }

    fn save(&self) {
        let text = self.imp().text.borrow().clone();
        let (Some(document), Some(text)) = (self.document(), text) else {
            return;
        };
        let title = display_title(&document.title()).replace('/', "-");
        let files = gtk::FileDialog::builder()
            .initial_name(format!("{title}.md"))
            .build();
        let dialog = self.clone();
        let parent = self.root().and_downcast::<gtk::Window>();
        glib::spawn_future_local(async move {
            // Whoever cancels wants nothing saved.
            let Some(file) = file_chooser::save(&files, parent.as_ref()).await else {
                return;
            };
            let written = file.replace_contents_future(
                text.into_bytes(),
                None,
                false,
                gio::FileCreateFlags::REPLACE_DESTINATION,
            );
            match written.await {
                Ok(_) => dialog.say(&gettext("Copy Saved")),
                Err(_) => dialog.say(&gettext("The copy could not be saved")),
            }
        });
    }

    fn ask_for_name(&self) {
        let question = adw::AlertDialog::new(
            Some(&gettext("Name This Version")),
            Some(&gettext("Everybody in the document sees the name.")),
        );
        let entry = adw::EntryRow::builder()
            .title(gettext("Name"))
            .activates_default(true)
            .build();
        let list = gtk::ListBox::builder()
            .selection_mode(gtk::SelectionMode::None)
            .css_classes(["boxed-list"])
            .build();
        list.append(&entry);
        question.set_extra_child(Some(&list));
        question.add_responses(&[("cancel", &gettext("_Cancel")), ("name", &gettext("_Name"))]);
        question.set_response_appearance("name", adw::ResponseAppearance::Suggested);
        question.set_default_response(Some("name"));
        question.set_close_response("cancel");
        question.set_response_enabled("name", false);
        entry.connect_changed(clone!(
            #[weak]
            question,
            move |entry| question.set_response_enabled("name", !entry.text().trim().is_empty())
        ));
        // The one that is shown when the name is asked for, whatever is shown by the time it comes.
        let version = self.shown_version();
        AdwDialogExt::set_focus(&question, Some(&entry));
        let dialog = self.clone();
        glib::spawn_future_local(async move {
            let answer = question.choose_future(Some(&dialog)).await;
            if let ("name", Some(version)) = (answer.as_str(), version) {
                dialog.name(version, &entry.text());
            }
        });
    }

    fn shown_version(&self) -> Option<Version> {
        let versions = self.imp().versions.borrow();
        let shown = versions.get(self.imp().shown.get());
        shown.map(|shown| shown.version.clone())
    }

    fn name(&self, version: Version, name: &str) {
        let is_named = self
            .document()
            .is_some_and(|document| document.name_version(&version, name));
        if is_named {
            self.load(Some(version));
        } else {
            self.say(&gettext("The version could not be named"));
        }
    }
}
