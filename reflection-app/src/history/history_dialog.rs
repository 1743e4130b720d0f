// SPDX-License-Identifier: GPL-3.0-or-later
//! The timeline of a document: who worked when, the text of each version, what changed in it.
//!
//! The past is looked at in a copy, on another thread; what is typed meanwhile is not in it.

mod commands;

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use glib::subclass::Signal;
use gtk::{CompositeTemplate, TemplateChild, gio, glib, pango};
use reflection_doc::engine::{Part, Version, difference_by_words};
use reflection_doc::library::{Past, VersionSummary};
use reflection_doc::objects::Document;
use reflection_node::identity::AuthorId;

use crate::library::when;
use crate::people::display_name;

/// The past, for whichever thread looks at it.
type SharedPast = Arc<Mutex<Past>>;

mod imp {
    use super::*;

    #[derive(Default, CompositeTemplate)]
    #[template(file = "src/history/history_dialog.blp")]
    pub struct HistoryDialog {
        #[template_child]
        pub(super) toasts: TemplateChild<adw::ToastOverlay>,
        #[template_child]
        pub(super) split_view: TemplateChild<adw::NavigationSplitView>,
        #[template_child]
        pub(super) stack: TemplateChild<gtk::Stack>,
        #[template_child]
        pub(super) list: TemplateChild<gtk::ListBox>,
        #[template_child]
        pub(super) version_page: TemplateChild<adw::NavigationPage>,
        #[template_child]
        pub(super) scale: TemplateChild<gtk::Scale>,
        #[template_child]
        pub(super) adjustment: TemplateChild<gtk::Adjustment>,
        #[template_child]
        pub(super) text_view: TemplateChild<gtk::TextView>,
        pub(super) document: OnceCell<Document>,
        pub(super) past: RefCell<Option<SharedPast>>,
        /// The versions, the oldest first.
        pub(super) versions: RefCell<Vec<VersionSummary>>,
        /// Which one is shown.
        pub(super) shown: Cell<usize>,
        /// The text of the one that is shown; none until it is worked out.
        pub(super) text: RefCell<Option<String>>,
        /// Whether it is about to be looked at what can be done with it.
        pub(super) is_stale: Cell<bool>,
        /// What the document tells while it is looked at here.
        pub(super) handlers: RefCell<Vec<glib::SignalHandlerId>>,
        pub(super) shows_changes: Cell<bool>,
        pub(super) actions: gio::SimpleActionGroup,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for HistoryDialog {
        const NAME: &'static str = "ReflectionHistoryDialog";
        type Type = super::HistoryDialog;
        type ParentType = adw::Dialog;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for HistoryDialog {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> =
                LazyLock::new(|| vec![Signal::builder("restored").build()]);
            &SIGNALS
        }

        fn dispose(&self) {
            if let Some(document) = self.document.get() {
                for handler in self.handlers.take() {
                    document.disconnect(handler);
                }
            }
        }

        fn constructed(&self) {
            self.parent_constructed();
            let dialog = self.obj();
            self.shows_changes.set(true);
            dialog.add_actions();
            self.list.connect_row_selected(clone!(
                #[weak]
                dialog,
                move |_, row| {
                    if let Some(row) = row {
                        dialog.choose_row(row.index());
                    }
                }
            ));
            self.list.connect_row_activated(clone!(
                #[weak]
                dialog,
                move |_, _| dialog.imp().split_view.set_show_content(true)
            ));
            self.adjustment.connect_value_changed(clone!(
                #[weak]
                dialog,
                move |adjustment| {
                    #[allow(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "the scale stops at the ends of the list"
                    )]
                    dialog.select(adjustment.value().round() as usize);
                }
            ));
        }
    }

    impl WidgetImpl for HistoryDialog {}
    impl AdwDialogImpl for HistoryDialog {}
}

glib::wrapper! {
    /// The timeline of a document. Signal: `restored`, once the text is what it was.
    pub struct HistoryDialog(ObjectSubclass<imp::HistoryDialog>)
        @extends adw::Dialog, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::ShortcutManager;
}

