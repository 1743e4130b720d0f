// SPDX-License-Identifier: GPL-3.0-or-later
//! What comes from the document's stream.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::{iter, slice};

use loro::{ImportStatus, TextDelta};
use reflection_node::identity::AuthorId;
use reflection_node::pipeline::Delivered;

use super::effect::{Change, Effect, Origin};
use super::shape::Shape;
use super::undo::Undo;
use super::{Engine, EngineError, PeerId, compaction, join, update};

/// Inserted characters of several people that are told apart, one by one, in one batch.
const TOLD_APART_CHARS_MAX: usize = 4_096;

impl Engine {
    /// Takes operations from the document's stream and gives what they change in the text.
    ///
    /// Own operations of this incarnation that are in the text already change nothing.
    pub fn apply(&mut self, operations: &[Delivered]) -> Result<Vec<Effect>, EngineError> {
        self.commit();
        let own_end = self.own_end();
        let (mut effects, mut outcome) = (Vec::new(), Ok(()));
        for operation in operations {
            self.meet_all(operation);
        }
        for part in join::parts(operations) {
            // What somebody made of the CRDT's encoding must not end the program.
            let imported = catch_unwind(AssertUnwindSafe(|| self.import(part, &mut effects)));
            let Ok(imported) = imported else {
                self.give_up();
                return Err(EngineError::Panicked);
            };
            outcome = outcome.and(imported);
        }
        // Own operations read back when the document is loaded are stored already.
        if self.own_end() > own_end {
            self.taken = self.own_end();
        }
        outcome.map(|()| effects)
    }

    /// Puts an empty document in the place of one that the CRDT gave up on, which can neither be
    /// used nor taken down. Nothing can be edited any more; what is stored is as it was.
    pub(super) fn give_up(&mut self) {
        let (doc, text, subscription) = Self::new_text(self.peer, &self.changes);
        std::mem::forget(std::mem::replace(&mut self.doc, doc));
        std::mem::forget(std::mem::replace(&mut self.text, text));
        std::mem::forget(self.subscription.replace(subscription));
        self.taken = 0;
        self.authorship = None;
        self.undo = Undo::default();
        self.is_broken = true;
    }

    /// Remembers who wrote an operation.
    pub(super) fn meet_all(&mut self, operation: &Delivered) {
        self.meet(operation.author, operation.incarnation);
        let compacted = compaction::split(&operation.body);
        for &incarnation in compacted.iter().flat_map(|(ends, _)| ends.keys()) {
            self.meet(operation.author, incarnation);
        }
    }

    /// Remembers who writes under a CRDT peer id.
    pub(super) fn meet(&mut self, author: AuthorId, incarnation: u64) {
        // Many in a row are by the same.
        if self.met != Some((author, incarnation)) {
            let peer = PeerId::derive(&author, &self.topic, incarnation);
            self.authors.insert(peer.get(), author);
            self.met = Some((author, incarnation));
        }
    }

    /// Takes in operations that may be joined, and each by itself if the CRDT does not take them
    /// together: then one of them is to blame, and the others are not to be lost with it.
    fn import(&mut self, part: &[Delivered], effects: &mut Vec<Effect>) -> Result<(), EngineError> {
        if let Some(joined) = join::joined(part)
            && self.import_updates(&joined, part, effects).is_ok()
        {
            return Ok(());
        }
        let mut outcome = Ok(());
        for operation in part {
            if let Some(update) = update::payload(&operation.body) {
                let imported = self.import_updates(update, slice::from_ref(operation), effects);
                outcome = outcome.and(imported);
            }
        }
        outcome
    }

    /// Takes in updates that came in these operations.
    fn import_updates(
        &mut self,
        updates: &[u8],
        operations: &[Delivered],
        effects: &mut Vec<Effect>,
    ) -> Result<(), EngineError> {
        Self::record(&self.doc, true);
        let status = self.doc.import(updates);
        Self::record(&self.doc, false);
        if let Ok(status) = &status {
            self.note_times(operations, status);
        }
        self.take_over(status.as_ref().ok(), effects);
        status?;
        Ok(())
    }

