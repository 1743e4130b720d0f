// SPDX-License-Identifier: GPL-3.0-or-later
//! One document in the list.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::{CompositeTemplate, TemplateChild, gdk, gio, glib};
use reflection_doc::objects::Document;

use super::display_title;
use super::when::when;

mod imp {
    use super::*;

    #[derive(Debug, CompositeTemplate)]
    #[template(file = "src/library/library_row.blp")]
    pub struct LibraryRow {
        #[template_child]
        pub(super) title: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) subtitle: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) unread_dot: TemplateChild<adw::Bin>,
        pub(super) document: glib::SignalGroup,
    }

    impl Default for LibraryRow {
        fn default() -> Self {
            Self {
                title: TemplateChild::default(),
                subtitle: TemplateChild::default(),
                unread_dot: TemplateChild::default(),
                document: glib::SignalGroup::new::<Document>(),
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LibraryRow {
        const NAME: &'static str = "ReflectionLibraryRow";
        type Type = super::LibraryRow;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.install_action("row.menu", None, |row: &super::LibraryRow, _, _| {
                row.show_menu(None);
            });
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for LibraryRow {
        fn constructed(&self) {
            self.parent_constructed();
            let row = self.obj();
            for property in ["title", "updated-us", "is-unread", "is-waiting", "chars"] {
                self.document.connect_notify_local(
                    Some(property),
                    clone!(
                        #[weak]
                        row,
                        move |_, _| row.refresh()
                    ),
                );
            }
            row.add_menu_gestures();
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

impl Default for LibraryRow {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl LibraryRow {
    /// Shows a document, or nothing.
    pub fn show(&self, document: Option<&Document>) {
        self.imp().document.set_target(document);
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
        imp.title.set_label(&display_title(&document.title()));
        imp.subtitle.set_label(&subtitle(&document));
        imp.unread_dot.set_visible(document.is_unread());
        if document.is_unread() {
            self.add_css_class("unread");
        } else {
            self.remove_css_class("unread");
        }
    }

    fn add_menu_gestures(&self) {
        // A list that is activated by single clicks would select what the pointer passes over.
        let open = gtk::GestureClick::builder()
            .button(gdk::BUTTON_PRIMARY)
            .build();
        open.connect_released(clone!(
            #[weak(rename_to = row)]
            self,
            move |_, _, x, y| {
                if row.contains(x, y) {
                    row.open();
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

    fn open(&self) {
        if let Some(document) = self.document() {
            // The window has this action for as long as there is a list.
            let _ = self.activate_action("win.open-document", Some(&document.id().to_variant()));
        }
    }

    /// Opens the menu where the pointer is, or below the row.
    fn show_menu(&self, at: Option<(f64, f64)>) {
        let Some(document) = self.document() else {
            return;
        };
        let menu = gio::Menu::new();
        let delete = gio::MenuItem::new(Some(&gettext("_Delete…")), None);
        delete.set_action_and_target_value(
            Some("win.delete-document"),
            Some(&document.id().to_variant()),
        );
        menu.append_item(&delete);
        let popover = gtk::PopoverMenu::from_model(Some(&menu));
        popover.set_has_arrow(false);
        popover.set_halign(gtk::Align::Start);
        popover.set_parent(self);
        if let Some((x, y)) = at {
            #[allow(clippy::cast_possible_truncation, reason = "a place within a window")]
            popover.set_pointing_to(Some(&gdk::Rectangle::new(x as i32, y as i32, 1, 1)));
        }
        popover.connect_closed(|popover| {
            // The chosen action runs after this signal and needs the parent until then.
            let popover = popover.clone();
            glib::idle_add_local_once(move || popover.unparent());
        });
        popover.popup();
    }
}

fn subtitle(document: &Document) -> String {
    if document.is_waiting() {
        gettext("Waiting for the others")
    } else if document.chars() == 0 {
        gettext("Empty")
    } else {
        when(document.updated_us())
    }
}
