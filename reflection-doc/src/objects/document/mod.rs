// SPDX-License-Identifier: GPL-3.0-or-later
//! One document: what the library shows of it, and its text while somebody looks at it.
//!
//! Invariants: the text is in memory from the first [`Document::open`] to the last
//! [`Document::close`], and longer only while something of it is not on the disk; what was written
//! before it was loaded is in it afterwards; the save state
//! says [`SaveState::Saved`] only after the disk has confirmed everything that was typed; where
//! one shows the text, what signals announce comes from others or from commands, never from the
//! edits that were typed. Where several do, each edit is announced while it is made, for the
//! others; whoever makes it must not listen meanwhile.
//!
//! However many show the text, it is one text with one caret, that of whoever told last, and with
//! one undo: the last thing done on this device is taken back first, wherever it was done.

mod commands;
mod commits;
mod cursors;
mod loading;
mod people;
mod properties;
mod session;
mod states;

use std::time::Duration;

use gio::prelude::*;
use gio::subclass::prelude::*;
use reflection_node::access::{Access, Code, TopicId};
use reflection_node::identity::AuthorId;

use super::Author;
use crate::engine::Draft;
use crate::library::{DocumentSummary, Library};
pub use cursors::RemotePlace;
pub use states::{DocumentPhase, EditRefused, SaveState, Trouble};

/// How long the text may take from the store to the screen before it is thought to be empty.
const COMPARED_DELAY: Duration = Duration::from_millis(500);

glib::wrapper! {
    /// One document.
    ///
    /// Signals, all of them about what came from others, from commands, or from another place that
    /// shows the text, in the order in which it is to be applied: `changing` before a group of
    /// changes, then `text-inserted (at, text)` and `text-deleted (at, count)` in Unicode scalar
    /// values, then `changed (by-others)`. And `deleted`, once the document is gone from this
    /// device; `people-moved`, when somebody came, went or moved.
    pub struct Document(ObjectSubclass<properties::Document>);
}

impl Document {
    pub(super) fn new(library: &Library, summary: &DocumentSummary) -> Self {
        let object: Self = glib::Object::builder()
            .property("id", summary.topic.to_string())
            .build();
        let imp = object.imp();
        // Set once, right after construction; the cells cannot be taken yet.
        let _ = imp.library.set(library.clone());
        let _ = imp.topic.set(summary.topic);
        imp.refresh_status();
        imp.last_caret
            .set(u32::try_from(summary.local.caret).unwrap_or(u32::MAX));
        object.show_summary(summary);
        object
    }

    /// The id by which stores and peers know it.
    pub fn topic(&self) -> Option<TopicId> {
        self.imp().topic.get().copied()
    }

    /// Begins to show the document: its text is loaded, unless it is already.
    /// Each call needs one of [`Document::close`].
    pub fn open(&self) {
        let imp = self.imp();
        imp.viewers.set(imp.viewers.get() + 1);
        imp.note_opening();
        imp.load();
    }

    /// Tries once more to load a text that could not be loaded.
    pub fn reopen(&self) {
        if self.imp().viewers.get() > 0 && self.phase() == DocumentPhase::Failed {
            self.imp().load();
        }
    }

    /// Ends one showing. After the last one the text is let go as soon as everything is saved.
    pub fn close(&self) {
        let imp = self.imp();
        imp.viewers.set(imp.viewers.get().saturating_sub(1));
        if imp.viewers.get() == 0 {
            imp.release_soon();
        }
    }

    /// The text as it stands, with all that was written here; while it is not open, that of last
    /// time where [`Document::has_cached_text`] is set, else empty.
    pub fn text(&self) -> String {
        let imp = self.imp();
        let session = imp.session();
        let text = session.map(|session| session.engine.borrow().text());
        text.or_else(|| imp.draft.borrow().as_ref().map(Draft::text))
            .unwrap_or_default()
    }

    /// Where the caret is, if the text is shown here already, or else was when somebody looked at
    /// it here last, in Unicode scalar values. The text may have become shorter since.
    pub fn last_caret(&self) -> u32 {
        let imp = self.imp();
        match imp.session().filter(|_| imp.viewers.get() > 0) {
            Some(session) => {
                let caret = session.engine.borrow().selection().caret;
                u32::try_from(caret).unwrap_or(u32::MAX)
            }
            None => imp.last_caret.get(),
        }
    }

    /// Takes note of where the caret was left.
    pub async fn left_at(&self, caret: u32) {
        let imp = self.imp();
        imp.last_caret.set(caret);
        if let Some((library, topic)) = imp.handles() {
            // The next showing begins elsewhere, and nothing worse.
            let _ = library.left_at(&topic, caret.into()).await;
        }
    }

    /// Takes over an insertion that was made here, at a position in Unicode scalar values.
    /// It is on the disk when [`Document::save_state`] says so.
    pub fn insert_text(&self, at: u32, text: &str) -> Result<(), EditRefused> {
        self.imp().edit(at, 0, text)
    }

