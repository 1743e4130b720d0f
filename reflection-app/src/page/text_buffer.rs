// SPDX-License-Identifier: GPL-3.0-or-later
//! The text on the screen, kept equal to the text of the document.
//!
//! Invariants: what is typed goes to the document before it is in the buffer, and stays out of
//! the buffer if the document refuses it; what others wrote, or what was typed in another window,
//! goes into the buffer by insertions and deletions while the handlers for typing are blocked, so
//! that it does not come back as an edit; such edits never move the caret to other text; positions
//! are Unicode scalar values.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use glib::clone;
use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;
use reflection_doc::engine::Selection;
use reflection_doc::objects::{Document, EditRefused};
use sourceview5::prelude::*;
use sourceview5::subclass::prelude::*;

/// What is shown in place of a zero, the one character that GTK's texts cannot hold.
const REPLACEMENT: &str = "\u{FFFD}";

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct TextBuffer {
        pub(super) document: RefCell<Option<Document>>,
        /// Handlers of this buffer's own signals: what is typed.
        pub(super) typing: RefCell<Vec<glib::SignalHandlerId>>,
        /// Handlers of the document's signals: what others wrote.
        pub(super) arriving: RefCell<Vec<glib::SignalHandlerId>>,
        /// Whether an edit of this buffer is being handed to the document.
        pub(super) is_handing_over: Cell<bool>,
        /// How many edits were refused; a mistyped key must not be silent.
        pub(super) refused: Cell<u32>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TextBuffer {
        const NAME: &'static str = "ReflectionTextBuffer";
        type Type = super::TextBuffer;
        type ParentType = sourceview5::Buffer;
    }

    impl ObjectImpl for TextBuffer {
        fn constructed(&self) {
            self.parent_constructed();
            let buffer = self.obj();
            // Undo comes from the document, which knows what is one's own.
            buffer.set_enable_undo(false);
            buffer.set_highlight_matching_brackets(false);
            buffer.set_highlight_syntax(true);
            let languages = sourceview5::LanguageManager::default();
            buffer.set_language(languages.language("markdown").as_ref());
        }

        fn dispose(&self) {
            self.obj().detach();
        }
    }

    impl TextBufferImpl for TextBuffer {}
    impl BufferImpl for TextBuffer {}
}

glib::wrapper! {
    /// The text on the screen.
    pub struct TextBuffer(ObjectSubclass<imp::TextBuffer>)
        @extends sourceview5::Buffer, gtk::TextBuffer;
}

impl Default for TextBuffer {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl TextBuffer {
    /// Shows the text of a document from now on, and hands it what is typed.
    pub fn attach(&self, document: &Document) {
        self.detach();
        let imp = self.imp();
        imp.document.replace(Some(document.clone()));
        let arriving = vec![
            document.connect_text_inserted(clone!(
                #[weak(rename_to = buffer)]
                self,
                move |_, at, text| {
                    if !buffer.is_handing_over() {
                        buffer.insert_arrived(at, text);
                    }
                }
            )),
            document.connect_text_deleted(clone!(
                #[weak(rename_to = buffer)]
                self,
                move |_, at, count| {
                    if !buffer.is_handing_over() {
                        buffer.delete_arrived(at, count);
                    }
                }
            )),
        ];
        imp.arriving.replace(arriving);
        self.become_text(&shown(&document.text()));
        let selection = self.present_selection();
        if selection.caret > 0 {
            // It was there before.
            document.select(selection);
        }
        let document = document.clone();
        self.hand_over_typing(
            clone!(
                #[strong]
                document,
                move |at, text| document.insert_text(at, text)
            ),
            move |at, count| document.delete_range(at, count),
        );
        self.hand_over_commands();
    }

