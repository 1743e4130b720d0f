// SPDX-License-Identifier: GPL-3.0-or-later
//! One person who takes part in a document.

use std::cell::{Cell, OnceCell};

use glib::prelude::*;
use glib::subclass::prelude::*;
use reflection_node::identity::AuthorId;

use crate::persona::Persona;

mod imp {
    use super::*;

    #[derive(Debug, Default, glib::Properties)]
    #[properties(wrapper_type = super::Author)]
    pub struct Author {
        pub(super) id: OnceCell<AuthorId>,
        pub(super) persona: OnceCell<Persona>,
        /// What to call them; the English default until they have chosen a name.
        #[property(get = Self::name)]
        name: std::marker::PhantomData<String>,
        /// Index into the front end's palette, below [`crate::persona::COLOURS`].
        #[property(get = |imp: &Self| imp.persona().colour)]
        colour: std::marker::PhantomData<u32>,
        /// Index of the shape, below [`crate::persona::SHAPES`].
        #[property(get = |imp: &Self| imp.persona().shape)]
        shape: std::marker::PhantomData<u32>,
        /// Whether a connection to them stands that carries this document.
        #[property(get)]
        is_here: Cell<bool>,
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
            self.persona().name()
        }

        pub(super) fn set_is_here(&self, is_here: bool) {
            if self.is_here.replace(is_here) != is_here {
                self.obj().notify_is_here();
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
        imp.set_is_here(is_this_device);
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

    pub(super) fn set_is_here(&self, is_here: bool) {
        self.imp().set_is_here(is_here);
    }
}
