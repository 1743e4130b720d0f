// SPDX-License-Identifier: GPL-3.0-or-later
//! How the people of a document are reached, where copies of it are, and where this device may be
//! reached: for those who want to know.

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::{gettext, ngettext};
use gtk::{CompositeTemplate, TemplateChild, glib};
use reflection_doc::objects::{Connection, Connections, Document, KeptCopy, Service};
use reflection_node::Route;
use reflection_node::replication::AssignmentState;

use super::avatar::Avatar;
use super::name::display_name;
use crate::library::when;

/// How often the dialog looks again.
const REFRESH_EVERY: Duration = Duration::from_secs(2);
/// Size of the pictures, in pixels.
const AVATAR_SIZE: i32 = 32;

mod imp {
    use super::*;

    #[derive(Default, CompositeTemplate)]
    #[template(file = "src/people/connection_dialog.blp")]
    pub struct ConnectionDialog {
        #[template_child]
        pub(super) page: TemplateChild<adw::PreferencesPage>,
        pub(super) shown: OnceCell<(Service, Document)>,
        /// Each group with its rows.
        pub(super) groups: RefCell<Vec<(adw::PreferencesGroup, Vec<adw::ActionRow>)>>,
        /// What the groups say, so that nothing is replaced that has not changed.
        pub(super) words: RefCell<Vec<Group>>,
        pub(super) task: RefCell<Option<glib::JoinHandle<()>>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ConnectionDialog {
        const NAME: &'static str = "ReflectionConnectionDialog";
        type Type = super::ConnectionDialog;
        type ParentType = adw::Dialog;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for ConnectionDialog {
        fn dispose(&self) {
            if let Some(task) = self.task.take() {
                task.abort();
            }
        }
    }

    impl WidgetImpl for ConnectionDialog {}
    impl AdwDialogImpl for ConnectionDialog {}
}

glib::wrapper! {
    /// How the people of a document are reached.
    pub struct ConnectionDialog(ObjectSubclass<imp::ConnectionDialog>)
        @extends adw::Dialog, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::ShortcutManager;
}

/// A group of rows, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    title: String,
    description: String,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    title: String,
    subtitle: String,
    author: Option<reflection_doc::objects::Author>,
}

impl ConnectionDialog {
    /// A dialog that follows a document while it is open.
    pub fn new(service: &Service, document: &Document) -> Self {
        let dialog: Self = glib::Object::new();
        // Set once, right after construction; the cell cannot be taken yet.
        let _ = dialog.imp().shown.set((service.clone(), document.clone()));
        let weak = dialog.downgrade();
        let task = glib::spawn_future_local(async move {
            while let Some(dialog) = weak.upgrade() {
                dialog.refresh().await;
                drop(dialog);
                glib::timeout_future(REFRESH_EVERY).await;
            }
        });
        dialog.imp().task.replace(Some(task));
        dialog
    }

    async fn refresh(&self) {
        let Some((service, document)) = self.imp().shown.get() else {
            return;
        };
        // What cannot be read now stays as it was.
        if let Ok(connections) = service.connections(document).await {
            self.show(groups(&connections));
        }
    }

    fn show(&self, groups: Vec<Group>) {
        let imp = self.imp();
        if *imp.words.borrow() == groups {
            return;
        }
        if has_same_rows(&imp.words.borrow(), &groups) {
            self.say(&groups);
        } else {
            self.build(&groups);
        }
        imp.words.replace(groups);
    }

    /// Other words in the same rows: the keyboard and a screen reader stay where they are.
    fn say(&self, groups: &[Group]) {
        for ((widget, rows), group) in self.imp().groups.borrow().iter().zip(groups) {
            widget.set_description(Some(&group.description));
            for (row, words) in rows.iter().zip(&group.rows) {
                row.set_subtitle(&words.subtitle);
            }
        }
    }

