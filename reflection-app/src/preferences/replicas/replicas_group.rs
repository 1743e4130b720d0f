// SPDX-License-Identifier: GPL-3.0-or-later
//! The preferences' group of replicas: which there are, how far they are, another one, one less.

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::{gettext, ngettext};
use glib::clone;
use gtk::glib;
use reflection_doc::objects::{Replica, Service};

use super::ReplicaDialog;
use crate::library::when;

/// How often the group looks again while it is seen.
const REFRESH_EVERY: Duration = Duration::from_secs(2);
/// How many letters of its id a replica without a name is told by.
const SHORT_ID_CHARS: usize = 8;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct ReplicasGroup {
        pub(super) service: OnceCell<Service>,
        pub(super) add_row: adw::ButtonRow,
        /// What is shown, and in which rows.
        pub(super) shown: RefCell<Vec<(Replica, adw::ActionRow)>>,
        pub(super) looking: RefCell<Option<glib::JoinHandle<()>>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ReplicasGroup {
        const NAME: &'static str = "ReflectionReplicasGroup";
        type Type = super::ReplicasGroup;
        type ParentType = adw::PreferencesGroup;
    }

    impl ObjectImpl for ReplicasGroup {
        fn constructed(&self) {
            self.parent_constructed();
            let group = self.obj();
            self.add_row.set_title(&gettext("Add a Replica…"));
            self.add_row.connect_activated(clone!(
                #[weak]
                group,
                move |_| group.ask_for_ticket()
            ));
            group.add(&self.add_row);
        }

        fn dispose(&self) {
            self.end_looking();
        }
    }

    impl ReplicasGroup {
        fn end_looking(&self) {
            if let Some(looking) = self.looking.take() {
                looking.abort();
            }
        }
    }

    impl WidgetImpl for ReplicasGroup {
        fn map(&self) {
            self.parent_map();
            let group = self.obj().downgrade();
            let looking = glib::spawn_future_local(async move {
                while let Some(group) = group.upgrade() {
                    group.refresh().await;
                    drop(group);
                    glib::timeout_future(REFRESH_EVERY).await;
                }
            });
            self.looking.replace(Some(looking));
        }

        fn unmap(&self) {
            self.end_looking();
            self.parent_unmap();
        }
    }

    impl PreferencesGroupImpl for ReplicasGroup {}
}

