// SPDX-License-Identifier: GPL-3.0-or-later
//! The people of a document as overlapping pictures, for a header bar.

use std::cell::RefCell;

use glib::clone;
use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;
use reflection_doc::objects::{Author, Authors};

use super::avatar::Avatar;

/// Most pictures side by side; the list has everybody.
const AVATARS_MAX: usize = 3;
/// Size of each, in pixels.
const SIZE: i32 = 26;
/// How much each covers of the one before, in pixels.
const OVERLAP: i32 = 8;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct AvatarStack {
        pub(super) authors: RefCell<Option<Authors>>,
        pub(super) handler: RefCell<Option<glib::SignalHandlerId>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for AvatarStack {
        const NAME: &'static str = "ReflectionAvatarStack";
        type Type = super::AvatarStack;
        type ParentType = gtk::Box;
    }

    impl ObjectImpl for AvatarStack {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_spacing(-OVERLAP);
            self.obj().set_valign(gtk::Align::Center);
        }

        fn dispose(&self) {
            self.obj().forget();
        }
    }

    impl WidgetImpl for AvatarStack {}
    impl BoxImpl for AvatarStack {}
}

glib::wrapper! {
    /// The people of a document as overlapping pictures.
    pub struct AvatarStack(ObjectSubclass<imp::AvatarStack>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl AvatarStack {
    /// Shows these people from now on.
    pub fn show(&self, authors: &Authors) {
        self.forget();
        let handler = authors.connect_items_changed(clone!(
            #[weak(rename_to = stack)]
            self,
            move |_, _, _, _| stack.refresh()
        ));
        self.imp().handler.replace(Some(handler));
        self.imp().authors.replace(Some(authors.clone()));
        self.refresh();
    }

    fn forget(&self) {
        let imp = self.imp();
        if let (Some(authors), Some(handler)) = (imp.authors.take(), imp.handler.take()) {
            authors.disconnect(handler);
        }
    }

    /// The others who are here; oneself where one is alone.
    fn refresh(&self) {
        while let Some(child) = self.first_child() {
            self.remove(&child);
        }
        let Some(authors) = self.imp().authors.borrow().clone() else {
            return;
        };
        let everybody = authors.to_vec();
        let mut shown: Vec<&Author> = everybody
            .iter()
            .filter(|author| author.is_here() && !author.is_this_device())
            .take(AVATARS_MAX)
            .collect();
        if shown.is_empty() {
            shown.extend(everybody.iter().find(|author| author.is_this_device()));
        }
        for (number, author) in shown.into_iter().enumerate() {
            let avatar = Avatar::new(author, SIZE);
            if number > 0 {
                avatar.add_ring();
            }
            self.append(&avatar);
        }
    }
}
