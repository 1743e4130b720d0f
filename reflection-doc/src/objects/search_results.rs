// SPDX-License-Identifier: GPL-3.0-or-later
//! What a search in all documents found, as a list model, the best first.
//!
//! Invariants: only the answer to the last question is shown; what is deleted leaves the list at
//! once.

use std::cell::{Cell, OnceCell, RefCell};

use gio::prelude::*;
use gio::subclass::prelude::*;
use glib::clone;

use super::{Documents, SearchHit};
use crate::library::{HITS_MAX, Library};

mod imp {
    use super::*;

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::SearchResults)]
    pub struct SearchResults {
        pub(super) library: OnceCell<Library>,
        pub(super) documents: OnceCell<Documents>,
        pub(super) hits: RefCell<Vec<SearchHit>>,
        pub(super) question: RefCell<Option<glib::JoinHandle<()>>>,
        /// What the list is the answer to.
        #[property(get)]
        words: RefCell<String>,
        /// Whether the last question could not be answered.
        #[property(get)]
        has_failed: Cell<bool>,
    }

    impl SearchResults {
        pub(super) fn answer(&self, words: &str, hits: Option<Vec<SearchHit>>) {
            let failed = hits.is_none();
            let hits = hits.unwrap_or_default();
            let added = count(hits.len());
            let removed = count(self.hits.replace(hits).len());
            self.obj().items_changed(0, removed, added);
            self.has_failed.set(failed);
            self.words.replace(words.to_owned());
            // Also where both are as before: somebody waits for the answer.
            self.obj().notify_has_failed();
            self.obj().notify_words();
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SearchResults {
        const NAME: &'static str = "ReflectionSearchResults";
        type Type = super::SearchResults;
        type Interfaces = (gio::ListModel,);
    }

    #[glib::derived_properties]
    impl ObjectImpl for SearchResults {
        fn dispose(&self) {
            if let Some(question) = self.question.take() {
                question.abort();
            }
        }
    }

    impl ListModelImpl for SearchResults {
        fn item_type(&self) -> glib::Type {
            SearchHit::static_type()
        }

        fn n_items(&self) -> u32 {
            count(self.hits.borrow().len())
        }

        fn item(&self, position: u32) -> Option<glib::Object> {
            self.hits
                .borrow()
                .get(position as usize)
                .map(|hit| hit.clone().upcast())
        }
    }
}

glib::wrapper! {
    /// What a search in all documents found.
    pub struct SearchResults(ObjectSubclass<imp::SearchResults>) @implements gio::ListModel;
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl SearchResults {
    pub(super) fn new(library: &Library, documents: &Documents) -> Self {
        let object: Self = glib::Object::new();
        let imp = object.imp();
        // Set once, right after construction; the cells cannot be taken yet.
        let _ = imp.library.set(library.clone());
        let _ = imp.documents.set(documents.clone());
        documents.connect_items_changed(clone!(
            #[weak(rename_to = results)]
            object,
            move |_, _, removed, _| {
                if removed > 0 {
                    results.drop_deleted();
                }
            }
        ));
        object
    }

    /// Searches for words. The list has the answer once [`SearchResults::words`] says so; without
    /// words it is empty at once.
    pub fn look_for(&self, words: &str) {
        let imp = self.imp();
        if let Some(question) = imp.question.take() {
            question.abort();
        }
        let Some(library) = imp.library.get().cloned() else {
            return;
        };
        if words.trim().is_empty() {
            return imp.answer(words, Some(Vec::new()));
        }
        let (words, results) = (words.to_owned(), self.downgrade());
        let question = glib::spawn_future_local(async move {
            let found = library.search(&words, HITS_MAX).await;
            let Some(results) = results.upgrade() else {
                return;
            };
            let imp = results.imp();
            let hits = found.ok().map(|found| {
                let known = imp.documents.get();
                let hits = found.hits.into_iter();
                hits.filter_map(|hit| Some(SearchHit::new(known?.get(&hit.topic)?, hit)))
                    .collect()
            });
            imp.answer(&words, hits);
        });
        imp.question.replace(Some(question));
    }

    fn drop_deleted(&self) {
        let imp = self.imp();
        let Some(documents) = imp.documents.get() else {
            return;
        };
        let position = imp.hits.borrow().iter().position(|hit| {
            let topic = hit.document().and_then(|document| document.topic());
            topic.is_none_or(|topic| documents.get(&topic).is_none())
        });
        // One announcement removes one document.
        if let Some(position) = position {
            imp.hits.borrow_mut().remove(position);
            self.items_changed(count(position), 1, 0);
        }
    }
}