glib::wrapper! {
    /// The replicas of a library.
    pub struct ReplicasGroup(ObjectSubclass<imp::ReplicasGroup>)
        @extends adw::PreferencesGroup, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl ReplicasGroup {
    /// Shows the replicas of this library.
    pub fn set_service(&self, service: &Service) {
        // Set once, by the dialog that the group is in.
        let _ = self.imp().service.set(service.clone());
    }

    async fn refresh(&self) {
        let Some(service) = self.imp().service.get() else {
            return;
        };
        // What cannot be read now stays as it was.
        if let Ok(replicas) = service.replicas().await {
            self.show(replicas);
        }
    }

    fn refresh_now(&self) {
        let group = self.clone();
        glib::spawn_future_local(async move { group.refresh().await });
    }

    fn show(&self, replicas: Vec<Replica>) {
        let imp = self.imp();
        let mut shown = imp.shown.borrow_mut();
        // Other words in the same rows: the keyboard and a screen reader stay where they are.
        let has_same_rows = shown.len() == replicas.len()
            && shown
                .iter()
                .zip(&replicas)
                .all(|((before, _), now)| before.id == now.id && before.name == now.name);
        if has_same_rows {
            for ((before, row), now) in shown.iter_mut().zip(replicas) {
                if *before != now {
                    row.set_subtitle(&standing(&now));
                    *before = now;
                }
            }
            return;
        }
        for (_, row) in shown.drain(..) {
            self.remove(&row);
        }
        // The row that adds another one stays the last.
        self.remove(&imp.add_row);
        for replica in replicas {
            let row = self.row(&replica);
            self.add(&row);
            shown.push((replica, row));
        }
        self.add(&imp.add_row);
    }

    fn row(&self, replica: &Replica) -> adw::ActionRow {
        let name = display_name(replica);
        let row = adw::ActionRow::builder()
            .title(&name)
            .subtitle(standing(replica))
            .use_markup(false)
            .build();
        let words = gettext("Remove {name}…").replace("{name}", &name);
        let button = gtk::Button::builder()
            .icon_name("user-trash-symbolic")
            .tooltip_text(&words)
            .valign(gtk::Align::Center)
            .css_classes(["flat"])
            .build();
        button.update_property(&[gtk::accessible::Property::Label(&words)]);
        let replica = replica.clone();
        button.connect_clicked(clone!(
            #[weak(rename_to = group)]
            self,
            move |_| {
                let replica = replica.clone();
                glib::spawn_future_local(async move { group.remove_replica(&replica).await });
            }
        ));
        row.add_suffix(&button);
        row
    }

    fn ask_for_ticket(&self) {
        let Some(service) = self.imp().service.get() else {
            return;
        };
        let dialog = ReplicaDialog::new(service);
        dialog.connect_added(clone!(
            #[weak(rename_to = group)]
            self,
            move |_| group.refresh_now()
        ));
        dialog.present(Some(self));
    }

    async fn remove_replica(&self, replica: &Replica) {
        let Some(service) = self.imp().service.get() else {
            return;
        };
        let question = adw::AlertDialog::new(
            Some(&gettext("Remove {name}?").replace("{name}", &display_name(replica))),
            Some(&gettext(
                "The copies that the replica keeps for this device are dropped. To have documents kept there again, its ticket is needed.",
            )),
        );
        question.add_responses(&[
            ("cancel", &gettext("_Cancel")),
            ("remove", &gettext("_Remove")),
        ]);
        question.set_response_appearance("remove", adw::ResponseAppearance::Destructive);
        question.set_default_response(Some("cancel"));
        question.set_close_response("cancel");
        if question.choose_future(Some(self)).await != "remove" {
            return;
        }
        let removed = service.remove_replica(&replica.id).await;
        self.refresh().await;
        let words = if removed.is_ok() {
            gettext("The replica drops its copies when it is reached next")
        } else {
            gettext("The replica could not be removed")
        };
        let dialog = self.ancestor(adw::PreferencesDialog::static_type());
        if let Some(dialog) = dialog.and_downcast::<adw::PreferencesDialog>() {
            dialog.add_toast(adw::Toast::new(&words));
        }
        self.imp().add_row.grab_focus();
    }
}

/// What a replica is called.
fn display_name(replica: &Replica) -> String {
    if !replica.name.is_empty() {
        return replica.name.clone();
    }
    let id: String = replica
        .id
        .to_string()
        .chars()
        .take(SHORT_ID_CHARS)
        .collect();
    // Translators: a replica without a name, told by the beginning of its id.
    gettext("Replica {id}").replace("{id}", &id)
}

/// What a replica is to keep, how far it is with that, and when it was seen.
fn standing(replica: &Replica) -> String {
    let count = |words: &str| {
        words
            .replace("{complete}", &replica.complete.to_string())
            .replace("{count}", &replica.documents.to_string())
    };
    let kept = if replica.is_library {
        gettext("All documents, and those that come later")
    } else {
        count(&ngettext(
            "{count} document",
            "{count} documents",
            replica.documents,
        ))
    };
    let progress = if replica.has_trouble {
        gettext("Takes nothing at present: it may be full, or not know the ticket any more")
    } else if replica.contact_us == 0 {
        gettext("Has not been reached yet")
    } else if replica.complete == replica.documents {
        gettext("Everything is kept there")
    } else {
        // Translators: how many documents are kept by a replica with everything that was written.
        count(&ngettext(
            "{complete} of {count} is complete there",
            "{complete} of {count} are complete there",
            replica.documents,
        ))
    };
    let mut lines = vec![kept, progress];
    if replica.contact_us > 0 {
        lines.push(gettext("Last seen: {time}").replace("{time}", &when(replica.contact_us)));
    }
    lines.join("\n")
}
