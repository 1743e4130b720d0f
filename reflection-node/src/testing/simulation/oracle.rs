// SPDX-License-Identifier: GPL-3.0-or-later
//! Knows everything that happened anywhere, and says when something is not as it must be.
//!
//! An operation also counts as held by who has a later compaction of its author: that says all that
//! came before it. Of authors who restored a backup, claims are not judged while their logs go on in
//! two ways; that everything they said is there at the end is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::installation::Placed;
use crate::identity::AuthorId;
use crate::operation::OperationId;

/// See the module.
pub(super) struct Oracle {
    /// What is wrong, once something is.
    pub(super) broken: Option<String>,
    /// No fault happens any more, so nothing may fail.
    pub(super) is_calm: bool,
    /// What each was told to be safe.
    acknowledged: Vec<BTreeMap<u64, OperationId>>,
    /// What each has ever committed.
    held: Vec<BTreeSet<OperationId>>,
    /// Where the logs opened that each has ever committed, at the highest.
    openings: Vec<BTreeMap<AuthorId, u64>>,
    /// Where every operation stands that was ever committed anywhere.
    places: BTreeMap<OperationId, (AuthorId, u64)>,
    /// Which operation others have heard of or its author was told to be safe, for each place.
    public: BTreeMap<(AuthorId, u64), OperationId>,
    /// Who has restored a backup, and whether that process has not started yet.
    copied: BTreeMap<AuthorId, usize>,
    is_fresh_copy: Vec<bool>,
    /// What has to be there at the end.
    said: Vec<BTreeSet<u64>>,
    /// What was told to be safe before its time, by a mistake made on purpose.
    pub(super) early: Arc<Mutex<Vec<(usize, OperationId)>>>,
}

impl Oracle {
    pub(super) fn new(people: usize) -> Self {
        Self {
            broken: None,
            is_calm: false,
            acknowledged: vec![BTreeMap::new(); people],
            held: vec![BTreeSet::new(); people],
            openings: vec![BTreeMap::new(); people],
            places: BTreeMap::new(),
            public: BTreeMap::new(),
            copied: BTreeMap::new(),
            is_fresh_copy: vec![false; people],
            said: vec![BTreeSet::new(); people],
            early: Arc::default(),
        }
    }

    pub(super) fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// Somebody has gone back to a backup. What is not in it may be lost, unless others have it.
    pub(super) fn restored(&mut self, who: usize, author: AuthorId) {
        self.copied.insert(author, who);
        self.is_fresh_copy[who] = true;
        self.acknowledged[who].clear();
    }

    /// Whether somebody has gone back to a backup and has not started since.
    pub(super) fn is_fresh_copy(&self, who: usize) -> bool {
        self.is_fresh_copy[who]
    }

    /// Whether the log of an author may go on in two ways.
    pub(super) fn is_a_copy(&self, author: &AuthorId) -> bool {
        self.copied.contains_key(author)
    }

    pub(super) fn is_copied(&self, who: usize) -> bool {
        self.copied.values().any(|copied| *copied == who)
    }

    /// Somebody sees what is in the store after a start, and what it says.
    pub(super) fn started(&mut self, who: usize, operations: &[Placed], said: &BTreeSet<u64>) {
        for placed in operations {
            self.committed(who, placed);
        }
        if std::mem::take(&mut self.is_fresh_copy[who]) {
            self.said[who].retain(|number| said.contains(number));
            return;
        }
        let present: BTreeSet<OperationId> = operations.iter().map(|placed| placed.id).collect();
        let early = self
            .early
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let early = early
            .iter()
            .filter(|(early, _)| *early == who)
            .map(|(_, id)| id);
        let lost = self.acknowledged[who]
            .values()
            .chain(early)
            .find(|id| !present.contains(id) && !stands_in(&self.places, operations, id))
            .copied();
        if let Some(lost) = lost {
            self.breaks(format!("{who} lost {lost:?}, which was acknowledged"));
        }
        if let Some(lost) = self.said[who].difference(said).next().copied() {
            self.breaks(format!("{who} lost the number {lost:x}"));
        }
    }

    /// Somebody committed an operation.
    pub(super) fn committed(&mut self, who: usize, placed: &Placed) {
        self.held[who].insert(placed.id);
        let place = (placed.author, placed.sequence);
        self.places.insert(placed.id, place);
        if placed.is_compaction {
            let opening = self.openings[who].entry(placed.author).or_default();
            *opening = placed.sequence.max(*opening);
        }
    }

    /// A writer is told that its operation is safe.
    pub(super) fn acknowledged(
        &mut self,
        who: usize,
        author: AuthorId,
        sequence: u64,
        id: OperationId,
    ) {
        if !self.held[who].contains(&id) {
            self.breaks(format!("{who} was told of {id:?} before it was committed"));
        }
        self.acknowledged[who].insert(sequence, id);
        self.is_public(author, sequence, id);
    }

    /// Others hear of an operation.
    pub(super) fn is_public(&mut self, author: AuthorId, sequence: u64, id: OperationId) {
        let known = *self.public.entry((author, sequence)).or_insert(id);
        if known != id && !self.is_a_copy(&author) {
            self.breaks(format!("number {sequence} of {author:?} was used twice"));
        }
    }

    /// Whether somebody has ever held all these.
    pub(super) fn has_held(&self, who: usize, ids: &BTreeSet<OperationId>) -> bool {
        ids.iter().all(|id| {
            let is_covered = self.places.get(id).is_some_and(|(author, sequence)| {
                let opening = self.openings[who].get(author);
                self.is_a_copy(author) || opening.is_some_and(|opening| opening > sequence)
            });
            is_covered || self.held[who].contains(id)
        })
    }

    /// What somebody says when faults end has to be there at the end of the schedule.
    pub(super) fn has_to_stay(&mut self, who: usize, said: &BTreeSet<u64>) {
        self.said[who].extend(said);
    }

    /// What somebody says at the end includes everything that anybody said.
    pub(super) fn all_was_kept(&self, who: usize, said: &BTreeSet<u64>) -> Result<(), String> {
        let lost = self.said.iter().flatten().find(|one| !said.contains(one));
        match lost {
            Some(lost) => Err(format!("{who} does not have the number {lost:x}")),
            None => Ok(()),
        }
    }

    /// What everybody holds at the end includes all that was acknowledged to anybody.
    pub(super) fn acknowledged_are_in(&self, ids: &BTreeSet<OperationId>) -> Result<(), String> {
        let opening = |author: &AuthorId| {
            let places = ids.iter().filter_map(|id| self.places.get(id));
            let of_author = places.filter(|(known, _)| known == author);
            of_author.map(|(_, sequence)| *sequence).min().unwrap_or(0)
        };
        for (who, acknowledged) in self.acknowledged.iter().enumerate() {
            for id in acknowledged.values().filter(|id| !ids.contains(id)) {
                let Some((author, sequence)) = self.places.get(id) else {
                    continue;
                };
                if !self.is_a_copy(author) && *sequence >= opening(author) {
                    return Err(format!("{id:?} was acknowledged to {who} and is nowhere"));
                }
            }
        }
        Ok(())
    }
}

/// Whether a compaction among these operations says what an earlier one of its author said.
fn stands_in(
    places: &BTreeMap<OperationId, (AuthorId, u64)>,
    operations: &[Placed],
    id: &OperationId,
) -> bool {
    places.get(id).is_some_and(|(author, sequence)| {
        operations.iter().any(|placed| {
            placed.is_compaction && placed.author == *author && placed.sequence > *sequence
        })
    })
}
