// SPDX-License-Identifier: GPL-3.0-or-later
//! What the text was, and who made it so.
//!
//! History is looked at in a copy of the document, which costs some memory while it exists and
//! never disturbs the one that is written in. Making the copy takes a moment in a long document,
//! so [`HistorySource::open`] may be called on another thread.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, OnceLock, PoisonError};

use loro::{
    ContainerTrait, ExportMode, Frontiers, ID, IdSpan, JsonOpContent, JsonTextOp, LoroDoc,
    LoroError, LoroText,
};
use reflection_node::identity::AuthorId;

use super::difference::{Part, difference};
use super::edit::{Rewrite, TextEdit};
use super::replay::Replay;
use super::times::Times;
use super::weave::Weave;
use super::{EditError, Effect, Engine, Selection, TEXT_CONTAINER, Version, new_doc};

/// A longer pause than this, in seconds, ends a sitting.
const SITTING_PAUSE_S: i64 = 10 * 60;
/// A sitting lasts no longer than this, in seconds; what follows is another one.
const SITTING_MAX_S: i64 = 60 * 60;

/// Texts of versions that are kept to be shown again.
const SHOWN_TEXTS_MAX: usize = 16;
/// The same in bytes. The last one is kept whatever its size.
const SHOWN_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The past of a document could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The name means no version of this document, or one that has not arrived yet.
    #[error("there is no such version here")]
    NotFound,
    /// The CRDT could not show it.
    #[error("the version cannot be shown: {0}")]
    Crdt(#[from] LoroError),
    /// The copy could not be made.
    #[error("the history cannot be copied")]
    Copy,
}

/// Work of one author without a long pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sitting {
    /// The text as the author left it, with what had arrived from others by then.
    pub version: Version,
    /// Who worked; `None` only where no operation of the author was ever seen here.
    pub author: Option<AuthorId>,
    /// When it began, in seconds since 1970 by the author's clock; zero if that is not known.
    /// Where the changes say something else than their operations, these are believed.
    pub began_s: u64,
    /// When it ended, to a minute.
    pub ended_s: u64,
    /// Characters inserted.
    pub added: u64,
    /// Characters deleted.
    pub deleted: u64,
}

/// All that is needed to look at the history, independent of the engine.
pub struct HistorySource {
    updates: Vec<u8>,
    newest: (Version, String),
    authors: HashMap<u64, AuthorId>,
    times: Times,
    now_s: i64,
}

/// The past of a document, up to when it was opened.
pub struct History {
    /// What was written, without a text.
    doc: LoroDoc,
    text: LoroText,
    /// The text that there was anyway.
    newest: (Version, String),
    authors: HashMap<u64, AuthorId>,
    times: Times,
    /// When it was opened: nothing in it is newer.
    now_s: i64,
    sittings: OnceLock<Vec<Sitting>>,
    shown: Mutex<Shown>,
    /// Made when an older version is looked at first.
    past: OnceLock<Past>,
    /// With a text, made when the CRDT has to make that of a version.
    checkouts: OnceLock<LoroDoc>,
}

/// What texts of versions are made of.
enum Past {
    /// All that was written, one after the other.
    Row(Mutex<Replay>),
    /// What people wrote at once.
    Weave(Weave),
    /// The CRDT makes them, as there is too much of it, or something that is not text.
    Unknown,
}

impl Past {
    fn read(doc: &LoroDoc, text: &LoroText, newest: &str) -> Self {
        if let Some(replay) = Replay::read(doc, text) {
            return Self::Row(Mutex::new(replay));
        }
        Weave::read(doc, text, newest).map_or(Self::Unknown, Self::Weave)
    }

    fn text(&self, frontiers: &Frontiers) -> Option<String> {
        match self {
            Self::Row(replay) => {
                let mut replay = replay.lock().unwrap_or_else(PoisonError::into_inner);
                let counters = replay.counters_until(frontiers.as_single()?)?;
                Some(replay.text(counters))
            }
            Self::Weave(weave) => weave.text(frontiers.iter()),
            Self::Unknown => None,
        }
    }
}

/// Texts that were looked at last: who goes through the versions one by one and looks at each
/// difference has the text of each made once.
#[derive(Default)]
struct Shown(VecDeque<(Version, String)>);