    /// Becomes another text by what is different alone, so that the caret and what is seen stay
    /// where they are.
    fn become_text(&self, text: &str) {
        let present = self.shown_text();
        if present == text {
            return;
        }
        let alike = |one: &mut dyn Iterator<Item = char>, other: &mut dyn Iterator<Item = char>| {
            one.zip(other)
                .take_while(|(one, other)| one == other)
                .count()
        };
        let (from, to) = (present.chars().count(), text.chars().count());
        let head = alike(&mut present.chars(), &mut text.chars());
        let tail =
            alike(&mut present.chars().rev(), &mut text.chars().rev()).min(from.min(to) - head);
        let added: String = text.chars().skip(head).take(to - tail - head).collect();
        let at = u32::try_from(head).unwrap_or(u32::MAX);
        if from > head + tail {
            self.delete_arrived(at, u32::try_from(from - tail - head).unwrap_or(u32::MAX));
        }
        if !added.is_empty() {
            self.insert_arrived(at, &added);
        }
    }

    /// Tells the document where the caret is and what belongs together, for its undo.
    fn hand_over_commands(&self) {
        let tell = |react: fn(&Document)| {
            move |buffer: &Self| {
                if let Some(document) = &*buffer.imp().document.borrow() {
                    react(document);
                }
            }
        };
        let handlers = [
            self.connect_begin_user_action(tell(Document::begin_command)),
            self.connect_end_user_action(tell(Document::end_command)),
            self.connect_cursor_position_notify(Self::tell_selection),
            self.connect_has_selection_notify(Self::tell_selection),
        ];
        self.imp().typing.borrow_mut().extend(handlers);
    }

    /// Tells the document that the person here is where this caret is, and not where that of
    /// another window is.
    pub fn tell_selection(&self) {
        if let Some(document) = &*self.imp().document.borrow() {
            document.select(self.present_selection());
        }
    }

    /// Whether what is announced at this moment was typed here.
    pub fn is_handing_over(&self) -> bool {
        self.imp().is_handing_over.get()
    }

    /// Caret and selection.
    pub fn present_selection(&self) -> Selection {
        let place = |mark: &gtk::TextMark| {
            usize::try_from(self.iter_at_mark(mark).offset()).unwrap_or_default()
        };
        Selection {
            anchor: place(&self.selection_bound()),
            caret: place(&self.get_insert()),
        }
    }

    /// Puts caret and selection there.
    pub fn show_selection(&self, selection: Selection) {
        let place = |at: usize| self.iter_at_offset(i32::try_from(at).unwrap_or(i32::MAX));
        self.select_range(&place(selection.caret), &place(selection.anchor));
    }

    /// Shows no document's text any longer. The text stays as it is and belongs to nobody.
    pub fn detach(&self) {
        let imp = self.imp();
        for handler in imp.typing.take() {
            self.disconnect(handler);
        }
        if let Some(document) = imp.document.take() {
            for handler in imp.arriving.take() {
                document.disconnect(handler);
            }
        }
    }

    /// The document whose text it shows.
    pub fn document(&self) -> Option<Document> {
        self.imp().document.borrow().clone()
    }

    /// Whether it shows a document's text.
    pub fn is_attached(&self) -> bool {
        self.imp().document.borrow().is_some()
    }

    /// The whole text, with the characters that stand for something else.
    pub fn shown_text(&self) -> String {
        self.slice(&self.start_iter(), &self.end_iter(), true)
            .into()
    }

    /// Calls `insert` and `delete` with what is typed, before it is in the buffer.
    fn hand_over_typing(
        &self,
        insert: impl Fn(u32, &str) -> Result<(), EditRefused> + 'static,
        delete: impl Fn(u32, u32) -> Result<(), EditRefused> + 'static,
    ) {
        let inserted = self.connect_insert_text(move |buffer, at, text| {
            // GTK announces insertions of nothing, which are no edits.
            if !text.is_empty() && buffer.hand_over(|| insert(offset(at), text)).is_err() {
                buffer.refuse("insert-text");
            }
        });
        let deleted = self.connect_delete_range(move |buffer, from, to| {
            let (from, to) = (offset(from), offset(to));
            let (from, to) = (from.min(to), from.max(to));
            if from < to && buffer.hand_over(|| delete(from, to - from)).is_err() {
                buffer.refuse("delete-range");
            }
        });
        self.imp().typing.replace(vec![inserted, deleted]);
    }

