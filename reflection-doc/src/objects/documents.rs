// SPDX-License-Identifier: GPL-3.0-or-later
//! All documents of this device as a list model: first the pinned ones, last those put away, and
//! among each the last used first.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::sync::LazyLock;

use gio::prelude::*;
use gio::subclass::prelude::*;
use glib::subclass::Signal;
use reflection_node::access::TopicId;

use super::Document;
use crate::library::{DocumentSummary, Library};

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct Documents {
        pub(super) documents: RefCell<Vec<Document>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Documents {
        const NAME: &'static str = "ReflectionDocuments";
        type Type = super::Documents;
        type Interfaces = (gio::ListModel,);
    }

    impl ObjectImpl for Documents {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                vec![
                    Signal::builder("unread-changed")
                        .param_types([Document::static_type()])
                        .build(),
                ]
            });
            &SIGNALS
        }
    }

    impl ListModelImpl for Documents {
        fn item_type(&self) -> glib::Type {
            Document::static_type()
        }

        fn n_items(&self) -> u32 {
            count(self.documents.borrow().len())
        }

        fn item(&self, position: u32) -> Option<glib::Object> {
            self.documents
                .borrow()
                .get(position as usize)
                .map(|document| document.clone().upcast())
        }
    }
}

glib::wrapper! {
    /// All documents of this device. Signal: `unread-changed (document)`, when others changed a
    /// document since it was last looked at, and when somebody looks.
    pub struct Documents(ObjectSubclass<imp::Documents>) @implements gio::ListModel;
}

impl Default for Documents {
    fn default() -> Self {
        glib::Object::new()
    }
}

/// What the order follows.
fn place(document: &Document) -> (bool, bool, Reverse<u64>) {
    (
        document.is_archived(),
        !document.is_pinned(),
        Reverse(document.last_use_us()),
    )
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Documents {
    /// The document with this id.
    pub fn get(&self, topic: &TopicId) -> Option<Document> {
        self.imp()
            .documents
            .borrow()
            .iter()
            .find(|known| known.topic() == Some(*topic))
            .cloned()
    }

    /// The objects at this moment, in the order of the list.
    pub fn to_vec(&self) -> Vec<Document> {
        self.imp().documents.borrow().clone()
    }

    /// Calls back when a document was changed by others since it was looked at, or is looked at.
    pub fn connect_unread_changed<F: Fn(&Self, Document) + 'static>(
        &self,
        f: F,
    ) -> glib::SignalHandlerId {
        self.connect_closure(
            "unread-changed",
            false,
            glib::closure_local!(move |documents: &Self, document: Document| {
                f(documents, document);
            }),
        )
    }

    /// Adds a document, or takes over what the library says of one that is known.
    pub(super) fn show(&self, library: &Library, summary: &DocumentSummary) -> Document {
        if let Some(known) = self.get(&summary.topic) {
            known.show_summary(summary);
            return known;
        }
        let document = Document::new(library, summary);
        for property in ["last-use-us", "is-pinned", "is-archived"] {
            document.connect_notify_local(
                Some(property),
                glib::clone!(
                    #[weak(rename_to = documents)]
                    self,
                    move |document, property| {
                        // Filters look again at what is announced.
                        documents.put_in_place(document, property.name() == "is-archived");
                    }
                ),
            );
        }
        document.connect_is_unread_notify(glib::clone!(
            #[weak(rename_to = documents)]
            self,
            move |document| documents.emit_by_name::<()>("unread-changed", &[document])
        ));
        let position = {
            let mut documents = self.imp().documents.borrow_mut();
            let position = documents.partition_point(|known| place(known) < place(&document));
            documents.insert(position, document.clone());
            position
        };
        self.items_changed(count(position), 0, 1);
        document
    }

    pub(super) fn remove(&self, topic: &TopicId) -> Option<Document> {
        let (position, document) = {
            let mut documents = self.imp().documents.borrow_mut();
            let position = documents
                .iter()
                .position(|known| known.topic() == Some(*topic))?;
            (position, documents.remove(position))
        };
        self.items_changed(count(position), 1, 0);
        Some(document)
    }

    /// Moves a document to where it belongs. One announcement spans both places, so that a
    /// selection survives it.
    fn put_in_place(&self, document: &Document, is_always_announced: bool) {
        let (first, span) = {
            let mut documents = self.imp().documents.borrow_mut();
            let Some(from) = documents.iter().position(|known| known == document) else {
                return;
            };
            documents.sort_by_key(place);
            let Some(to) = documents.iter().position(|known| known == document) else {
                return;
            };
            (from.min(to), from.abs_diff(to))
        };
        if span > 0 || is_always_announced {
            self.items_changed(count(first), count(span + 1), count(span + 1));
        }
    }
}
