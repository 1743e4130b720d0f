// SPDX-License-Identifier: GPL-3.0-or-later
//! The text of one document: edits in, effects out. No I/O, no clock, no threads of its own.
//!
//! Invariants: positions and lengths are Unicode scalar values everywhere; after
//! [`Engine::apply`] its effects, applied in order to a copy of the text before, give the text
//! after; what was typed is either stored or still given by [`Engine::take_changes`].

mod compaction;
mod effect;
mod pace;
mod peer;
mod title;
mod update;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use loro::{
    ContainerTrait, EventTriggerKind, ExportMode, IdSpan, LoroDoc, LoroError, LoroText,
    Subscription,
};
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::operation::PLAIN_BODY_BYTES_MAX;
use reflection_node::pipeline::Delivered;

pub(crate) use compaction::{check_compaction, compact, keeps_everything};
pub use effect::Effect;
pub use pace::{PACE, Pace};
pub use peer::PeerId;
pub use title::title;
pub(crate) use update::check_update;

/// The root container that holds the text.
const TEXT_CONTAINER: &str = "text";

/// An edit that does not fit the text. The text is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It reaches beyond the end.
    #[error("the edit at {at} reaches beyond the {length} characters of the text")]
    OutOfBounds {
        /// Where the edit ends.
        at: usize,
        /// Characters in the text.
        length: usize,
    },
}

/// An operation that passed all checks could not be applied. It stays stored.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The CRDT refused it.
    #[error("a change could not be applied to the text: {0}")]
    Crdt(#[from] LoroError),
    /// The CRDT gave up on it.
    #[error("a change could not be applied to the text")]
    Panicked,
}

/// Bodies from this size on are imported alone, in bytes.
const LARGE_BODY_BYTES: usize = 16 * 1024;

/// Splits operations where a large one stands, keeping their order.
fn runs(operations: &[Delivered]) -> impl Iterator<Item = &[Delivered]> {
    let is_large = |operation: &Delivered| operation.body.len() >= LARGE_BODY_BYTES;
    operations.chunk_by(move |one, next| !is_large(one) && !is_large(next))
}

/// The text and its history.
pub struct Engine {
    doc: LoroDoc,
    text: LoroText,
    author: AuthorId,
    incarnation: u64,
    peer: PeerId,
    /// Own changes below this counter have been handed out by [`Engine::take_changes`].
    taken: i32,
    /// Bodies that were handed out and came back because they could not be stored.
    returned: VecDeque<Vec<u8>>,
    effects: Arc<Mutex<Vec<Effect>>>,
    _subscription: Subscription,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text.
        write!(
            formatter,
            "Engine({:?}, {} characters)",
            self.author,
            self.len_chars()
        )
    }
}

