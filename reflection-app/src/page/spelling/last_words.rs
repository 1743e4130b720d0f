// SPDX-License-Identifier: GPL-3.0-or-later
//! Marks the misspelt words that libspelling (seen in 0.4.8) leaves out.
//!
//! It checks stretches of text that end with the end of a word, takes the marks off all of a stretch,
//! and then looks for ends of words up to the last character but not behind it: so the last word is not
//! looked at, and has lost its mark. That happens to the word behind each one that is checked anew, as
//! when the caret comes there, or when undo brings it back. Where marks were taken off, this looks at the
//! last word once the others are marked.

use std::cell::RefCell;
use std::rc::Rc;

use gtk::glib;
use gtk::prelude::*;
use sourceview5::prelude::*;

use crate::page::text_buffer::TextBuffer;

/// Most stretches that are remembered. More at once are whole texts, of which one word more or less is
/// marked when the caret comes by.
const STRETCHES_MAX: usize = 1_000;
/// What GtkSourceView calls text that is not to be checked.
const NO_SPELL_CHECK: &str = "no-spell-check";

/// What looks at the last words of one text.
#[derive(Debug)]
pub struct LastWords {
    buffer: glib::WeakRef<TextBuffer>,
    handler: Option<glib::SignalHandlerId>,
    ends: Rc<Ends>,
}

#[derive(Debug, Default)]
struct Ends {
    /// Where stretches end that have lost their marks.
    marks: RefCell<Vec<gtk::TextMark>>,
    looking: RefCell<Option<glib::SourceId>>,
}

impl LastWords {
    /// Looks at what this adapter does to its text.
    pub fn follow(buffer: &TextBuffer, adapter: &spelling::TextBufferAdapter) -> Self {
        let ends = Rc::new(Ends::default());
        let handler = buffer.connect_remove_tag({
            let (ends, adapter) = (Rc::downgrade(&ends), adapter.downgrade());
            move |buffer, tag, _, end| {
                if let (Some(ends), Some(adapter)) = (ends.upgrade(), adapter.upgrade())
                    && adapter.tag().as_ref() == Some(tag)
                {
                    ends.unmarked_until(buffer, &adapter, end);
                }
            }
        });
        Self {
            buffer: buffer.downgrade(),
            handler: Some(handler),
            ends,
        }
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        if let Some(looking) = self.ends.looking.take() {
            looking.remove();
        }
        if let (Some(buffer), Some(handler)) = (self.buffer.upgrade(), self.handler.take()) {
            buffer.disconnect(handler);
        }
    }
}

impl Ends {
    fn unmarked_until(
        self: &Rc<Self>,
        buffer: &TextBuffer,
        adapter: &spelling::TextBufferAdapter,
        end: &gtk::TextIter,
    ) {
        let mut marks = self.marks.borrow_mut();
        if marks.len() < STRETCHES_MAX {
            marks.push(buffer.create_mark(None, end, true));
        }
        if self.looking.borrow().is_some() {
            return;
        }
        let (ends, adapter, buffer) =
            (Rc::downgrade(self), adapter.downgrade(), buffer.downgrade());
        // The words that were looked at are marked in the same turn of the main loop.
        let source = glib::idle_add_local_once(move || {
            let Some(ends) = ends.upgrade() else {
                return;
            };
            // It has come, so there is nothing to be taken back any more.
            ends.looking.take();
            let marks = ends.marks.take();
            if let (Some(adapter), Some(buffer)) = (adapter.upgrade(), buffer.upgrade()) {
                for mark in marks {
                    let end = buffer.iter_at_mark(&mark);
                    buffer.delete_mark(&mark);
                    mark_if_wrong(&buffer, &adapter, &end);
                }
            }
        });
        self.looking.replace(Some(source));
    }
}

/// Marks the word that ends here if it is misspelt, and nobody is writing it.
fn mark_if_wrong(buffer: &TextBuffer, adapter: &spelling::TextBufferAdapter, end: &gtk::TextIter) {
    let (Some(tag), Some(checker)) = (adapter.tag(), adapter.checker()) else {
        return;
    };
    let mut start = *end;
    if !adapter.is_enabled() || !end.ends_word() || !start.backward_word_start() {
        return;
    }
    let caret = buffer.iter_at_mark(&buffer.get_insert());
    let is_being_written = start <= caret && caret <= *end;
    if is_being_written
        || start.has_tag(&tag)
        || buffer.iter_has_context_class(&start, NO_SPELL_CHECK)
    {
        return;
    }
    // With a sign of words before it that is none to GTK, it is not the whole word.
    let mut before = start;
    let joins = checker.extra_word_chars();
    if before.backward_char() && joins.contains(before.char()) {
        return;
    }
    if !checker.check_word(&start.slice(end)) {
        buffer.apply_tag(&tag, &start, end);
    }
}
