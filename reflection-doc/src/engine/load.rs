// SPDX-License-Identifier: GPL-3.0-or-later
//! Making the text from everything that is stored.
//!
//! Nobody watches meanwhile, so the operations are first joined in a history without a text, and
//! the text is made of that at once: one after the other would take many times as long where
//! there are many small ones, above all by several people. What was joined once can be kept, and
//! gone on from another time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::PoisonError;

use loro::{ExportMode, LoroDoc, LoroError};
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::pipeline::Delivered;

use super::{Engine, EngineError, kept, new_doc, update};

/// An engine that is being loaded. Takes the operations in the order of the document's stream.
pub struct Loading {
    engine: Engine,
    /// The history alone. `None` once it was given up.
    history: Option<LoroDoc>,
    /// Bodies that built upon something that had not come by then.
    early: Vec<Vec<u8>>,
    /// Updates that were joined another time and are all that there is by now.
    joined: Option<Vec<u8>>,
}

impl Loading {
    /// Begins with an empty text; see [`Engine::new`].
    pub fn new(author: AuthorId, topic: &TopicId, incarnation: u64) -> Self {
        let history = new_doc();
        history.detach();
        Self {
            engine: Engine::new(author, topic, incarnation),
            history: Some(history),
            early: Vec::new(),
            joined: None,
        }
    }

    /// Begins with what [`Loading::finish_and_keep`] has given, before anything was added. `false`
    /// where that cannot be read.
    pub fn resume(&mut self, kept: &[u8]) -> bool {
        let Some(kept) = kept::decode(kept) else {
            return false;
        };
        self.engine.authors.extend(kept.authors);
        self.engine.times = kept.times;
        self.joined = Some(kept.updates);
        true
    }

    /// Takes the next operations.
    pub fn add(&mut self, operations: &[Delivered]) -> Result<(), EngineError> {
        if let Some(joined) = self.joined.take() {
            self.guarded(|history| history.import(&joined))?;
        }
        for operation in operations {
            self.engine.meet_all(operation);
            let Some(update) = update::payload(&operation.body) else {
                continue;
            };
            let status = self.guarded(|history| history.import(update))?;
            if status.pending.is_some() {
                self.early.push(update.to_vec());
            }
            self.engine.note_times(slice::from_ref(operation), &status);
        }
        Ok(())
    }

    /// The engine with all of that.
    pub fn finish(self) -> Result<Engine, EngineError> {
        self.finish_and_keep(false).map(|(engine, _)| engine)
    }

    /// The engine with all of that, and if wanted what [`Loading::resume`] goes on from another
    /// time; nothing where changes still wait for others.
    pub fn finish_and_keep(
        mut self,
        is_kept: bool,
    ) -> Result<(Engine, Option<Vec<u8>>), EngineError> {
        let (updates, is_waiting) = self.make_text()?;
        let mut engine = self.engine;
        engine
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        engine.taken = engine.own_end();
        let kept = if is_kept && !is_waiting {
            kept::encode(&updates, &engine.authors, &engine.times)
        } else {
            None
        };
        Ok((engine, kept))
    }

    /// Makes the text of the history; gives all that is in it, and whether something still waits
    /// for what has not come.
    fn make_text(&mut self) -> Result<(Vec<u8>, bool), EngineError> {
        let (doc, text) = (self.engine.doc.clone(), self.engine.text.clone());
        let early = std::mem::take(&mut self.early);
        let joined = self.joined.take();
        let made = self.guarded(|history| {
            let updates = match joined {
                Some(updates) => updates,
                None => history.export(ExportMode::all_updates())?,
            };
            doc.import(&updates)?;
            // What still waits for something is kept until that comes.
            let mut is_waiting = false;
            for update in early {
                is_waiting |= doc.import(&update)?.pending.is_some();
            }
            // Makes the text now and not at the first keystroke.
            std::hint::black_box(text.len_unicode());
            Ok((updates, is_waiting))
        });
        // What the CRDT gave up on cannot be taken down.
        if matches!(made, Err(EngineError::Panicked)) {
            self.engine.give_up();
        }
        made
    }

    /// Works on the history. What somebody made of the CRDT's encoding must not end the program.
    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&LoroDoc) -> Result<T, LoroError>,
    ) -> Result<T, EngineError> {
        let Some(history) = &self.history else {
            return Err(EngineError::Panicked);
        };
        if let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| work(history))) {
            return Ok(outcome?);
        }
        // It can neither be used nor taken down.
        std::mem::forget(self.history.take());
        Err(EngineError::Panicked)
    }
}