impl Shown {
    fn get(&self, version: &Version) -> Option<String> {
        let known = self.0.iter().find(|(known, _)| known == version);
        known.map(|(_, text)| text.clone())
    }

    fn keep(&mut self, version: &Version, text: &str) {
        self.0.push_back((version.clone(), text.to_owned()));
        let bytes = |shown: &VecDeque<(Version, String)>| -> usize {
            shown.iter().map(|(_, text)| text.len()).sum()
        };
        while self.0.len() > 1
            && (self.0.len() > SHOWN_TEXTS_MAX || bytes(&self.0) > SHOWN_BYTES_MAX)
        {
            self.0.pop_front();
        }
    }
}

impl Engine {
    /// The version that is shown now.
    pub fn version(&self) -> Version {
        self.commit();
        Version::new(&self.doc.oplog_frontiers())
    }

    /// Takes what [`History`] needs.
    pub fn history(&self) -> Result<HistorySource, HistoryError> {
        self.commit();
        let updates = self
            .doc
            .export(ExportMode::all_updates())
            .map_err(|_| HistoryError::Copy)?;
        Ok(HistorySource {
            updates,
            newest: (self.version(), self.text()),
            authors: self.authors.clone(),
            times: self.times.clone(),
            now_s: i64::try_from((self.clock)() / 1_000).unwrap_or(i64::MAX),
        })
    }

    /// Makes the text what it was at some time, by editing no more than what differs. One step
    /// of undo takes it back.
    pub fn restore(&mut self, text: &str) -> Result<Vec<Effect>, EditError> {
        let mut edits: Vec<TextEdit> = Vec::new();
        let mut at = 0;
        for part in difference(&self.text(), text) {
            let count = part.text().chars().count();
            match part {
                Part::Same(_) => at += count,
                Part::Removed(_) => edits.push(TextEdit {
                    at,
                    delete: count,
                    insert: String::new(),
                }),
                Part::Added(insert) => {
                    edits.push(TextEdit {
                        at,
                        delete: 0,
                        insert,
                    });
                    at += count;
                }
            }
        }
        // Where the caret ends up among what changes; elsewhere it stays with its letters.
        let place = self.add_cursor(self.selection().caret, super::Bias::Before);
        let effects = self.rewrite(&Rewrite {
            edits,
            selection: Selection::default(),
        });
        let caret = self.cursor(place).unwrap_or_default();
        self.remove_cursor(place);
        self.set_selection(Selection::caret(caret));
        effects
    }
}

impl HistorySource {
    /// Makes the copy. Takes some of the time of loading the document.
    pub fn open(self) -> Result<History, HistoryError> {
        let doc = new_doc();
        doc.detach();
        doc.import(&self.updates)?;
        let text = doc.get_text(TEXT_CONTAINER);
        Ok(History {
            doc,
            text,
            newest: self.newest,
            authors: self.authors,
            times: self.times,
            now_s: self.now_s,
            sittings: OnceLock::new(),
            shown: Mutex::default(),
            past: OnceLock::new(),
            checkouts: OnceLock::new(),
        })
    }
}

/// A stretch of changes by one peer.
struct Stretch {
    span: IdSpan,
    lamport: u32,
    began_s: i64,
    ended_s: i64,
}

