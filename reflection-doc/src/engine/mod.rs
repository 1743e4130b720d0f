// SPDX-License-Identifier: GPL-3.0-or-later
//! The text of one document: edits in, effects out. No I/O, no clock, no threads of its own.
//!
//! Invariants: positions and lengths are Unicode scalar values everywhere; after
//! [`Engine::apply`] its effects, applied in order to a copy of the text before, give the text
//! after; what was typed is either stored or still given by [`Engine::take_changes`]. Whatever
//! changes the text also moves what remembers places in it: undo, cursors, runs of authors.

mod apply;
mod authorship;
mod budget;
mod compaction;
mod difference;
mod draft;
mod edit;
mod effect;
mod fork;
mod history;
mod join;
mod kept;
mod load;
mod markdown;
mod metadata;
mod outline;
mod pace;
mod peer;
mod replay;
mod selection;
mod shape;
mod span;
mod statistics;
#[cfg(feature = "testing")]
pub mod testing;
mod times;
mod title;
mod undo;
mod update;
mod version;
mod weave;

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use loro::{
    ContainerTrait, EventTriggerKind, ExportMode, IdSpan, LoroDoc, LoroError, LoroText,
    Subscription,
};
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::operation::PLAIN_BODY_BYTES_MAX;

use authorship::Authorship;
pub(crate) use compaction::{check_compaction, compact, keeps_everything, says_the_same};
pub use difference::{Part, difference, difference_by_words};
pub use draft::{Draft, Shown};
pub use edit::{AuthorRun, Rewrite, TextEdit, Undone};
pub use effect::{Effect, Origin};
pub(crate) use fork::mend;
pub use history::{History, HistoryError, HistorySource, Sitting};
pub use load::{Loaded, Loading};
pub use markdown::{Emphasis, continue_list, indent, link, outdent, toggle_emphasis};
pub use metadata::{NAME_GRAPHEMES_MAX, NamedVersion, Person, clean_name};
pub use outline::{EXTENSIONS, Heading, Task, headings, tasks, toggle_task};
pub use pace::{FRAME, Intake, PACE, Pace};
pub use peer::PeerId;
use selection::Cursors;
pub use selection::{Bias, CursorId, Selection};
pub use statistics::{Statistics, statistics};
use times::Times;
pub use title::title;
use undo::{Pending, Undo};
pub(crate) use update::check_update;
pub use version::{NotAVersion, Version};

/// The root container that holds the text.
const TEXT_CONTAINER: &str = "text";

/// An edit that does not fit the text. The text is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It reaches beyond the end.
    #[error("the edit reaches to {at}, beyond the {length} characters of the text")]
    OutOfBounds {
        /// Where the edit ends.
        at: usize,
        /// Characters in the text.
        length: usize,
    },
    /// The text could not be kept together and has to be loaded anew.
    #[error("the text has to be opened again before it can be edited")]
    Broken,
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