    /// Remembers when the operations say that their changes were made.
    pub(super) fn note_times(&mut self, operations: &[Delivered], status: &ImportStatus) {
        let authors: BTreeSet<AuthorId> = operations.iter().map(|one| one.author).collect();
        for author in authors {
            let by_author: Vec<&Delivered> = operations
                .iter()
                .filter(|operation| operation.author == author)
                .collect();
            // What had waited for these changes belongs to operations that came before.
            let is_by_author = |peer: &u64| self.authors.get(peer) == Some(&author);
            for changes in iter::once(&status.success).chain(&status.pending) {
                let changes = changes.iter().filter(|(peer, _)| is_by_author(peer));
                self.times.came(&by_author, changes);
            }
        }
    }

    /// Moves all places by what an import changed, and makes effects of it.
    pub(super) fn take_over(&mut self, status: Option<&ImportStatus>, effects: &mut Vec<Effect>) {
        let changes = {
            let mut sink = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *sink)
        };
        let mut peers = status.iter().flat_map(|status| status.success.iter());
        let writer = match (peers.next(), peers.next()) {
            (Some((&peer, _)), None) => Some(peer),
            _ => None,
        };
        let is_single = changes.len() == 1;
        for change in changes {
            let shape = change.shape();
            self.undo.changed_by_others(&shape);
            let inserted: usize = change
                .steps
                .iter()
                .map(|step| match step {
                    TextDelta::Insert { insert, .. } => insert.len(),
                    _ => 0,
                })
                .sum();
            // Who wrote a character can be asked only while positions are those of the change.
            let can_tell = is_single && inserted <= TOLD_APART_CHARS_MAX;
            if writer.is_none() && !can_tell {
                self.authorship = None;
            }
            self.follow(&change, writer, can_tell, effects);
        }
    }

    fn follow(
        &mut self,
        change: &Change,
        writer: Option<u64>,
        can_tell: bool,
        effects: &mut Vec<Effect>,
    ) {
        let mut at = 0;
        // Of an insertion that may go on: keystrokes come one by one, also out of a batch.
        let mut inserting = None;
        let origin = |engine: &Self, peer: Option<u64>| {
            Origin::Remote(peer.and_then(|peer| engine.authors.get(&peer).copied()))
        };
        for step in &change.steps {
            match step {
                TextDelta::Retain { retain, .. } => {
                    at += retain;
                    inserting = None;
                }
                TextDelta::Insert { insert, .. } => {
                    let parts = match writer {
                        None if can_tell => self.by_writer(at, insert),
                        _ => vec![(writer, insert.clone())],
                    };
                    for (peer, text) in parts {
                        let count = text.chars().count();
                        self.spliced(at, 0, count, peer.unwrap_or(u64::MAX));
                        let origin = origin(self, peer);
                        match effects.last_mut() {
                            Some(Effect::Insert { text: last, .. })
                                if inserting == Some(origin) =>
                            {
                                last.push_str(&text);
                            }
                            _ => effects.push(Effect::Insert { at, text, origin }),
                        }
                        inserting = Some(origin);
                        at += count;
                    }
                }
                TextDelta::Delete { delete } => {
                    inserting = None;
                    self.spliced(at, *delete, 0, u64::MAX);
                    effects.push(Effect::Delete {
                        at,
                        count: *delete,
                        origin: origin(self, writer),
                    });
                }
            }
        }
    }

    /// Splits text that stands at `at` by who wrote it.
    fn by_writer(&self, at: usize, inserted: &str) -> Vec<(Option<u64>, String)> {
        let mut parts: Vec<(Option<u64>, String)> = Vec::new();
        for (offset, letter) in inserted.chars().enumerate() {
            let peer = self.text.get_editor_at_unicode_pos(at + offset);
            match parts.last_mut() {
                Some((last, text)) if *last == peer => text.push(letter),
                _ => parts.push((peer, letter.into())),
            }
        }
        parts
    }

    /// Moves what remembers places by a change of the text that `peer` made.
    pub(super) fn spliced(&mut self, at: usize, delete: usize, insert: usize, peer: u64) {
        self.cursors.spliced(at, delete, insert);
        self.selection = self.selection.spliced(at, delete, insert);
        if let Some(written) = &mut self.written {
            written.push(Shape::splice(at, delete, insert));
        }
        if let Some(authorship) = &mut self.authorship {
            authorship.delete(at, delete);
            authorship.insert(at, insert, peer);
        }
    }
}