    /// Takes over a deletion that was made here, of `count` Unicode scalar values.
    pub fn delete_range(&self, at: u32, count: u32) -> Result<(), EditRefused> {
        self.imp().edit(at, count, "")
    }

    /// Saves what is not saved yet, without waiting for a pause. Whether everything is on the
    /// disk; `false` as soon as one attempt has failed, though attempts go on.
    pub async fn flush(&self) -> bool {
        self.imp().written_ahead_is_taken_over().await;
        match self.imp().session() {
            Some(session) => session.flush().await,
            None => !self.imp().is_written_ahead(),
        }
    }

    /// A code to hand on, with the best right that this device has, or that and nothing more than
    /// reading. `None` where the node could not make one.
    pub async fn code(&self, access: Access) -> Option<Code> {
        let (library, topic) = self.imp().handles()?;
        library.code(&topic, access, true).await.ok()
    }

    /// The right that this device has to the document.
    pub fn access(&self) -> Access {
        self.imp().access.get()
    }

    /// Calls back before a group of changes that were not typed where this is listened to.
    pub fn connect_changing<F: Fn(&Self) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        self.connect_closure(
            "changing",
            false,
            glib::closure_local!(move |document: &Self| f(document)),
        )
    }

    /// Calls back after such a group, with whether others made any of it.
    pub fn connect_changed<F: Fn(&Self, bool) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        self.connect_closure(
            "changed",
            false,
            glib::closure_local!(move |document: &Self, by_others: bool| f(document, by_others)),
        )
    }

    /// Calls back for each insertion.
    pub fn connect_text_inserted<F: Fn(&Self, u32, &str) + 'static>(
        &self,
        f: F,
    ) -> glib::SignalHandlerId {
        self.connect_closure(
            "text-inserted",
            false,
            glib::closure_local!(move |document: &Self, at: u32, text: &str| f(document, at, text)),
        )
    }

    /// Calls back for each deletion.
    pub fn connect_text_deleted<F: Fn(&Self, u32, u32) + 'static>(
        &self,
        f: F,
    ) -> glib::SignalHandlerId {
        self.connect_closure(
            "text-deleted",
            false,
            glib::closure_local!(move |document: &Self, at: u32, count: u32| f(
                document, at, count
            )),
        )
    }

    /// Calls back once the document is gone from this device.
    pub fn connect_deleted<F: Fn(&Self) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        self.connect_closure(
            "deleted",
            false,
            glib::closure_local!(move |document: &Self| f(document)),
        )
    }

    /// Who wrote what arrived last since the program was started, where that is known.
    pub fn last_writer(&self) -> Option<Author> {
        let author = self.imp().last_writer.get()?;
        self.authors().get(&author)
    }

    /// Whether somebody on this device looks at it.
    pub(super) fn is_shown(&self) -> bool {
        self.imp().viewers.get() > 0
    }

    /// Whether the text is in memory, where it knows better than any summary.
    pub(super) fn is_open(&self) -> bool {
        self.imp().session().is_some()
    }

    /// Takes over what the library says.
    pub(super) fn show_summary(&self, summary: &DocumentSummary) {
        self.imp().show_summary(summary);
    }

    /// Somebody's copy was compared with ours to the end, so what is not here is nowhere.
    pub(super) fn compared(&self) {
        // What came with it may still be on its way to the screen.
        let document = self.downgrade();
        self.imp().tasks.spawn(async move {
            glib::timeout_future(COMPARED_DELAY).await;
            let Some(document) = document.upgrade() else {
                return;
            };
            document.imp().has_content.set(true);
            document.imp().refresh_waiting();
        });
    }

    /// Sees to it that [`Document::authors`] has everybody. Costs a question to the store the
    /// first time, so that it is not asked of documents that nobody looks at.
    pub fn meet_people(&self) {
        if !self.imp().has_met_people.get() {
            self.imp().refresh_authors();
        }
    }

    /// Reads again who is connected and who takes part.
    pub(super) fn refresh_people(&self) {
        self.imp().refresh_status();
        self.imp().refresh_authors_soon();
    }

    /// The person here is called something else from now on.
    pub(super) fn rename_own(&self, profile: &crate::library::Profile) {
        self.imp().rename_own(profile);
    }

    /// Whether it stays at the top of the list, as was just noted.
    pub(super) fn show_pinned(&self, is_pinned: bool) {
        self.imp().set_is_pinned(is_pinned);
    }

    /// Whether it is put away, as was just noted.
    pub(super) fn show_archived(&self, is_archived: bool) {
        self.imp().set_is_archived(is_archived);
    }

    /// Something of `author` arrived.
    pub(super) fn heard_of(&self, author: &AuthorId) {
        self.imp().last_writer.set(Some(*author));
        if self.authors().get(author).is_none() {
            self.imp().refresh_authors();
        }
    }

    /// The document is gone from this device: whatever shows it has to stop.
    pub(super) fn gone(&self) {
        self.imp().end_session();
        self.emit_by_name::<()>("deleted", &[]);
    }
}