    /// What the document announces meanwhile is for other windows.
    fn hand_over<T>(&self, act: impl FnOnce() -> T) -> T {
        self.imp().is_handing_over.set(true);
        let outcome = act();
        self.imp().is_handing_over.set(false);
        outcome
    }

    /// Keeps an edit that the document does not take out of the buffer.
    fn refuse(&self, signal: &str) {
        self.imp()
            .refused
            .set(self.imp().refused.get().saturating_add(1));
        self.stop_signal_emission_by_name(signal);
    }

    /// Inserts what somebody else wrote.
    pub fn insert_arrived(&self, at: u32, text: &str) {
        let length = scalar_count(text);
        self.change_from_outside(
            |buffer| {
                let mut place = buffer.iter_at_offset(signed(at));
                buffer.insert(&mut place, &shown(text));
            },
            |selection| selection.after_insertion(at, length),
        );
    }

    /// Deletes what somebody else deleted.
    pub fn delete_arrived(&self, at: u32, count: u32) {
        self.change_from_outside(
            |buffer| {
                let mut from = buffer.iter_at_offset(signed(at));
                let mut to = buffer.iter_at_offset(signed(at.saturating_add(count)));
                buffer.delete(&mut from, &mut to);
            },
            |selection| selection.after_deletion(at, count),
        );
    }

    fn change_from_outside(
        &self,
        change: impl FnOnce(&Self),
        moved: impl FnOnce(Bounds) -> Bounds,
    ) {
        let wanted = moved(self.selection());
        let typing = self.imp().typing.borrow();
        for handler in typing.iter() {
            self.block_signal(handler);
        }
        change(self);
        // The document moves its own idea of the selection by itself, so it is not told of this.
        if self.selection() != wanted {
            let caret = self.iter_at_offset(signed(wanted.caret));
            let bound = self.iter_at_offset(signed(wanted.bound));
            self.select_range(&caret, &bound);
        }
        for handler in typing.iter() {
            self.unblock_signal(handler);
        }
    }

    fn selection(&self) -> Bounds {
        Bounds {
            caret: offset(&self.iter_at_mark(&self.get_insert())),
            bound: offset(&self.iter_at_mark(&self.selection_bound())),
        }
    }
}

/// The caret and the other end of the selection; equal where nothing is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    caret: u32,
    bound: u32,
}

impl Bounds {
    /// A caret stays before what is written right at it: of two people who write at the same
    /// place, each keeps their own words together. A selection does not grow at either end.
    fn after_insertion(self, at: u32, length: u32) -> Self {
        let start = self.caret.min(self.bound);
        let is_range = self.caret != self.bound;
        let moved = |place: u32| {
            let moves = place > at || (place == at && is_range && place == start);
            if moves {
                place.saturating_add(length)
            } else {
                place
            }
        };
        Self {
            caret: moved(self.caret),
            bound: moved(self.bound),
        }
    }

    fn after_deletion(self, at: u32, count: u32) -> Self {
        let end = at.saturating_add(count);
        let moved = |place: u32| {
            if place >= end {
                place - count
            } else {
                place.min(at)
            }
        };
        Self {
            caret: moved(self.caret),
            bound: moved(self.bound),
        }
    }
}

/// A text as GTK can hold it, of the same length.
fn shown(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', REPLACEMENT).into()
    } else {
        text.into()
    }
}

fn offset(place: &gtk::TextIter) -> u32 {
    u32::try_from(place.offset()).unwrap_or(0)
}

/// GTK counts in signed numbers; no text comes near their end.
fn signed(offset: u32) -> i32 {
    i32::try_from(offset).unwrap_or(i32::MAX)
}

fn scalar_count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod following;
#[cfg(test)]
mod tests;
