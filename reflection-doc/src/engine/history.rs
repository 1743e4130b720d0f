// SPDX-License-Identifier: GPL-3.0-or-later
//! What the text was, and who made it so.
//!
//! History is looked at in a copy of the document, which costs some memory while it exists and
//! never disturbs the one that is written in. Making the copy takes a moment in a long document,
//! so [`HistorySource::open`] may be called on another thread.

mod sittings;

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, OnceLock, PoisonError};

use loro::{ExportMode, Frontiers, JsonSchema, LoroDoc, LoroError, LoroText, VersionVector};
use reflection_node::identity::AuthorId;

use super::difference::{Part, difference};
use super::edit::{Rewrite, TextEdit};
use super::replay::Replay;
use super::times::Times;
use super::weave::Weave;

pub use self::sittings::Sitting;
use super::{EditError, Effect, Engine, Selection, TEXT_CONTAINER, Version, new_doc};

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

/// All that is needed to look at the history, independent of the engine.
pub struct HistorySource {
    /// What was written, as it is: to encode it takes longer than all the rest.
    updates: JsonSchema,
    newest: (Version, String),
    named: Vec<Version>,
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
    /// Versions with a name.
    named: Vec<Version>,
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
        let all = self.doc.oplog_vv();
        let updates = self
            .doc
            .export_json_updates_without_peer_compression(&VersionVector::default(), &all)
            .map_err(|_| HistoryError::Copy)?;
        let named = self.named_versions();
        let named = named
            .iter()
            .filter_map(|named| named.version.parse::<Version>().ok());
        Ok(HistorySource {
            updates,
            newest: (self.version(), self.text()),
            named: named.collect(),
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
        doc.import_json_updates(self.updates)?;
        let text = doc.get_text(TEXT_CONTAINER);
        Ok(History {
            doc,
            text,
            newest: self.newest,
            named: self.named,
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

    /// Whether a version has everything that an earlier one has.
    pub fn includes(&self, version: &Version, earlier: &Version) -> bool {
        let known = |version: &Version| {
            let is_here = |id| self.doc.oplog_vv().includes_id(id);
            let frontiers = version.frontiers();
            let is_whole = frontiers.iter().all(is_here);
            is_whole
                .then(|| self.doc.frontiers_to_vv(&frontiers))
                .flatten()
        };
        match (known(version), known(earlier)) {
            (Some(version), Some(earlier)) => version >= earlier,
            _ => false,
        }
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

    /// All sittings, the oldest first. The text of each has everything that those before it have.
    pub fn sittings(&self) -> &[Sitting] {
        self.sittings.get_or_init(|| {
            let context = sittings::Context {
                doc: &self.doc,
                text: &self.text,
                named: &self.named,
                authors: &self.authors,
                times: &self.times,
                now_s: self.now_s,
            };
            context.find()
        })
    }
}
