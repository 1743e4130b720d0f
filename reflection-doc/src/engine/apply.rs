// SPDX-License-Identifier: GPL-3.0-or-later
//! What comes from the document's stream.

use std::collections::BTreeSet;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use loro::{ImportStatus, TextDelta};
use reflection_node::identity::AuthorId;
use reflection_node::pipeline::Delivered;

use super::effect::{Change, Effect, Origin};
use super::shape::Shape;
use super::undo::Undo;
use super::{Engine, EngineError, PeerId, compaction, update};

/// Bodies from this size on are imported alone, in bytes.
const LARGE_BODY_BYTES: usize = 16 * 1024;
/// Inserted characters of several people that are told apart, one by one, in one batch.
const TOLD_APART_CHARS_MAX: usize = 4_096;

/// Splits operations where a large one stands, keeping their order.
fn runs(operations: &[Delivered]) -> impl Iterator<Item = &[Delivered]> {
    let is_large = |operation: &Delivered| operation.body.len() >= LARGE_BODY_BYTES;
    operations.chunk_by(move |one, next| !is_large(one) && !is_large(next))
}

impl Engine {
    /// Takes operations from the document's stream and gives what they change in the text.
    ///
    /// Own operations of this incarnation that are in the text already change nothing.
    pub fn apply(&mut self, operations: &[Delivered]) -> Result<Vec<Effect>, EngineError> {
        self.commit();
        let own_end = self.own_end();
        let mut effects = Vec::new();
        for run in runs(operations) {
            for operation in run {
                self.meet_all(operation);
            }
            // What somebody made of the CRDT's encoding must not end the program.
            let imported = catch_unwind(AssertUnwindSafe(|| self.import(run, &mut effects)));
            imported.unwrap_or_else(|_| {
                self.give_up();
                Err(EngineError::Panicked)
            })?;
        }
        // Own operations read back when the document is loaded are stored already.
        if self.own_end() > own_end {
            self.taken = self.own_end();
        }
        Ok(effects)
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
        let peer = PeerId::derive(&author, &self.topic, incarnation);
        self.authors.insert(peer.get(), author);
    }

    /// Imports operations that belong together. What people typed at the same time is merged at
    /// once: one after the other, each looks again at everything since they parted. For what
    /// merely goes on it is the other way round, and for a split paste by orders of magnitude.
    fn import(&mut self, run: &[Delivered], effects: &mut Vec<Effect>) -> Result<(), EngineError> {
        let by_several = run
            .iter()
            .any(|operation| operation.author != run[0].author);
        let parts = if by_several || !self.goes_on(&run[0]) {
            run.chunks(run.len())
        } else {
            run.chunks(1)
        };
        for part in parts {
            let updates = part
                .iter()
                .filter_map(|operation| update::payload(&operation.body));
            let status = match updates.collect::<Vec<_>>().as_slice() {
                [] => continue,
                [update] => self.doc.import(update),
                updates => {
                    let batch: Vec<_> = updates.iter().map(|update| update.to_vec()).collect();
                    self.doc.import_batch(&batch)
                }
            };
            if let Ok(status) = &status {
                self.note_times(part, status);
            }
            self.take_over(status.as_ref().ok(), effects);
            status?;
        }
        Ok(())
    }

    /// Whether the newest of all changes are by the author of this operation alone, so that it
    /// goes on where they end.
    fn goes_on(&self, operation: &Delivered) -> bool {
        let heads = self.doc.oplog_frontiers();
        let is_theirs = |peer: u64| self.authors.get(&peer) == Some(&operation.author);
        heads.len() <= 1 && heads.iter().all(|head| is_theirs(head.peer))
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
