// SPDX-License-Identifier: GPL-3.0-or-later
//! Shows by colour, and by a line below it, who wrote which part of the text.

use std::cell::RefCell;
use std::collections::HashMap;

use gtk::pango;
use gtk::prelude::*;
use reflection_doc::objects::Document;
use reflection_doc::persona::Persona;
use reflection_node::identity::AuthorId;

use super::text_buffer::TextBuffer;
use crate::people::text_colour;

/// How much of a person's colour lies behind the text, so that it can be read in any scheme.
const BACKGROUND_ALPHA: f32 = 0.16;

/// The marks of authors in one text.
#[derive(Debug, Default)]
pub struct Authorship {
    tags: RefCell<HashMap<AuthorId, gtk::TextTag>>,
}

impl Authorship {
    /// Marks the whole text anew.
    pub fn show(&self, buffer: &TextBuffer, document: &Document) {
        self.hide(buffer);
        for run in document.author_runs() {
            let Some(author) = run.author else { continue };
            let tag = self.tag(buffer, author);
            let place = |at: usize| buffer.iter_at_offset(i32::try_from(at).unwrap_or(i32::MAX));
            buffer.apply_tag(&tag, &place(run.from), &place(run.to));
        }
        self.colour(document);
    }

    /// Gives the marks the colours that people have now: a person may choose another one or be
    /// known only after their text, and the desktop may turn dark.
    pub fn colour(&self, document: &Document) {
        let people = document.authors();
        let is_dark = adw::StyleManager::default().is_dark();
        for (author, tag) in &*self.tags.borrow() {
            let index = people.get(author).map(|author| author.colour());
            let index = index.unwrap_or_else(|| Persona::of(author).colour);
            let colour = text_colour(index, is_dark);
            if tag.underline_rgba() != Some(colour) {
                tag.set_background_rgba(Some(&colour.with_alpha(BACKGROUND_ALPHA)));
                tag.set_underline_rgba(Some(&colour));
            }
        }
    }

    /// Who wrote what stands there, if that is shown.
    pub fn author_at(&self, place: &gtk::TextIter) -> Option<AuthorId> {
        let tags = self.tags.borrow();
        let mut marks = tags.iter();
        marks.find_map(|(author, tag)| place.has_tag(tag).then_some(*author))
    }

    /// Takes all marks away.
    pub fn hide(&self, buffer: &TextBuffer) {
        let (start, end) = buffer.bounds();
        for tag in self.tags.borrow().values() {
            buffer.remove_tag(tag, &start, &end);
        }
    }

    fn tag(&self, buffer: &TextBuffer, author: AuthorId) -> gtk::TextTag {
        let mut tags = self.tags.borrow_mut();
        let make = || {
            let tag = gtk::TextTag::builder()
                .underline(pango::Underline::Single)
                .build();
            buffer.tag_table().add(&tag);
            // Below all others: a word has one underline, and that of a misspelt one says more.
            tag.set_priority(0);
            tag
        };
        tags.entry(author).or_insert_with(make).clone()
    }
}
