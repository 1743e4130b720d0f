// SPDX-License-Identifier: GPL-3.0-or-later
//! One document that was found, with what of it shows why.

use std::cell::OnceCell;
use std::ops::Range;

use glib::subclass::prelude::*;

use super::Document;
use crate::library;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct SearchHit {
        pub(super) document: OnceCell<Document>,
        pub(super) title: OnceCell<library::Marked>,
        pub(super) snippet: OnceCell<library::Marked>,
        pub(super) place: OnceCell<Range<usize>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SearchHit {
        const NAME: &'static str = "ReflectionSearchHit";
        type Type = super::SearchHit;
    }

    impl ObjectImpl for SearchHit {}
}

glib::wrapper! {
    /// One document that was found.
    pub struct SearchHit(ObjectSubclass<imp::SearchHit>);
}

impl SearchHit {
    pub(super) fn new(document: Document, hit: library::SearchHit) -> Self {
        let object: Self = glib::Object::new();
        let imp = object.imp();
        // Set once, right after construction; the cells cannot be taken yet.
        let _ = imp.document.set(document);
        let _ = imp.title.set(hit.title);
        let _ = imp.snippet.set(hit.snippet);
        if let Some(place) = hit.place {
            let _ = imp.place.set(place);
        }
        object
    }

    /// The document.
    pub fn document(&self) -> Option<Document> {
        self.imp().document.get().cloned()
    }

    /// Its title with what was looked for.
    pub fn title(&self) -> library::Marked {
        self.imp().title.get().cloned().unwrap_or_default()
    }

    /// The part of its text that shows why it was found.
    pub fn snippet(&self) -> library::Marked {
        self.imp().snippet.get().cloned().unwrap_or_default()
    }

    /// Where in the text what was looked for stands first, in Unicode scalar values.
    pub fn place(&self) -> Option<Range<usize>> {
        self.imp().place.get().cloned()
    }
}