impl HistoryDialog {
    /// The past of an open document.
    pub fn new(document: &Document) -> Self {
        let dialog: Self = glib::Object::new();
        // Set once, right after construction; the cell cannot be taken yet.
        let _ = dialog.imp().document.set(document.clone());
        let follow = clone!(
            #[weak]
            dialog,
            move || dialog.show_possible_soon()
        );
        let (changed, written) = (follow.clone(), follow.clone());
        dialog.imp().handlers.replace(vec![
            document.connect_changed(move |_, _| changed()),
            // By hand, in another window.
            document.connect_save_state_notify(move |_| written()),
            document.connect_is_read_only_notify(move |_| follow()),
        ]);
        dialog.show_possible();
        dialog.load(None);
        dialog
    }

    /// Calls back once the text is what it was.
    pub fn connect_restored<F: Fn(&Self) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        self.connect_closure(
            "restored",
            false,
            glib::closure_local!(move |dialog: &Self| f(dialog)),
        )
    }

    fn document(&self) -> Option<Document> {
        self.imp().document.get().cloned()
    }

    /// Lists the versions and shows one of them, the newest where none is meant.
    fn load(&self, chosen: Option<Version>) {
        let imp = self.imp();
        let Some(source) = self.document().and_then(|document| document.past()) else {
            imp.stack.set_visible_child_name("failed");
            return;
        };
        let dialog = self.downgrade();
        glib::spawn_future_local(async move {
            let opened = gio::spawn_blocking(move || {
                let past = source.open().ok()?;
                let versions = past.versions();
                Some((past, versions))
            })
            .await;
            let Some(dialog) = dialog.upgrade() else {
                return;
            };
            match opened {
                Ok(Some((past, versions))) => dialog.show_past(past, versions, chosen.as_ref()),
                _ => dialog.imp().stack.set_visible_child_name("failed"),
            }
        });
    }

    fn show_past(&self, past: Past, versions: Vec<VersionSummary>, chosen: Option<&Version>) {
        let imp = self.imp();
        let mut ids = versions.iter().map(|version| &version.version);
        let chosen = chosen.and_then(|chosen| ids.position(|id| id == chosen));
        imp.list.remove_all();
        for version in versions.iter().rev() {
            imp.list.append(&self.row(version));
        }
        let count = versions.len();
        imp.past.replace(Some(Arc::new(Mutex::new(past))));
        imp.versions.replace(versions);
        let name = if count == 0 { "empty" } else { "versions" };
        imp.stack.set_visible_child_name(name);
        let last = count.saturating_sub(1);
        #[allow(
            clippy::cast_precision_loss,
            reason = "no document has so many versions"
        )]
        imp.adjustment.set_upper(last as f64);
        imp.scale.set_visible(count > 1);
        // It may be another one that is in its place now.
        imp.text.take();
        self.select(chosen.unwrap_or(last));
    }

    fn row(&self, version: &VersionSummary) -> adw::ActionRow {
        let people = self.document().map(|document| document.authors());
        let name_of = |author: Option<AuthorId>| {
            author
                .and_then(|author| people.as_ref()?.get(&author))
                .map_or_else(|| gettext("Somebody"), |author| display_name(&author))
        };
        let others = version.others.iter().map(|author| name_of(Some(*author)));
        let names: Vec<String> = std::iter::once(name_of(version.author))
            .chain(others)
            .collect();
        let name = names.join(", ");
        // Translators: characters added and removed in a version.
        let counts = gettext("+{added} −{deleted}")
            .replace("{added}", &version.added.to_string())
            .replace("{deleted}", &version.deleted.to_string());
        // From left to right in any language, or else a sign would stand behind its number.
        let counts = format!("\u{2066}{counts}\u{2069}");
        let time = when(version.ended_s.saturating_mul(1_000_000));
        let title = if version.names.is_empty() {
            name.clone()
        } else {
            version.names.join(", ")
        };
        let subtitle = if version.names.is_empty() {
            format!("{time} · {counts}")
        } else {
            format!("{time} · {name}")
        };
        let row = adw::ActionRow::builder()
            .use_markup(false)
            .title(title)
            .subtitle(subtitle)
            .activatable(true)
            .build();
        if !version.names.is_empty() {
            row.add_prefix(&gtk::Image::from_icon_name("starred-symbolic"));
        }
        row
    }

    /// The newest version is the first row.
    fn choose_row(&self, index: i32) {
        let count = self.imp().versions.borrow().len();
        let from_end = usize::try_from(index).unwrap_or_default();
        self.select(count.saturating_sub(from_end + 1));
    }

    fn select(&self, place: usize) {
        let imp = self.imp();
        let count = imp.versions.borrow().len();
        if place >= count {
            return;
        }
        let is_new = imp.shown.replace(place) != place || imp.text.borrow().is_none();
        #[allow(
            clippy::cast_precision_loss,
            reason = "no document has so many versions"
        )]
        imp.adjustment.set_value(place as f64);
        let row = i32::try_from(count - 1 - place)
            .ok()
            .and_then(|index| imp.list.row_at_index(index));
        if let Some(row) = &row
            && !row.is_selected()
        {
            imp.list.select_row(Some(row));
        }
        if is_new {
            self.show_version();
        }
    }

    /// Shows the text of the chosen version, worked out on another thread.
    fn show_version(&self) {
        let imp = self.imp();
        let place = imp.shown.get();
        let versions = imp.versions.borrow();
        let (Some(past), Some(version)) = (imp.past.borrow().clone(), versions.get(place)) else {
            return;
        };
        let time = when(version.ended_s.saturating_mul(1_000_000));
        imp.version_page.set_title(&time);
        let version = version.version.clone();
        // Nothing can be done with the text of the one before until this one's is there.
        imp.text.take();
        self.show_possible();
        let before = place
            .checked_sub(1)
            .and_then(|place| versions.get(place))
            .map(|before| before.version.clone());
        drop(versions);
        let shows_changes = imp.shows_changes.get();
        let dialog = self.downgrade();
        glib::spawn_future_local(async move {
            let worked_out = gio::spawn_blocking(move || {
                let past = past.lock().unwrap_or_else(PoisonError::into_inner);
                let text = past.text(&version).ok()?;
                let old = match before {
                    Some(before) if shows_changes => past.text(&before).ok()?,
                    None if shows_changes => String::new(),
                    _ => text.clone(),
                };
                let parts = difference_by_words(&old, &text);
                Some((text, parts))
            })
            .await;
            let Some(dialog) = dialog.upgrade() else {
                return;
            };
            // Another one may have been chosen in the meantime.
            if let Ok(Some((text, parts))) = worked_out
                && dialog.imp().shown.get() == place
            {
                dialog.show_parts(&parts);
                dialog.imp().text.replace(Some(text));
                dialog.show_possible();
            }
        });
    }

    /// What was added is underlined and what was removed struck through, so that no colour has
    /// to be told apart.
    fn show_parts(&self, parts: &[Part]) {
        let buffer = gtk::TextBuffer::new(None);
        let added = gtk::TextTag::builder()
            .underline(pango::Underline::Single)
            .background("rgba(38, 162, 105, 0.25)")
            .build();
        let removed = gtk::TextTag::builder()
            .strikethrough(true)
            .background("rgba(224, 27, 36, 0.2)")
            .build();
        buffer.tag_table().add(&added);
        buffer.tag_table().add(&removed);
        for part in parts {
            let from = buffer.end_iter().offset();
            buffer.insert(
                &mut buffer.end_iter(),
                &part.text().replace('\0', "\u{FFFD}"),
            );
            let tag = match part {
                Part::Same(_) => continue,
                Part::Added(_) => &added,
                Part::Removed(_) => &removed,
            };
            buffer.apply_tag(tag, &buffer.iter_at_offset(from), &buffer.end_iter());
        }
        self.imp().text_view.set_buffer(Some(&buffer));
    }
}
