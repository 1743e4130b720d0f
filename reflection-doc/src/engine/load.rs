// SPDX-License-Identifier: GPL-3.0-or-later
//! Making the text from everything that is stored.
//!
//! Nobody watches meanwhile, so the operations are first joined in a history without a text, and
//! the text is made of that at once: one after the other would take many times as long where
//! there are many small ones, above all by several people.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::PoisonError;

use loro::{ExportMode, LoroDoc, LoroError};
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::pipeline::Delivered;

use super::{Engine, EngineError, new_doc, update};

/// An engine that is being loaded. Takes the operations in the order of the document's stream.
pub struct Loading {
    engine: Engine,
    /// The history alone. `None` once it was given up.
    history: Option<LoroDoc>,
    /// Bodies that built upon something that had not come by then.
    early: Vec<Vec<u8>>,
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
        }
    }

    /// Takes the next operations.
    pub fn add(&mut self, operations: &[Delivered]) -> Result<(), EngineError> {
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
    pub fn finish(mut self) -> Result<Engine, EngineError> {
        let (doc, text) = (self.engine.doc.clone(), self.engine.text.clone());
        let early = std::mem::take(&mut self.early);
        let made = self.guarded(|history| {
            doc.import(&history.export(ExportMode::all_updates())?)?;
            // What still waits for something is kept until that comes.
            for update in early {
                doc.import(&update)?;
            }
            // Makes the text now and not at the first keystroke.
            std::hint::black_box(text.len_unicode());
            Ok(())
        });
        if let Err(error) = made {
            // What the CRDT gave up on cannot be taken down.
            if matches!(error, EngineError::Panicked) {
                self.engine.give_up();
            }
            return Err(error);
        }
        let mut engine = self.engine;
        engine
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        engine.taken = engine.own_end();
        Ok(engine)
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
