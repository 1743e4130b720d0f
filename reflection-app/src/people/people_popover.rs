// SPDX-License-Identifier: GPL-3.0-or-later
//! The list of people.

use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{CompositeTemplate, TemplateChild, glib};
use reflection_doc::objects::{Author, Authors};

use super::person_row::person_row;
use crate::components::fitting;

/// Largest height before the list is scrolled, in pixels.
const HEIGHT_MAX: i32 = 320;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(file = "src/people/people_popover.blp")]
    pub struct PeoplePopover {
        #[template_child]
        pub(super) clamp: TemplateChild<adw::Clamp>,
        #[template_child]
        pub(super) scrolled_window: TemplateChild<gtk::ScrolledWindow>,
        #[template_child]
        pub(super) list_box: TemplateChild<gtk::ListBox>,
        #[template_child]
        pub(super) details_button: TemplateChild<gtk::Button>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PeoplePopover {
        const NAME: &'static str = "ReflectionPeoplePopover";
        type Type = super::PeoplePopover;
        type ParentType = gtk::Popover;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for PeoplePopover {
        fn constructed(&self) {
            self.parent_constructed();
            let popover = self.obj();
            // A dialog takes the place of what it was opened from.
            self.details_button.connect_clicked(glib::clone!(
                #[weak]
                popover,
                move |_| popover.popdown()
            ));
        }
    }
    impl WidgetImpl for PeoplePopover {}
    impl PopoverImpl for PeoplePopover {}
}

glib::wrapper! {
    /// The list of people.
    pub struct PeoplePopover(ObjectSubclass<imp::PeoplePopover>)
        @extends gtk::Popover, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::Native,
            gtk::ShortcutManager;
}

impl PeoplePopover {
    /// Makes it fit into the window, before it is shown.
    pub fn fit(&self) {
        let (imp, room) = (self.imp(), fitting::room(self));
        fitting::fit(&imp.clamp, room);
        let (_, button, ..) = imp.details_button.measure(gtk::Orientation::Vertical, -1);
        let left = (room.height - button).max(0);
        imp.scrolled_window
            .set_max_content_height(HEIGHT_MAX.min(left));
    }

    /// Shows these people from now on.
    pub fn show(&self, authors: &Authors) {
        self.imp()
            .list_box
            .bind_model(Some(authors), |item| match item.downcast_ref::<Author>() {
                Some(author) => person_row(author).upcast(),
                None => gtk::ListBoxRow::new().upcast(),
            });
    }
}