impl Engine {
    /// An empty text, to be written to as `author` under an incarnation.
    pub fn new(author: AuthorId, topic: &TopicId, incarnation: u64) -> Self {
        let peer = PeerId::derive(&author, topic, incarnation);
        let doc = LoroDoc::new();
        // Positions come from outside as they are: a peer id is refused only if it is the
        // largest number, which `PeerId` never is.
        let _ = doc.set_peer_id(peer.get());
        let text = doc.get_text(TEXT_CONTAINER);
        let effects = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&effects);
        let subscription = doc.subscribe(
            &text.id(),
            Arc::new(move |event| {
                if event.triggered_by != EventTriggerKind::Local {
                    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                    effect::collect(&event, &mut sink);
                }
            }),
        );
        Self {
            doc,
            text,
            author,
            incarnation,
            peer,
            taken: 0,
            returned: VecDeque::new(),
            effects,
            _subscription: subscription,
        }
    }

    /// Replaces `delete` characters at `at` by `insert`.
    pub fn edit(&mut self, at: usize, delete: usize, insert: &str) -> Result<(), EditError> {
        let length = self.len_chars();
        let end = at.saturating_add(delete);
        if end > length {
            return Err(EditError::OutOfBounds { at: end, length });
        }
        let edited = (|| {
            if delete > 0 {
                self.text.delete(at, delete)?;
            }
            if insert.is_empty() {
                Ok(())
            } else {
                self.text.insert(at, insert)
            }
        })();
        edited.map_err(|_: LoroError| EditError::OutOfBounds { at: end, length })
    }

    /// Takes operations from the document's stream and gives what they change in the text.
    ///
    /// Own operations of this incarnation that are in the text already change nothing.
    pub fn apply(&mut self, operations: &[Delivered]) -> Result<Vec<Effect>, EngineError> {
        self.doc.commit();
        let own_end = self.own_end();
        for run in runs(operations) {
            // What somebody made of the CRDT's encoding must not end the program.
            catch_unwind(AssertUnwindSafe(|| self.import(run)))
                .unwrap_or(Err(EngineError::Panicked))?;
        }
        // Own operations read back when the document is loaded are stored already.
        if self.own_end() > own_end {
            self.taken = self.own_end();
        }
        let mut effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *effects))
    }

    /// Imports operations that belong together. What several people typed at the same time is
    /// merged at once, which takes a sixth of the time of one after the other; for one person's
    /// changes it is the other way round, and for a split paste by orders of magnitude.
    fn import(&mut self, run: &[Delivered]) -> Result<(), EngineError> {
        let updates = run
            .iter()
            .filter_map(|operation| update::payload(&operation.body));
        if run
            .iter()
            .any(|operation| operation.author != run[0].author)
        {
            let batch: Vec<Vec<u8>> = updates.map(<[u8]>::to_vec).collect();
            self.doc.import_batch(&batch)?;
        } else {
            for update in updates {
                self.doc.import(update)?;
            }
        }
        Ok(())
    }

    /// Whether there are changes that were not handed out yet.
    pub fn has_changes(&self) -> bool {
        self.doc.commit();
        !self.returned.is_empty() || self.own_end() > self.taken
    }

    /// The changes made here since the last call, as bodies of operations to be published in
    /// this order; none if there are none. Bodies that cannot be stored are to be given back by
    /// [`Engine::restore_changes`].
    pub fn take_changes(&mut self) -> Vec<Vec<u8>> {
        self.doc.commit();
        let mut bodies: Vec<Vec<u8>> = self.returned.drain(..).collect();
        let end = self.own_end();
        if end > self.taken {
            self.export(self.taken, end, &mut bodies);
            self.taken = end;
        }
        bodies
    }

    /// Gives back bodies that could not be stored; the next [`Engine::take_changes`] has them.
    pub fn restore_changes(&mut self, bodies: Vec<Vec<u8>>) {
        for body in bodies.into_iter().rev() {
            self.returned.push_front(body);
        }
    }

    /// Exports own changes in bodies that fit an operation.
    fn export(&self, from: i32, to: i32, bodies: &mut Vec<Vec<u8>>) {
        let span = IdSpan::new(self.peer.get(), from, to);
        let exported = self.doc.export(ExportMode::updates_in_range(vec![span]));
        // Encoding what the document itself holds fails only where memory ends.
        let Ok(bytes) = exported else { return };
        let body = update::body(&bytes);
        if body.len() > PLAIN_BODY_BYTES_MAX && to - from > 1 {
            let middle = from + (to - from) / 2;
            self.export(from, middle, bodies);
            self.export(middle, to, bodies);
        } else {
            bodies.push(body);
        }
    }

    /// The counter after our last change.
    fn own_end(&self) -> i32 {
        self.doc
            .oplog_vv()
            .get(&self.peer.get())
            .copied()
            .unwrap_or(0)
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.text.to_string()
    }

    /// Characters in the text.
    pub fn len_chars(&self) -> usize {
        self.text.len_unicode()
    }

    /// Who writes here.
    pub fn author(&self) -> AuthorId {
        self.author
    }

    /// Under which incarnation.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }
}

#[cfg(test)]
mod tests;