/// Tells the time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Changes of one author that lie closer together than this, in seconds, may share their time.
const TIME_RESOLUTION_S: i64 = 60;

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
    topic: TopicId,
    /// How this author wants to be called, until the document was told.
    profile: Option<(String, Option<u32>)>,
    /// Who writes as which peer, of all whose operations were seen.
    authors: HashMap<u64, AuthorId>,
    /// Of whom, under which incarnation, an operation was seen last.
    met: Option<(AuthorId, u64)>,
    clock: Clock,
    /// When the operations say that they were made.
    times: Times,
    /// The time of the newest change made here.
    committed_s: AtomicI64,
    undo: Undo,
    /// In a draft: all that was changed in the text that it began with.
    written: Option<Pending>,
    cursors: Cursors,
    /// Caret and selection of the person here.
    selection: Selection,
    /// Runs of text by author, once somebody has asked for them.
    authorship: Option<Authorship>,
    changes: Arc<Mutex<Vec<effect::Change>>>,
    subscription: Option<Subscription>,
    /// Whether the CRDT has given up on what it was given.
    is_broken: bool,
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
        let changes = Arc::new(Mutex::new(Vec::new()));
        let (doc, text, subscription) = Self::new_text(peer, &changes);
        Self {
            doc,
            text,
            author,
            incarnation,
            peer,
            taken: 0,
            returned: VecDeque::new(),
            topic: *topic,
            profile: None,
            authors: HashMap::from([(peer.get(), author)]),
            met: None,
            clock: Arc::new(system_time_ms),
            times: Times::default(),
            committed_s: AtomicI64::new(0),
            undo: Undo::default(),
            written: None,
            cursors: Cursors::default(),
            selection: Selection::default(),
            authorship: None,
            changes,
            subscription: Some(subscription),
            is_broken: false,
        }
    }

    /// An empty document of the CRDT that tells what others change in it.
    fn new_text(
        peer: PeerId,
        changes: &Arc<Mutex<Vec<effect::Change>>>,
    ) -> (LoroDoc, LoroText, Subscription) {
        let doc = new_doc();
        // Positions come from outside as they are: a peer id is refused only if it is the
        // largest number, which `PeerId` never is.
        let _ = doc.set_peer_id(peer.get());
        let text = doc.get_text(TEXT_CONTAINER);
        let sink = Arc::clone(changes);
        let subscription = doc.subscribe(
            &text.id(),
            Arc::new(move |event| {
                if event.triggered_by != EventTriggerKind::Local {
                    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                    effect::collect(&event, &mut sink);
                }
            }),
        );
        Self::record(&doc, false);
        (doc, text, subscription)
    }

    /// Whether the CRDT is to tell in `changes` what becomes different in the text. It is to while
    /// something of others is taken in alone: it would keep account of each keystroke here as well.
    fn record(doc: &LoroDoc, is_wanted: bool) {
        doc.with_state(|state| {
            if is_wanted {
                state.start_recording();
            } else {
                state.stop_and_clear_recording();
            }
        });
    }

    /// Sets the clock by which edits are dated and joined to steps of undo.
    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// Whether there are changes that were not handed out yet.
    pub fn has_changes(&self) -> bool {
        let is_pending = self.doc.get_pending_txn_len() > 0;
        is_pending || !self.returned.is_empty() || self.own_end() > self.taken
    }

    /// The changes made here since the last call, as bodies of operations to be published in
    /// this order; none if there are none. Bodies that cannot be stored are to be given back by
    /// [`Engine::restore_changes`].
    pub fn take_changes(&mut self) -> Vec<Vec<u8>> {
        if self.has_changes() {
            self.introduce_with_edit();
        }
        // To export is to commit.
        let is_pending = self.date_commit();
        let mut bodies: Vec<Vec<u8>> = self.returned.drain(..).collect();
        if is_pending || self.own_end() > self.taken {
            self.export_untaken(&mut bodies);
            self.taken = self.own_end();
        }
        bodies
    }

    /// Gives back bodies that could not be stored; the next [`Engine::take_changes`] has them.
    pub fn restore_changes(&mut self, bodies: Vec<Vec<u8>>) {
        for body in bodies.into_iter().rev() {
            self.returned.push_front(body);
        }
    }

    /// Goes on with another form of the same document, loaded from the store, after what was there
    /// has been replaced: what was typed here and is not stored is made again upon it. Gives what
    /// that changes in the text. Undo begins anew.
    ///
    /// No bodies may be on their way to the store.
    pub fn begin_again(&mut self, mut fresh: Self) -> Result<Vec<Effect>, EngineError> {
        self.commit();
        let before = self.text();
        let returned = self.returned.iter();
        let saved = returned
            .filter_map(|body| check_update(body, self.peer).ok())
            .map(|span| span.start)
            .fold(self.taken, i32::min);
        if self.own_end() > saved {
            let now_s = i64::try_from((self.clock)() / 1_000).unwrap_or(i64::MAX);
            let again = || fork::unsaved(&self.doc, self.peer, saved, fresh.peer, now_s);
            let updates = catch_unwind(AssertUnwindSafe(again)).ok().flatten();
            // An edit that was taken back again leaves nothing to be made.
            if let Some(updates) = updates {
                fresh.doc.import(&updates)?;
            }
        }
        let effects = effect::between(&before, &fresh.text());
        fresh.clock = Arc::clone(&self.clock);
        fresh.cursors = std::mem::take(&mut self.cursors);
        fresh.selection = self.selection;
        for effect in &effects {
            match effect {
                Effect::Delete { at, count, .. } => fresh.spliced(*at, *count, 0, u64::MAX),
                Effect::Insert { at, text, .. } => {
                    fresh.spliced(*at, 0, text.chars().count(), u64::MAX);
                }
            }
        }
        *self = fresh;
        Ok(effects)
    }

    /// Makes edits since the last time changes of the CRDT, which carry the time of now. A
    /// compacted log has no other times.
    fn commit(&self) {
        if self.date_commit() {
            self.doc.commit();
        }
    }

    /// Sets the time of what is committed next. Gives whether there is something.
    fn date_commit(&self) -> bool {
        let is_pending = self.doc.get_pending_txn_len() > 0;
        if is_pending {
            let now_s = i64::try_from((self.clock)() / 1_000).unwrap_or(i64::MAX);
            // The times of one author do not go back, whatever the clock does.
            let now_s = self
                .committed_s
                .fetch_max(now_s, Ordering::Relaxed)
                .max(now_s);
            self.doc.set_next_commit_timestamp(now_s);
        }
        is_pending
    }

    /// Exports own changes that were not taken yet, in bodies that fit an operation.
    fn export_untaken(&self, bodies: &mut Vec<Vec<u8>>) {
        // All that there is but these: so the CRDT has the least to look for.
        let mut told = self.doc.oplog_vv();
        told.insert(self.peer.get(), self.taken);
        let exported = self.doc.export(ExportMode::updates(&told));
        // Encoding what the document itself holds fails only where memory ends.
        let Ok(bytes) = exported else { return };
        let body = update::body(&bytes);
        if is_fit(&body, &bytes) {
            bodies.push(body);
        } else {
            self.export(self.taken, self.own_end(), bodies);
        }
    }

    /// Exports own changes from a counter up to another one.
    fn export(&self, from: i32, to: i32, bodies: &mut Vec<Vec<u8>>) {
        let span = IdSpan::new(self.peer.get(), from, to);
        let exported = self.doc.export(ExportMode::updates_in_range(vec![span]));
        let Ok(bytes) = exported else { return };
        let body = update::body(&bytes);
        if !is_fit(&body, &bytes) && to - from > 1 {
            let middle = from + (to - from) / 2;
            self.export(from, middle, bodies);
            self.export(middle, to, bodies);
        } else {
            bodies.push(body);
        }
    }

    /// The counter after our last change.
    fn own_end(&self) -> i32 {
        let peer = self.peer.get();
        self.doc
            .with_oplog(|history| history.dag().vv().get(&peer).copied().unwrap_or(0))
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

/// Whether a body of these updates fits an operation, and what others take.
fn is_fit(body: &[u8], updates: &[u8]) -> bool {
    body.len() <= PLAIN_BODY_BYTES_MAX && budget::check(updates).is_ok()
}

/// An empty document of the CRDT that keeps the times of changes as they are told to be.
fn new_doc() -> LoroDoc {
    let doc = LoroDoc::new();
    doc.set_change_merge_interval(TIME_RESOLUTION_S);
    doc
}

fn system_time_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        })
}

#[cfg(test)]
mod tests;
