// SPDX-License-Identifier: GPL-3.0-or-later
//! Knows everything that happened anywhere, and says when something is not as it must be.

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
    /// Which operation others have heard of or its author was told to be safe, for each place.
    public: BTreeMap<(AuthorId, u64), OperationId>,
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
            public: BTreeMap::new(),
            early: Arc::default(),
        }
    }

    pub(super) fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// Somebody sees what is in the store after a start.
    pub(super) fn started(&mut self, who: usize, operations: &[Placed]) {
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
            .find(|id| !present.contains(id));
        if let Some(lost) = lost {
            self.breaks(format!("{who} lost {lost:?}, which was acknowledged"));
        }
        self.held[who].extend(present);
    }

    /// Somebody committed an operation.
    pub(super) fn committed(&mut self, who: usize, id: OperationId) {
        self.held[who].insert(id);
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
        if known != id {
            self.breaks(format!("number {sequence} of {author:?} was used twice"));
        }
    }

    /// Whether somebody has ever held all these.
    pub(super) fn has_held(&self, who: usize, ids: &BTreeSet<OperationId>) -> bool {
        ids.is_subset(&self.held[who])
    }

    /// What everybody holds at the end includes all that was acknowledged to anybody.
    pub(super) fn acknowledged_are_in(&self, ids: &BTreeSet<OperationId>) -> Result<(), String> {
        for (who, acknowledged) in self.acknowledged.iter().enumerate() {
            if let Some(lost) = acknowledged.values().find(|id| !ids.contains(id)) {
                return Err(format!("{lost:?} was acknowledged to {who} and is nowhere"));
            }
        }
        Ok(())
    }
}
