// SPDX-License-Identifier: GPL-3.0-or-later
//! Making the text from everything that is stored.
//!
//! Nobody watches meanwhile, so the operations are first joined in a history without a text, and
//! the text is made of that at once: one after the other would take many times as long where
//! there are many small ones, above all by several people. What was joined once can be kept, and
//! gone on from another time.
//!
//! Where somebody sees a text already, it is made in two parts: up to what that text holds, and
//! the rest, so that it can be told what the rest changes in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use loro::{ExportMode, ImportStatus, LoroDoc, LoroError, VersionVector};
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::pipeline::Delivered;

use super::{Effect, Engine, EngineError, Shown, effect, join, kept, new_doc, update};

/// An engine that is being loaded. Takes the operations in the order of the document's stream.
pub struct Loading {
    engine: Engine,
    /// The history alone. `None` once it was given up.
    history: Option<LoroDoc>,
    /// Bodies that built upon something that had not come by then.
    early: Vec<Vec<u8>>,
    /// Updates that were joined another time and are all that there is by now.
    joined: Option<Vec<u8>>,
    /// What somebody sees already.
    shown: Option<Shown>,
    /// Up to where the text was made of it already, and whether that is what somebody sees.
    made: Option<(VersionVector, bool)>,
}

/// What was made of everything.
pub struct Loaded {
    /// The engine.
    pub engine: Engine,
    /// What leads from the text that was shown to this one; nothing where none was.
    pub since: Vec<Effect>,
    /// What [`Loading::resume`] goes on from another time, if that was wanted; nothing where
    /// changes still wait for others.
    pub kept: Option<Vec<u8>>,
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
            shown: None,
            made: None,
        }
    }

    /// Has it told what is different from a text that somebody sees already. To be said before
    /// anything is added.
    pub fn show(&mut self, shown: Shown) {
        self.shown = Some(shown);
    }

    /// Begins with what [`Loaded::kept`] was, before anything was added. `false`
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
        let shown_to = self.shown.as_ref().map(|shown| shown.position);
        let beyond = operations
            .iter()
            .position(|operation| shown_to.is_some_and(|to| operation.position > to));
        let (seen, rest) = operations.split_at(beyond.unwrap_or(operations.len()));
        self.join(seen)?;
        if beyond.is_some() && self.made.is_none() {
            self.make_shown()?;
        }
        self.join(rest)
    }

    /// Takes operations into the history: as many as possible at once, and each by itself if the
    /// CRDT does not take them together.
    fn join(&mut self, operations: &[Delivered]) -> Result<(), EngineError> {
        for operation in operations {
            self.engine.meet_all(operation);
        }
        for part in join::parts(operations) {
            if let Some(joined) = join::joined(part)
                && let Some(status) = self.guarded(|history| Ok(history.import(&joined).ok()))?
            {
                self.note(part, &status);
                continue;
            }
            for operation in part {
                if let Some(update) = update::payload(&operation.body) {
                    let status = self.guarded(|history| history.import(update))?;
                    self.note(slice::from_ref(operation), &status);
                }
            }
        }
        Ok(())
    }

    /// Remembers what operations say of themselves, and those that wait for others.
    fn note(&mut self, operations: &[Delivered], status: &ImportStatus) {
        if let Some(pending) = &status.pending {
            let authors = &self.engine.authors;
            let waiting: Vec<_> = pending.iter().map(|(peer, _)| authors.get(peer)).collect();
            let early = operations
                .iter()
                .filter(|one| operations.len() == 1 || waiting.contains(&Some(&one.author)))
                .filter_map(|operation| update::payload(&operation.body));
            self.early.extend(early.map(<[u8]>::to_vec));
        }
        self.engine.note_times(operations, status);
    }

    /// The engine with all of that.
    pub fn finish(self) -> Result<Engine, EngineError> {
        self.finish_and_keep(false).map(|loaded| loaded.engine)
    }

    /// The engine with all of that, and if wanted what can be gone on from.
    pub fn finish_and_keep(mut self, is_kept: bool) -> Result<Loaded, EngineError> {
        let updates = self.make_text(is_kept)?;
        let mut engine = self.engine;
        let mut since = Vec::new();
        if let Some((_, true)) = self.made {
            engine.take_over(None, &mut since);
        } else if let Some(shown) = self.shown {
            since = effect::between(&shown.text, &engine.text());
        }
        Engine::record(&engine.doc, false);
        engine.taken = engine.own_end();
        let kept = updates.and_then(|all| kept::encode(&all, &engine.authors, &engine.times));
        Ok(Loaded {
            engine,
            since,
            kept,
        })
    }

    /// Makes the text up to what somebody sees. Where that is another text, which may be damaged or
    /// made of operations that were replaced meanwhile, both are only compared in the end.
    fn make_shown(&mut self) -> Result<(), EngineError> {
        let Some(shown) = self.shown.clone() else {
            return Ok(());
        };
        let (doc, text) = (self.engine.doc.clone(), self.engine.text.clone());
        let made = self.guarded(|history| {
            doc.import(&history.export(ExportMode::all_updates())?)?;
            Ok((doc.oplog_vv(), *text.to_string() == *shown.text))
        });
        self.made = Some(self.text_made(made)?);
        Ok(())
    }

    /// What the CRDT gave up on cannot be taken down.
    fn text_made<T>(&mut self, made: Result<T, EngineError>) -> Result<T, EngineError> {
        if matches!(made, Err(EngineError::Panicked)) {
            self.engine.give_up();
        }
        made
    }

    /// Makes the text of the history, or what is missing of it; gives all that is in it, if it is
    /// wanted and nothing waits for what has not come.
    fn make_text(&mut self, is_wanted: bool) -> Result<Option<Vec<u8>>, EngineError> {
        let (doc, text) = (self.engine.doc.clone(), self.engine.text.clone());
        let early = std::mem::take(&mut self.early);
        let joined = self.joined.take();
        let before = self.made.as_ref().map(|(version, _)| version.clone());
        // Somebody wants to know what is different from that.
        if matches!(self.made, Some((_, true))) {
            Engine::record(&doc, true);
        }
        let made = self.guarded(|history| {
            let updates = match (&before, joined) {
                (Some(before), _) => history.export(ExportMode::updates(before))?,
                (None, Some(joined)) => joined,
                (None, None) => history.export(ExportMode::all_updates())?,
            };
            doc.import(&updates)?;
            // What still waits for something is kept until that comes.
            let mut is_waiting = false;
            for update in early {
                is_waiting |= doc.import(&update)?.pending.is_some();
            }
            // Makes the text now and not at the first keystroke.
            std::hint::black_box(text.len_unicode());
            // Of what was taken in one by one, the CRDT makes runs only where it takes it in at once: what
            // the history itself would export takes twice as long to be read again.
            Ok(if is_wanted && !is_waiting {
                Some(doc.export(ExportMode::all_updates())?)
            } else {
                None
            })
        });
        self.text_made(made)
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
