// SPDX-License-Identifier: GPL-3.0-or-later
//! Knows everything that happened anywhere, and says when something is not as it must be.
//!
//! An operation also counts as held by who has a later compaction of its author: that says all that
//! came before it. Of authors who restored a backup, claims are not judged while their logs go on in
//! two ways; that everything they said is there at the end is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::installation::{Placed, Seat};
use crate::identity::AuthorId;
use crate::operation::OperationId;

/// See the module.
#[derive(Default)]
pub(super) struct Oracle {
    /// What is wrong, once something is.
    pub(super) broken: Option<String>,
    /// No fault happens any more, so nothing may fail.
    pub(super) is_calm: bool,
    /// What each was told to be safe.
    acknowledged: BTreeMap<Seat, BTreeMap<u64, OperationId>>,
    /// What each has ever committed.
    held: BTreeMap<Seat, BTreeSet<OperationId>>,
    /// Where the logs opened that each has ever committed, at the highest.
    openings: BTreeMap<(Seat, AuthorId), u64>,
    /// Where every operation stands that was ever committed anywhere.
    places: BTreeMap<OperationId, (AuthorId, u64)>,
    /// Which operation others have heard of or its author was told to be safe, for each place.
    public: BTreeMap<(usize, AuthorId, u64), OperationId>,
    /// Who has restored a backup.
    copied: BTreeMap<AuthorId, usize>,
    /// Documents of those whose process has not started since.
    fresh_copies: BTreeSet<Seat>,
    /// What has to be there at the end.
    said: BTreeMap<Seat, BTreeSet<u64>>,
    /// What was told to be safe before its time, by a mistake made on purpose.
    pub(super) early: Arc<Mutex<Vec<(Seat, OperationId)>>>,
}

impl Oracle {
    pub(super) fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// Somebody has gone back to a backup. What is not in it may be lost, unless others have it.
    pub(super) fn restored(&mut self, author: AuthorId, seats: impl Iterator<Item = Seat>) {
        for seat in seats {
            self.copied.insert(author, seat.who);
            self.fresh_copies.insert(seat);
            self.acknowledged.remove(&seat);
        }
    }

    /// Whether somebody has gone back to a backup and has not started since.
    pub(super) fn is_fresh_copy(&self, seat: Seat) -> bool {
        self.fresh_copies.contains(&seat)
    }

    /// Whether the log of an author may go on in two ways.
    pub(super) fn is_a_copy(&self, author: &AuthorId) -> bool {
        self.copied.contains_key(author)
    }

    pub(super) fn is_copied(&self, who: usize) -> bool {
        self.copied.values().any(|copied| *copied == who)
    }

    /// Somebody sees what is in the store after a start, and what it says.
    pub(super) fn started(&mut self, seat: Seat, operations: &[Placed], said: &BTreeSet<u64>) {
        for placed in operations {
            self.committed(seat, placed);
        }
        let has_to_stay = self.said.entry(seat).or_default();
        if self.fresh_copies.remove(&seat) {
            has_to_stay.retain(|number| said.contains(number));
            return;
        }
        let lost_number = has_to_stay.difference(said).next().copied();
        let present: BTreeSet<OperationId> = operations.iter().map(|placed| placed.id).collect();
        let early = self
            .early
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let early = early
            .iter()
            .filter(|(early, _)| *early == seat)
            .map(|(_, id)| id);
        let acknowledged = self.acknowledged.get(&seat);
        let lost = acknowledged
            .into_iter()
            .flat_map(BTreeMap::values)
            .chain(early)
            .find(|id| !present.contains(id) && !stands_in(&self.places, operations, id))
            .copied();
        if let Some(lost) = lost {
            self.breaks(format!("{seat} lost {lost:?}, which was acknowledged"));
        }
        if let Some(lost) = lost_number {
            self.breaks(format!("{seat} lost the number {lost:x}"));
        }
    }

    /// Somebody committed an operation.
    pub(super) fn committed(&mut self, seat: Seat, placed: &Placed) {
        self.held.entry(seat).or_default().insert(placed.id);
        let place = (placed.author, placed.sequence);
        self.places.insert(placed.id, place);
        if placed.is_compaction {
            let opening = self.openings.entry((seat, placed.author)).or_default();
            *opening = placed.sequence.max(*opening);
        }
    }

    /// A writer is told that its operation is safe.
    pub(super) fn acknowledged(
        &mut self,
        seat: Seat,
        author: AuthorId,
        sequence: u64,
        id: OperationId,
    ) {
        let is_held = self.held.get(&seat).is_some_and(|held| held.contains(&id));
        if !is_held {
            self.breaks(format!("{seat} was told of {id:?} before it was committed"));
        }
        self.acknowledged
            .entry(seat)
            .or_default()
            .insert(sequence, id);
        self.is_public(seat.document, author, sequence, id);
    }

    /// Others hear of an operation.
    pub(super) fn is_public(
        &mut self,
        document: usize,
        author: AuthorId,
        sequence: u64,
        id: OperationId,
    ) {
        let place = (document, author, sequence);
        let known = *self.public.entry(place).or_insert(id);
        if known != id && !self.is_a_copy(&author) {
            self.breaks(format!("number {sequence} of {author:?} was used twice"));
        }
    }

    /// Whether somebody has ever held all these.
    pub(super) fn has_held(&self, seat: Seat, ids: &BTreeSet<OperationId>) -> bool {
        let held = self.held.get(&seat);
        ids.iter().all(|id| {
            let is_covered = self.places.get(id).is_some_and(|(author, sequence)| {
                let opening = self.openings.get(&(seat, *author));
                self.is_a_copy(author) || opening.is_some_and(|opening| opening > sequence)
            });
            is_covered || held.is_some_and(|held| held.contains(id))
        })
    }

    /// What somebody says when faults end has to be there at the end of the schedule.
    pub(super) fn has_to_stay(&mut self, seat: Seat, said: &BTreeSet<u64>) {
        self.said.entry(seat).or_default().extend(said);
    }

    /// What somebody says at the end includes everything that anybody said in the document.
    pub(super) fn all_was_kept(&self, seat: Seat, said: &BTreeSet<u64>) -> Result<(), String> {
        let of_document = self.said.iter();
        let of_document = of_document.filter(|(known, _)| known.document == seat.document);
        let mut numbers = of_document.flat_map(|(_, said)| said);
        match numbers.find(|one| !said.contains(one)) {
            Some(lost) => Err(format!("{seat} does not have the number {lost:x}")),
            None => Ok(()),
        }
    }

    /// What everybody holds of a document at the end includes all that was acknowledged to anybody.
    pub(super) fn acknowledged_are_in(
        &self,
        document: usize,
        ids: &BTreeSet<OperationId>,
    ) -> Result<(), String> {
        let opening = |author: &AuthorId| {
            let places = ids.iter().filter_map(|id| self.places.get(id));
            let of_author = places.filter(|(known, _)| known == author);
            of_author.map(|(_, sequence)| *sequence).min().unwrap_or(0)
        };
        for (seat, acknowledged) in &self.acknowledged {
            if seat.document != document {
                continue;
            }
            for id in acknowledged.values().filter(|id| !ids.contains(id)) {
                let Some((author, sequence)) = self.places.get(id) else {
                    continue;
                };
                if !self.is_a_copy(author) && *sequence >= opening(author) {
                    return Err(format!("{id:?} was acknowledged to {seat} and is nowhere"));
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
