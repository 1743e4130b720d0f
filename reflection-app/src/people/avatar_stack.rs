// SPDX-License-Identifier: GPL-3.0-or-later
//! The people of a document as overlapping pictures: who is here, or all the others.

use std::cell::{Cell, RefCell};

use gettextrs::gettext;
use glib::clone;
use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;
use reflection_doc::objects::{Author, Authors};

use super::avatar::Avatar;
use super::name::display_name;

/// Most pictures side by side; the list has everybody.
const AVATARS_MAX: usize = 3;
/// Size of each, in pixels, unless told otherwise.
const SIZE: i32 = 26;
/// How much each covers of the one before, in pixels.
const OVERLAP: i32 = 8;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct AvatarStack {
        pub(super) authors: RefCell<Option<Authors>>,
        pub(super) handler: RefCell<Option<glib::SignalHandlerId>>,
        /// Who was here, so that coming and going can be told.
        pub(super) were_here: RefCell<Vec<Author>>,
        pub(super) here_handlers: RefCell<Vec<(Author, glib::SignalHandlerId)>>,
        /// The size for showing all the others; 0 for showing who is here.
        pub(super) others_size: Cell<i32>,
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

    /// Shows everybody but this device from now on, and nothing where there is nobody.
    pub fn show_others(&self, authors: &Authors, size: i32) {
        self.imp().others_size.set(size);
        self.show(authors);
    }

    fn forget(&self) {
        let imp = self.imp();
        if let (Some(authors), Some(handler)) = (imp.authors.take(), imp.handler.take()) {
            authors.disconnect(handler);
        }
        for (author, handler) in imp.here_handlers.take() {
            author.disconnect(handler);
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
        let others_size = self.imp().others_size.get();
        if others_size > 0 {
            let others = everybody.iter().filter(|author| !author.is_this_device());
            self.fill(others.take(AVATARS_MAX), others_size);
            self.set_visible(self.first_child().is_some());
            return;
        }
        self.follow(&everybody);
        self.tell_who_came(&everybody);
        let mut shown: Vec<&Author> = everybody
            .iter()
            .filter(|author| author.is_here() && !author.is_this_device())
            .take(AVATARS_MAX)
            .collect();
        if shown.is_empty() {
            shown.extend(everybody.iter().find(|author| author.is_this_device()));
        }
        self.fill(shown.into_iter(), SIZE);
    }

    /// Looks again when somebody comes or goes and the order stays.
    fn follow(&self, everybody: &[Author]) {
        let handlers = &self.imp().here_handlers;
        for (author, handler) in handlers.take() {
            author.disconnect(handler);
        }
        for author in everybody.iter().filter(|author| !author.is_this_device()) {
            let handler = author.connect_is_here_notify(clone!(
                #[weak(rename_to = stack)]
                self,
                move |_| stack.refresh_soon()
            ));
            handlers.borrow_mut().push((author.clone(), handler));
        }
    }

    /// Not while the person who changed tells it: handlers are exchanged.
    fn refresh_soon(&self) {
        let stack = self.downgrade();
        glib::idle_add_local_once(move || {
            if let Some(stack) = stack.upgrade() {
                stack.refresh();
            }
        });
    }

    /// Says quietly who came and who left, for those who do not see the pictures.
    fn tell_who_came(&self, everybody: &[Author]) {
        let others = everybody.iter().filter(|author| !author.is_this_device());
        let here: Vec<Author> = others.filter(|author| author.is_here()).cloned().collect();
        let before = self.imp().were_here.replace(here.clone());
        let say = |author: &Author, words: String| {
            let words = words.replace("{name}", &display_name(author));
            self.announce(&words, gtk::AccessibleAnnouncementPriority::Low);
        };
        for author in here.iter().filter(|author| !before.contains(author)) {
            say(author, gettext("{name} is here"));
        }
        for author in before.iter().filter(|author| !here.contains(author)) {
            say(author, gettext("{name} left"));
        }
    }

    fn fill<'a>(&self, people: impl Iterator<Item = &'a Author>, size: i32) {
        for (number, author) in people.enumerate() {
            let avatar = Avatar::new(author, size);
            if number > 0 {
                avatar.add_ring();
            }
            self.append(&avatar);
        }
    }
}