    fn build(&self, groups: &[Group]) {
        let imp = self.imp();
        for (group, _) in imp.groups.take() {
            imp.page.remove(&group);
        }
        for group in groups {
            let widget = adw::PreferencesGroup::builder()
                .title(&group.title)
                .description(&group.description)
                .build();
            let rows: Vec<adw::ActionRow> = group.rows.iter().map(row_widget).collect();
            for row in &rows {
                widget.add(row);
            }
            imp.page.add(&widget);
            imp.groups.borrow_mut().push((widget, rows));
        }
    }
}

/// Whether only descriptions and subtitles differ.
fn has_same_rows(before: &[Group], after: &[Group]) -> bool {
    let heads = |groups: &[Group]| -> Vec<(String, Vec<(String, Option<_>)>)> {
        let head = |row: &Row| (row.title.clone(), row.author.clone());
        let group = |group: &Group| (group.title.clone(), group.rows.iter().map(head).collect());
        groups.iter().map(group).collect()
    };
    heads(before) == heads(after)
}

fn row_widget(row: &Row) -> adw::ActionRow {
    let widget = adw::ActionRow::builder()
        .title(&row.title)
        .subtitle(&row.subtitle)
        .use_markup(false)
        .subtitle_selectable(true)
        .build();
    if let Some(author) = &row.author {
        widget.add_prefix(&Avatar::new(author, AVATAR_SIZE));
    }
    widget
}

fn groups(connections: &Connections) -> Vec<Group> {
    let holders = connections.holders;
    let mut groups = vec![Group {
        title: gettext("People"),
        description: if connections.people.is_empty() {
            gettext("Nobody else has been seen with this document.")
        } else {
            String::new()
        },
        rows: connections.people.iter().map(person).collect(),
    }];
    let count = u32::try_from(holders).unwrap_or(u32::MAX);
    groups.push(Group {
        title: gettext("Copies"),
        description: if holders == 0 {
            gettext("No other device has confirmed to hold all that was written here.")
        } else {
            ngettext(
                "{count} other device holds all that was written here.",
                "{count} other devices hold all that was written here.",
                count,
            )
            .replace("{count}", &holders.to_string())
        },
        rows: connections.copies.iter().map(copy).collect(),
    });
    let addresses = connections.addresses.iter().map(|address| Row {
        title: gettext("Address"),
        subtitle: address.to_string(),
        author: None,
    });
    groups.push(Group {
        title: gettext("This Device"),
        description: if connections.addresses.is_empty() {
            gettext("It cannot be reached at present.")
        } else {
            gettext("Others may reach it at these addresses.")
        },
        rows: addresses.collect(),
    });
    groups
}

fn person(connection: &Connection) -> Row {
    let mut lines = vec![match &connection.route {
        None => gettext("Not connected"),
        Some((route, rtt_ms)) => route_words(route, *rtt_ms),
    }];
    if connection.is_live {
        lines.push(gettext("Last exchange: now"));
    } else if connection.synced_us > 0 {
        lines.push(
            gettext("Last exchange: {time}, {received} received and {sent} sent in {duration} ms")
                .replace("{time}", &when(connection.synced_us))
                .replace("{received}", &glib::format_size(connection.bytes_in))
                .replace("{sent}", &glib::format_size(connection.bytes_out))
                .replace("{duration}", &connection.duration_ms.to_string()),
        );
    }
    Row {
        title: display_name(&connection.author),
        subtitle: lines.join("\n"),
        author: Some(connection.author.clone()),
    }
}

fn route_words(route: &Route, rtt_ms: u64) -> String {
    let way = match route {
        Route::Direct(address) => {
            gettext("Directly, at {address}").replace("{address}", &address.to_string())
        }
        Route::Relayed(relay) => gettext("Through the relay {relay}").replace("{relay}", relay),
        Route::Unknown => gettext("Connected"),
    };
    // Translators: how somebody is reached, and how long a signal there and back takes.
    gettext("{way} · {time} ms there and back")
        .replace("{way}", &way)
        .replace("{time}", &rtt_ms.to_string())
}

fn copy(copy: &KeptCopy) -> Row {
    let state = match copy.state {
        AssignmentState::Waiting => gettext("Has not taken the document yet"),
        AssignmentState::Taken => gettext("Keeps the document, without being able to read it"),
        AssignmentState::Withdrawn => gettext("Does not keep the document any more"),
        AssignmentState::Refused => gettext("Does not take the document"),
    };
    let subtitle = if copy.contact_us > 0 {
        let seen = gettext("Last seen: {time}").replace("{time}", &when(copy.contact_us));
        format!("{state}\n{seen}")
    } else {
        state
    };
    Row {
        title: copy.name.clone(),
        subtitle,
        author: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_without_others_says_so_in_each_group() {
        let groups = groups(&Connections::default());
        assert_eq!(groups.len(), 3);
        assert!(groups.iter().all(|group| !group.description.is_empty()));
    }

    #[test]
    fn a_route_is_told_with_its_address() {
        let direct = Route::Direct(([192, 0, 2, 1], 4000).into());
        assert!(route_words(&direct, 12).contains("192.0.2.1:4000 · 12 ms"));
    }
}
