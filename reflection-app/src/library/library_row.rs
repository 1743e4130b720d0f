// SPDX-License-Identifier: GPL-3.0-or-later
//! One document in the list, or one that was found.

use std::cell::RefCell;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::{gettext, pgettext};
use glib::{clone, closure_local};
use gtk::{CompositeTemplate, TemplateChild, gdk, glib};
use reflection_doc::library::Marked;
use reflection_doc::objects::{Document, SearchHit};

use super::display_title;
use super::row_menu::row_menu;
use super::when::when;
use crate::people::AvatarStack;
use crate::preferences::{Clock, clock};

/// Size of the pictures of people, in pixels.
const AVATAR_SIZE: i32 = 20;

/// What of a document the row shows.
const SHOWN: [&str; 10] = [
    "title",
    "preview",
    "last-use-us",
    "is-unread",
    "is-waiting",
    "is-pinned",
    "is-archived",
    "is-read-only",
    "chars",
    "people-here",
];

mod imp {
    use super::*;

    #[derive(Debug, CompositeTemplate)]
    #[template(file = "src/library/library_row.blp")]
    pub struct LibraryRow {
        #[template_child]
        pub(super) title: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) preview: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) subtitle: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) pin: TemplateChild<gtk::Image>,
        #[template_child]
        pub(super) unread_dot: TemplateChild<adw::Bin>,
        #[template_child]
        pub(super) people: TemplateChild<AvatarStack>,
        pub(super) document: glib::SignalGroup,
        pub(super) hit: RefCell<Option<SearchHit>>,
        /// The menu, while it is open.
        pub(super) menu: RefCell<Option<gtk::PopoverMenu>>,
        /// What the row is known to assistive technology as.
        pub(super) item: glib::WeakRef<gtk::ListItem>,
    }

    impl Default for LibraryRow {
        fn default() -> Self {
            Self {
                title: TemplateChild::default(),
                preview: TemplateChild::default(),
                subtitle: TemplateChild::default(),
                pin: TemplateChild::default(),
                unread_dot: TemplateChild::default(),
                people: TemplateChild::default(),
                document: glib::SignalGroup::new::<Document>(),
                hit: RefCell::default(),
                menu: RefCell::default(),
                item: glib::WeakRef::new(),
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LibraryRow {
        const NAME: &'static str = "ReflectionLibraryRow";
        type Type = super::LibraryRow;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            AvatarStack::ensure_type();
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for LibraryRow {
        fn constructed(&self) {
            self.parent_constructed();
            let row = self.obj();
            for property in SHOWN {
                self.document.connect_notify_local(
                    Some(property),
                    clone!(
                        #[weak]
                        row,
                        move |_, _| row.refresh()
                    ),
                );
            }
            clock().connect_closure(
                "changed",
                false,
                closure_local!(
                    #[watch]
                    row,
                    move |_: Clock| row.refresh()
                ),
            );
            row.add_gestures();
        }

        fn dispose(&self) {
            self.obj().drop_menu();
        }
    }

    impl WidgetImpl for LibraryRow {}
    impl BinImpl for LibraryRow {}
}

glib::wrapper! {
    /// One document in the list.
    pub struct LibraryRow(ObjectSubclass<imp::LibraryRow>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl LibraryRow {
    /// A row for an item of a list.
    pub fn new(item: &gtk::ListItem) -> Self {
        let row: Self = glib::Object::new();
        row.imp().item.set(Some(item));
        row
    }

    /// Shows a document, or nothing.
    pub fn show(&self, document: Option<&Document>) {
        self.imp().hit.take();
        self.follow(document);
    }

    /// Shows a document with what was searched for in it.
    pub fn show_hit(&self, hit: &SearchHit) {
        self.imp().hit.replace(Some(hit.clone()));
        self.follow(hit.document().as_ref());
    }

    fn follow(&self, document: Option<&Document>) {
        let imp = self.imp();
        imp.document.set_target(document);
        if let Some(document) = document {
            document.meet_people();
            imp.people.show_others(&document.authors(), AVATAR_SIZE);
        }
        self.refresh();
    }

    fn document(&self) -> Option<Document> {
        self.imp().document.target().and_downcast()
    }

    fn refresh(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let imp = self.imp();
        let title = display_title(&document.title());
        let subtitle = subtitle(&document);
        if let Some(hit) = &*imp.hit.borrow() {
            let marked = hit.title();
            if marked.text.is_empty() {
                imp.title.set_label(&title);
            } else {
                imp.title.set_markup(&markup(&marked));
            }
            imp.preview.set_markup(&markup(&hit.snippet()));
            imp.preview.set_lines(3);
            imp.preview.set_wrap(true);
        } else {
            imp.title.set_label(&title);
            imp.preview.set_label(&document.preview());
        }
        imp.preview.set_visible(!imp.preview.label().is_empty());
        imp.subtitle.set_label(&subtitle);
        imp.pin.set_visible(document.is_pinned());
        imp.unread_dot.set_visible(document.is_unread());
        self.mark("unread", document.is_unread());
        self.mark("archived", document.is_archived());
        if let Some(item) = imp.item.upgrade() {
            item.set_accessible_label(&title);
            item.set_accessible_description(&spoken(&document, &subtitle));
        }
    }

    fn mark(&self, class: &str, is_marked: bool) {
        if is_marked {
            self.add_css_class(class);
        } else {
            self.remove_css_class(class);
        }
    }

    fn add_gestures(&self) {
        // A list that is activated by single clicks would select what the pointer passes over.
        let open = gtk::GestureClick::builder()
            .button(gdk::BUTTON_PRIMARY)
            .build();
        open.connect_released(clone!(
            #[weak(rename_to = row)]
            self,
            move |_, _, x, y| {
                if row.contains(x, y) {
                    row.activate_with_id("win.open-document");
                }
            }
        ));
        self.add_controller(open);
        let click = gtk::GestureClick::builder()
            .button(gdk::BUTTON_SECONDARY)
            .build();
        click.connect_pressed(clone!(
            #[weak(rename_to = row)]
            self,
            move |gesture, _, x, y| {
                gesture.set_state(gtk::EventSequenceState::Claimed);
                row.show_menu(Some((x, y)));
            }
        ));
        self.add_controller(click);
        let press = gtk::GestureLongPress::builder().touch_only(true).build();
        press.connect_pressed(clone!(
            #[weak(rename_to = row)]
            self,
            move |gesture, x, y| {
                gesture.set_state(gtk::EventSequenceState::Claimed);
                row.show_menu(Some((x, y)));
            }
        ));
        self.add_controller(press);
    }

    /// Deletes the document, which can be undone.
    pub fn delete(&self) {
        self.activate_with_id("win.delete-document");
    }

    fn activate_with_id(&self, action: &str) {
        if let Some(document) = self.document() {
            // The window has these actions for as long as there is a list.
            let _ = self.activate_action(action, Some(&document.id().to_variant()));
        }
    }

    /// Opens the menu where the pointer is, or below the row.
    pub fn show_menu(&self, at: Option<(f64, f64)>) {
        let Some(document) = self.document() else {
            return;
        };
        let popover = gtk::PopoverMenu::from_model(Some(&row_menu(&document)));
        popover.set_has_arrow(false);
        popover.set_halign(gtk::Align::Start);
        popover.set_parent(self);
        if let Some((x, y)) = at {
            #[allow(clippy::cast_possible_truncation, reason = "a place within a window")]
            popover.set_pointing_to(Some(&gdk::Rectangle::new(x as i32, y as i32, 1, 1)));
        }
        popover.connect_closed(clone!(
            #[weak(rename_to = row)]
            self,
            move |_| {
                // The chosen action runs after this signal and needs the parent until then.
                let row = row.downgrade();
                glib::idle_add_local_once(move || {
                    let Some(row) = row.upgrade() else { return };
                    let is_open = |menu: &gtk::PopoverMenu| menu.is_visible();
                    // It may have been opened again by then.
                    if !row.imp().menu.borrow().as_ref().is_some_and(is_open) {
                        row.drop_menu();
                    }
                });
            }
        ));
        self.drop_menu();
        popover.popup();
        self.imp().menu.replace(Some(popover));
    }

    /// The row may go before its menu does: what is chosen there can take it out of the list.
    fn drop_menu(&self) {
        if let Some(menu) = self.imp().menu.take() {
            menu.unparent();
        }
    }
}

/// State and time, the state only where it is not the usual one.
fn subtitle(document: &Document) -> String {
    let time = when(document.last_use_us());
    let state = if document.is_waiting() {
        return gettext("Waiting for the others");
    } else if document.chars() == 0 {
        gettext("Empty")
    } else if document.is_archived() {
        gettext("Archived")
    } else if document.is_read_only() {
        gettext("Read only")
    } else {
        return time;
    };
    // Translators: the state of a document and when it was used last, such as “Archived · Yesterday”.
    pgettext("document row", "{state} · {time}")
        .replace("{state}", &state)
        .replace("{time}", &time)
}

/// What the signs of the row say, in words.
fn spoken(document: &Document, subtitle: &str) -> String {
    let mut words = Vec::new();
    if document.is_unread() {
        words.push(gettext("Changed since it was last open"));
    }
    if document.is_pinned() {
        words.push(gettext("Pinned"));
    }
    words.push(subtitle.to_owned());
    words.join(", ")
}

/// A text with its hits in bold.
fn markup(marked: &Marked) -> String {
    let pieces = marked.pieces().into_iter();
    pieces
        .map(|(piece, is_hit)| {
            let piece = glib::markup_escape_text(&piece);
            if is_hit {
                format!("<b>{piece}</b>")
            } else {
                piece.into()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_bold_and_signs_are_no_markup() {
        let marked = Marked {
            text: "a <b> & c".into(),
            hits: std::iter::once(8..9).collect(),
        };
        assert_eq!(markup(&marked), "a &lt;b&gt; &amp; <b>c</b>");
    }
}