impl History {
    /// The text of a version.
    pub fn text(&self, version: &Version) -> Result<String, HistoryError> {
        let frontiers = version.frontiers();
        let known = self.doc.oplog_vv();
        if frontiers.iter().any(|id| !known.includes_id(id)) {
            return Err(HistoryError::NotFound);
        }
        // Held to the end: it also keeps two from turning the pages at once.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = shown.get(version) {
            return Ok(text);
        }
        let text = if *version == self.newest.0 {
            self.newest.1.clone()
        } else if let Some(text) = self.past().text(&frontiers) {
            text
        } else {
            self.checked_out(&frontiers)?
        };
        shown.keep(version, &text);
        Ok(text)
    }

    /// The text of a version as the CRDT makes it.
    fn checked_out(&self, frontiers: &Frontiers) -> Result<String, HistoryError> {
        if self.checkouts.get().is_none() {
            let all = self.doc.export(ExportMode::all_updates());
            let doc = new_doc();
            doc.import(&all.map_err(|_| HistoryError::Copy)?)?;
            let _ = self.checkouts.set(doc);
        }
        let doc = self.checkouts.get().ok_or(HistoryError::Copy)?;
        doc.checkout(frontiers)?;
        Ok(doc.get_text(TEXT_CONTAINER).to_string())
    }

    fn past(&self) -> &Past {
        let read = || Past::read(&self.doc, &self.text, &self.newest.1);
        self.past.get_or_init(read)
    }

    /// What going through the versions has taken; `None` where they are not one row of edits. See
    /// [`Replay::work`].
    #[cfg(test)]
    pub(super) fn work(&self) -> Option<(usize, usize, usize)> {
        match self.past.get()? {
            Past::Row(replay) => {
                let replay = replay.lock().unwrap_or_else(PoisonError::into_inner);
                Some(replay.work())
            }
            _ => None,
        }
    }

    /// Whether the texts of versions in which people wrote at once are made without the CRDT.
    #[cfg(test)]
    pub(super) fn is_woven(&self) -> bool {
        matches!(self.past.get(), Some(Past::Weave(_)))
    }

    /// All sittings, in an order in which no one precedes what it builds upon.
    pub fn sittings(&self) -> &[Sitting] {
        self.sittings.get_or_init(|| self.find_sittings())
    }

    fn find_sittings(&self) -> Vec<Sitting> {
        let mut stretches: Vec<Stretch> = self
            .doc
            .oplog_vv()
            .iter()
            .flat_map(|(&peer, &end)| self.stretches(peer, end))
            .collect();
        stretches.sort_by_key(|stretch| (stretch.lamport, stretch.span.peer));
        let sittings = stretches.iter().map(|stretch| self.sitting(stretch));
        sittings
            // What changes names and marks only leaves the text as it was.
            .filter(|sitting| sitting.added > 0 || sitting.deleted > 0)
            .collect()
    }

    /// The sittings of one peer.
    fn stretches(&self, peer: u64, end: i32) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut counter = 0;
        while counter < end {
            let Some(change) = self.doc.get_change(ID::new(peer, counter)) else {
                break;
            };
            let length = i32::try_from(change.len).unwrap_or(i32::MAX).max(1);
            let next = change.id.counter.saturating_add(length).min(end);
            let time_s = self
                .times
                .believed(peer, counter, change.timestamp, self.now_s);
            let lamport = change.lamport + u32::try_from(length).unwrap_or(0);
            match stretches.last_mut() {
                Some(last)
                    if time_s.saturating_sub(last.ended_s) <= SITTING_PAUSE_S
                        && time_s.saturating_sub(last.began_s) <= SITTING_MAX_S =>
                {
                    last.span.counter.end = next;
                    last.lamport = lamport;
                    last.ended_s = last.ended_s.max(time_s);
                }
                _ => stretches.push(Stretch {
                    span: IdSpan::new(peer, counter, next),
                    lamport,
                    began_s: time_s,
                    ended_s: time_s,
                }),
            }
            counter = next.max(counter + 1);
        }
        stretches
    }

    fn sitting(&self, stretch: &Stretch) -> Sitting {
        let (mut added, mut deleted) = (0, 0);
        let container = self.text.id();
        for change in self.doc.export_json_in_id_span(stretch.span) {
            for op in &change.ops {
                let JsonOpContent::Text(content) = &op.content else {
                    continue;
                };
                if op.container == container {
                    match content {
                        JsonTextOp::Insert { text, .. } => added += text.chars().count() as u64,
                        JsonTextOp::Delete { len, .. } => deleted += u64::from(len.unsigned_abs()),
                        _ => {}
                    }
                }
            }
        }
        let peer = stretch.span.peer;
        Sitting {
            version: Version::after(peer, stretch.span.counter.end - 1),
            author: self.authors.get(&peer).copied(),
            began_s: u64::try_from(stretch.began_s).unwrap_or(0),
            ended_s: u64::try_from(stretch.ended_s).unwrap_or(0),
            added,
            deleted,
        }
    }
}
