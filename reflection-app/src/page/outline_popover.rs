// SPDX-License-Identifier: GPL-3.0-or-later
//! The headings of the text, to go to one of them.

use std::cell::RefCell;

use adw::prelude::*;
use gettextrs::gettext;
use glib::subclass::Signal;
use gtk::subclass::prelude::*;
use gtk::{glib, pango};
use reflection_doc::engine::{Heading, headings};

use crate::components::fitting;

/// Indentation for each level below the first, in pixels.
const INDENT: i32 = 14;
/// Largest height before the list is scrolled, in pixels.
const HEIGHT_MAX: i32 = 480;

mod imp {
    use std::sync::LazyLock;

    use super::*;

    #[derive(Debug, Default)]
    pub struct OutlinePopover {
        pub(super) clamp: adw::Clamp,
        pub(super) scrolled: gtk::ScrolledWindow,
        pub(super) list: gtk::ListBox,
        pub(super) headings: RefCell<Vec<Heading>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for OutlinePopover {
        const NAME: &'static str = "ReflectionOutlinePopover";
        type Type = super::OutlinePopover;
        type ParentType = gtk::Popover;
    }

    impl ObjectImpl for OutlinePopover {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                vec![
                    Signal::builder("chosen")
                        .param_types([u32::static_type()])
                        .build(),
                ]
            });
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            let popover = self.obj();
            self.list.add_css_class("navigation-sidebar");
            self.list.set_selection_mode(gtk::SelectionMode::None);
            let label = gettext("Outline");
            self.list
                .update_property(&[gtk::accessible::Property::Label(&label)]);
            let empty = gtk::Label::builder()
                .label(gettext("No headings. A line that begins with # is one."))
                .wrap(true)
                .max_width_chars(28)
                .margin_top(12)
                .margin_bottom(12)
                .margin_start(12)
                .margin_end(12)
                .css_classes(["dimmed"])
                .build();
            self.list.set_placeholder(Some(&empty));
            let scrolled = &self.scrolled;
            scrolled.set_hscrollbar_policy(gtk::PolicyType::Never);
            scrolled.set_propagate_natural_height(true);
            scrolled.set_propagate_natural_width(true);
            scrolled.set_child(Some(&self.list));
            self.clamp.set_child(Some(scrolled));
            popover.set_child(Some(&self.clamp));
            self.list.connect_row_activated(glib::clone!(
                #[weak]
                popover,
                move |_, row| popover.choose(row.index())
            ));
        }
    }

    impl WidgetImpl for OutlinePopover {}
    impl PopoverImpl for OutlinePopover {}
}

glib::wrapper! {
    /// The headings of the text. Signal: `chosen (at)`, in characters.
    pub struct OutlinePopover(ObjectSubclass<imp::OutlinePopover>)
        @extends gtk::Popover, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::Native,
            gtk::ShortcutManager;
}

impl OutlinePopover {
    /// Makes it fit into the window, before it is shown.
    pub fn fit(&self) {
        let (imp, room) = (self.imp(), fitting::room(self));
        fitting::fit(&imp.clamp, room);
        imp.scrolled
            .set_max_content_height(HEIGHT_MAX.min(room.height));
    }

    /// Lists the headings of this text.
    pub fn show_text(&self, text: &str) {
        let imp = self.imp();
        imp.list.remove_all();
        let headings = headings(text);
        for heading in &headings {
            let label = gtk::Label::builder()
                .label(&heading.title)
                .xalign(0.0)
                .ellipsize(pango::EllipsizeMode::End)
                .max_width_chars(40)
                .margin_start(INDENT * i32::from(heading.level.saturating_sub(1)))
                .build();
            let row = gtk::ListBoxRow::builder().child(&label).build();
            row.update_property(&[gtk::accessible::Property::Label(&heading.title)]);
            imp.list.append(&row);
        }
        imp.headings.replace(headings);
    }

    /// Calls back with the place of the heading that was chosen.
    pub fn connect_chosen<F: Fn(&Self, u32) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        self.connect_closure(
            "chosen",
            false,
            glib::closure_local!(move |popover: &Self, at: u32| f(popover, at)),
        )
    }

    fn choose(&self, index: i32) {
        let at = usize::try_from(index)
            .ok()
            .and_then(|index| Some(self.imp().headings.borrow().get(index)?.at))
            .and_then(|at| u32::try_from(at).ok());
        if let Some(at) = at {
            self.popdown();
            self.emit_by_name::<()>("chosen", &[&at]);
        }
    }
}
