// SPDX-License-Identifier: GPL-3.0-or-later
//! One person who takes part in a document.

use std::cell::{Cell, OnceCell, RefCell};

use glib::prelude::*;
use glib::subclass::prelude::*;
use reflection_node::identity::AuthorId;

use crate::persona::Persona;

/// What is known of a person apart from their key and what they chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) is_here: bool,
    pub(super) is_reachable: bool,
    pub(super) last_seen_us: u64,
    pub(super) is_muted: bool,
}

mod imp {
    use super::*;

    #[derive(Debug, Default, glib::Properties)]
    #[properties(wrapper_type = super::Author)]
    pub struct Author {
        pub(super) id: OnceCell<AuthorId>,
        pub(super) persona: OnceCell<Persona>,
        /// The name they chose; empty for the one that follows from the key.
        #[property(get)]
        chosen_name: RefCell<String>,
        /// What to call them; the English default until they have chosen a name.
        #[property(get = Self::name)]
        name: std::marker::PhantomData<String>,
        /// Index into the front end's palette, which has [`crate::persona::COLOURS`].
        #[property(get = Self::colour)]
        colour: std::marker::PhantomData<u32>,
        pub(super) chosen_colour: Cell<Option<u32>>,
        /// Index of the shape, below [`crate::persona::SHAPES`].
        #[property(get = |imp: &Self| imp.persona().shape)]
        shape: std::marker::PhantomData<u32>,
        /// Whether they have this document open, or this is their device.
        #[property(get)]
        is_here: Cell<bool>,
        /// Whether a connection to them stands that carries this document.
        #[property(get)]
        is_reachable: Cell<bool>,
        /// When they were last known to be online, microseconds since 1970; 0 for never.
        #[property(get)]
        last_seen_us: Cell<u64>,
        /// Whether their changes are not announced on this device.
        #[property(get)]
        is_muted: Cell<bool>,
        /// Whether this is the author of this installation.
        #[property(get)]
        is_this_device: Cell<bool>,
    }

    impl Author {
        pub(super) fn persona(&self) -> Persona {
            *self.persona.get_or_init(|| Persona::of(&self.id()))
        }

        pub(super) fn id(&self) -> AuthorId {
            *self.id.get_or_init(|| AuthorId::from_bytes([0; 32]))
        }

        fn name(&self) -> String {
            let chosen = self.chosen_name.borrow();
            if chosen.is_empty() {
                self.persona().name()
            } else {
                chosen.clone()
            }
        }

        fn colour(&self) -> u32 {
            let chosen = self.chosen_colour.get();
            chosen.unwrap_or_else(|| self.persona().colour)
        }

        pub(super) fn set_chosen(&self, name: &str, colour: Option<u32>) {
            if *self.chosen_name.borrow() != name {
                self.chosen_name.replace(name.to_owned());
                self.obj().notify_chosen_name();
                self.obj().notify_name();
            }
            if self.chosen_colour.replace(colour) != colour {
                self.obj().notify_colour();
            }
        }

        pub(super) fn show(&self, facts: &Facts) {
            let object = self.obj();
            let is_here = facts.is_here || self.is_this_device.get();
            if self.is_here.replace(is_here) != is_here {
                object.notify_is_here();
            }
            if self.is_reachable.replace(facts.is_reachable) != facts.is_reachable {
                object.notify_is_reachable();
            }
            if self.last_seen_us.replace(facts.last_seen_us) != facts.last_seen_us {
                object.notify_last_seen_us();
            }
            if self.is_muted.replace(facts.is_muted) != facts.is_muted {
                object.notify_is_muted();
            }
        }

        pub(super) fn set_is_this_device(&self, is_this_device: bool) {
            if self.is_this_device.replace(is_this_device) != is_this_device {
                self.obj().notify_is_this_device();
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Author {
        const NAME: &'static str = "ReflectionAuthor";
        type Type = super::Author;
    }

    #[glib::derived_properties]
    impl ObjectImpl for Author {}
}

glib::wrapper! {
    /// One person who takes part in a document.
    pub struct Author(ObjectSubclass<imp::Author>);
}

impl Author {
    pub(super) fn new(author: AuthorId, is_this_device: bool) -> Self {
        let object: Self = glib::Object::new();
        let imp = object.imp();
        // Set once, right after construction; the cell cannot be taken yet.
        let _ = imp.id.set(author);
        imp.set_is_this_device(is_this_device);
        // Whoever sits before this screen is here.
        imp.show(&Facts::default());
        object
    }

    /// Who it is.
    pub fn id(&self) -> AuthorId {
        self.imp().id()
    }

    /// The looks that belong to the key.
    pub fn persona(&self) -> Persona {
        self.imp().persona()
    }

    /// Has the document open, or is connected.
    pub fn is_online(&self) -> bool {
        self.is_here() || self.is_reachable()
    }

    pub(super) fn show(&self, facts: &Facts) {
        self.imp().show(facts);
    }

    /// The name and colour that they chose; an empty name for none.
    pub(super) fn set_chosen(&self, name: &str, colour: Option<u32>) {
        self.imp().set_chosen(name, colour);
    }
}
