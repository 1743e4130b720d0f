// SPDX-License-Identifier: GPL-3.0-or-later
//! Everybody who takes part in a document, as a list model: this device first, then who is here,
//! then who can be reached, then the others, each group by name.

use std::cell::RefCell;
use std::collections::BTreeMap;

use gio::prelude::*;
use gio::subclass::prelude::*;
use reflection_node::identity::AuthorId;

use super::Author;
use super::author::Facts;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct Authors {
        pub(super) authors: RefCell<Vec<Author>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Authors {
        const NAME: &'static str = "ReflectionAuthors";
        type Type = super::Authors;
        type Interfaces = (gio::ListModel,);
    }

    impl ObjectImpl for Authors {}

    impl ListModelImpl for Authors {
        fn item_type(&self) -> glib::Type {
            Author::static_type()
        }

        fn n_items(&self) -> u32 {
            u32::try_from(self.authors.borrow().len()).unwrap_or(u32::MAX)
        }

        fn item(&self, position: u32) -> Option<glib::Object> {
            self.authors
                .borrow()
                .get(position as usize)
                .map(|author| author.clone().upcast())
        }
    }
}

glib::wrapper! {
    /// Everybody who takes part in a document.
    pub struct Authors(ObjectSubclass<imp::Authors>) @implements gio::ListModel;
}

impl Default for Authors {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl Authors {
    /// The objects at this moment, in the order of the list.
    pub fn to_vec(&self) -> Vec<Author> {
        self.imp().authors.borrow().clone()
    }

    /// The person with this key, if they take part.
    pub fn get(&self, author: &AuthorId) -> Option<Author> {
        self.imp()
            .authors
            .borrow()
            .iter()
            .find(|known| known.id() == *author)
            .cloned()
    }

    /// Makes the list hold exactly `everybody` and this device.
    ///
    /// Those who stay keep their objects. Listeners hear of one change, and of none if there is
    /// none in who it is or in what order.
    pub(super) fn update(&self, this_device: &AuthorId, everybody: &BTreeMap<AuthorId, Facts>) {
        let nothing = Facts::default();
        let others = everybody.iter().filter(|(id, _)| *id != this_device);
        let mut authors: Vec<Author> = std::iter::once((this_device, &nothing))
            .chain(others)
            .map(|(id, facts)| {
                let author = self
                    .get(id)
                    .unwrap_or_else(|| Author::new(*id, id == this_device));
                author.show(facts);
                author
            })
            .collect();
        authors.sort_by_cached_key(|author| {
            (
                !author.is_this_device(),
                !author.is_here(),
                !author.is_reachable(),
                author.name(),
                author.id(),
            )
        });
        let old = self.imp().authors.replace(authors.clone());
        if old != authors {
            let count = |list: &[Author]| u32::try_from(list.len()).unwrap_or(u32::MAX);
            self.items_changed(0, count(&old), count(&authors));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(byte: u8) -> AuthorId {
        AuthorId::from_bytes([byte; 32])
    }

    fn people(everybody: &[u8], here: &[u8]) -> BTreeMap<AuthorId, Facts> {
        let facts = |byte| Facts {
            is_here: here.contains(byte),
            ..Facts::default()
        };
        everybody
            .iter()
            .map(|byte| (id(*byte), facts(byte)))
            .collect()
    }

    #[test]
    fn this_device_comes_first_and_people_keep_their_objects() {
        let authors = Authors::default();
        authors.update(&id(1), &people(&[1, 2, 3], &[3]));
        let first = authors.to_vec();
        assert_eq!(first.len(), 3);
        assert_eq!(
            (first[0].id(), first[1].id(), first[2].id()),
            (id(1), id(3), id(2))
        );
        assert!(first[0].is_this_device() && first[0].is_here() && first[1].is_here());

        authors.update(&id(1), &people(&[2, 3], &[2]));
        let second = authors.to_vec();
        assert_eq!(
            second,
            [first[0].clone(), first[2].clone(), first[1].clone()]
        );
        assert!(!first[1].is_here());
    }

    #[test]
    fn nothing_is_announced_where_nothing_changed() {
        let authors = Authors::default();
        authors.update(&id(1), &people(&[2], &[]));
        let announced = std::rc::Rc::new(std::cell::Cell::new(0));
        authors.connect_items_changed({
            let announced = announced.clone();
            move |_, _, _, _| announced.set(announced.get() + 1)
        });
        authors.update(&id(1), &people(&[2], &[]));
        assert_eq!(announced.get(), 0);
    }

    #[test]
    fn a_chosen_name_takes_the_place_of_the_default() {
        let authors = Authors::default();
        authors.update(&id(1), &people(&[2], &[]));
        let other = authors.get(&id(2)).unwrap();
        let default = other.name();
        other.set_chosen("Ana", Some(3));
        assert_eq!((other.name().as_str(), other.colour()), ("Ana", 3));
        other.set_chosen("", None);
        assert_eq!(other.name(), default);
    }
}
