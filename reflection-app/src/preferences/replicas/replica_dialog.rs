// SPDX-License-Identifier: GPL-3.0-or-later
//! Making a replica known by the ticket that it gave out.

use std::cell::{Cell, OnceCell};
use std::sync::LazyLock;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use glib::subclass::Signal;
use gtk::{CompositeTemplate, TemplateChild, glib};
use reflection_doc::objects::{Service, ServiceError};
use reflection_node::ReplicaError;
use reflection_node::replication::{Ticket, TicketError};

/// Longest name, in characters.
const NAME_CHARS_MAX: i32 = 40;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(file = "src/preferences/replicas/replica_dialog.blp")]
    pub struct ReplicaDialog {
        #[template_child]
        pub(super) ticket_row: TemplateChild<adw::EntryRow>,
        #[template_child]
        pub(super) name_row: TemplateChild<adw::EntryRow>,
        #[template_child]
        pub(super) problem: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) add_button: TemplateChild<gtk::Button>,
        pub(super) service: OnceCell<Service>,
        pub(super) is_adding: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ReplicaDialog {
        const NAME: &'static str = "ReflectionReplicaDialog";
        type Type = super::ReplicaDialog;
        type ParentType = adw::Dialog;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for ReplicaDialog {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> =
                LazyLock::new(|| vec![Signal::builder("added").build()]);
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            let dialog = self.obj();
            self.name_row.set_max_length(NAME_CHARS_MAX);
            self.ticket_row.connect_changed(clone!(
                #[weak]
                dialog,
                move |_| dialog.ticket_was_changed()
            ));
            self.add_button.connect_clicked(clone!(
                #[weak]
                dialog,
                move |_| dialog.add()
            ));
        }
    }

    impl WidgetImpl for ReplicaDialog {
        fn map(&self) {
            self.parent_map();
            self.obj().take_ticket_from_clipboard();
        }
    }

    impl AdwDialogImpl for ReplicaDialog {}
}

glib::wrapper! {
    /// Making a replica known. Signal: `added`.
    pub struct ReplicaDialog(ObjectSubclass<imp::ReplicaDialog>)
        @extends adw::Dialog, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::ShortcutManager;
}

impl ReplicaDialog {
    /// A dialog that adds replicas of this library.
    pub fn new(service: &Service) -> Self {
        let dialog: Self = glib::Object::new();
        // Set once, right after construction; the cell cannot be taken yet.
        let _ = dialog.imp().service.set(service.clone());
        dialog
    }

    /// Calls back when a replica was added.
    pub fn connect_added<F: Fn(&Self) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        let closure = glib::closure_local!(move |dialog: &Self| f(dialog));
        self.connect_closure("added", false, closure)
    }

    /// Who opens this dialog has most likely just copied a ticket.
    fn take_ticket_from_clipboard(&self) {
        let (dialog, clipboard) = (self.downgrade(), self.clipboard());
        glib::spawn_future_local(async move {
            let text = clipboard.read_text_future().await;
            if let (Ok(Some(text)), Some(dialog)) = (text, dialog.upgrade()) {
                let row = &dialog.imp().ticket_row;
                if row.text().is_empty() && text.parse::<Ticket>().is_ok() {
                    row.set_text(text.trim());
                    row.select_region(0, -1);
                }
            }
        });
    }

    fn ticket_was_changed(&self) {
        let imp = self.imp();
        imp.ticket_row.remove_css_class("error");
        imp.problem.set_visible(false);
        let is_empty = imp.ticket_row.text().trim().is_empty();
        imp.add_button
            .set_sensitive(!is_empty && !imp.is_adding.get());
    }

    fn add(&self) {
        let imp = self.imp();
        let Some(service) = imp.service.get().cloned() else {
            return;
        };
        let ticket = match imp.ticket_row.text().parse::<Ticket>() {
            Ok(ticket) => ticket,
            Err(error) => return self.show_problem(&explain_ticket(error)),
        };
        let name = imp.name_row.text().trim().to_owned();
        imp.is_adding.set(true);
        imp.add_button.set_sensitive(false);
        let dialog = self.downgrade();
        glib::spawn_future_local(async move {
            let added = service.add_replica(&ticket, &name).await;
            let Some(dialog) = dialog.upgrade() else {
                return;
            };
            dialog.imp().is_adding.set(false);
            match added {
                Ok(()) => {
                    dialog.close();
                    dialog.emit_by_name::<()>("added", &[]);
                }
                Err(error) => {
                    dialog.ticket_was_changed();
                    dialog.show_problem(&explain(&error));
                }
            }
        });
    }

    fn show_problem(&self, sentence: &str) {
        let imp = self.imp();
        imp.ticket_row.add_css_class("error");
        imp.problem.set_label(sentence);
        imp.problem.set_visible(true);
        imp.ticket_row.grab_focus();
        self.announce(sentence, gtk::AccessibleAnnouncementPriority::Medium);
    }
}

/// What is wrong with something that was to be a ticket.
fn explain_ticket(error: TicketError) -> String {
    match error {
        TicketError::NotATicket => gettext("This is not the ticket of a replica"),
        TicketError::Damaged => gettext(
            "A part of the ticket is missing, or a character is wrong. Copy it again as a whole.",
        ),
        TicketError::Newer => gettext("This ticket was made by a newer version of Reflection"),
    }
}

/// Why a replica was not added.
fn explain(error: &ServiceError) -> String {
    match error {
        ServiceError::Replica(ReplicaError::Own) => {
            gettext("This is the ticket of this device itself")
        }
        ServiceError::Replica(ReplicaError::TooMany) => {
            gettext("There are more documents than one replica can be given")
        }
        _ => gettext("The replica could not be added. Try again."),
    }
}
