// SPDX-License-Identifier: GPL-3.0-or-later
//! Places in the text that stay where they are while the text changes around them.
//!
//! A place is a number that each change moves; nothing is asked of the CRDT, where looking for a
//! deleted character costs tens of milliseconds. Only a place that arrives from somebody else is
//! looked for once, by the characters around it.

use loro::cursor::{Cursor, Side};
use loro::{ContainerTrait, ID, LoroDoc, LoroText};

use super::shape::Shape;

/// Caret and selection, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Where the selection began.
    pub anchor: usize,
    /// Where the caret is; where the anchor is if nothing is selected.
    pub caret: usize,
}

impl Selection {
    /// A caret without a selection.
    pub fn caret(at: usize) -> Self {
        Self {
            anchor: at,
            caret: at,
        }
    }

    /// Whether nothing is selected.
    pub fn is_caret(&self) -> bool {
        self.anchor == self.caret
    }

    /// From the first to behind the last selected character.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.anchor.min(self.caret)..self.anchor.max(self.caret)
    }

    pub(super) fn moved(&self, change: &Shape) -> Self {
        Self {
            anchor: change.moved(self.anchor),
            caret: change.moved(self.caret),
        }
    }

    pub(super) fn spliced(&self, at: usize, delete: usize, insert: usize) -> Self {
        Self {
            anchor: Bias::Before.spliced(self.anchor, at, delete, insert),
            caret: Bias::Before.spliced(self.caret, at, delete, insert),
        }
    }
}

/// On which side of what is inserted at a place the place remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// Before it, as a caret does under the hands of others.
    Before,
    /// Behind it.
    After,
}

impl Bias {
    /// Where a position is once `delete` characters at `at` have become `insert` others.
    fn spliced(self, position: usize, at: usize, delete: usize, insert: usize) -> usize {
        if position < at || (position == at && delete > 0) {
            position
        } else if position <= at + delete {
            at + if self == Self::After { insert } else { 0 }
        } else {
            position - delete + insert
        }
    }
}

/// Names a place that the engine moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CursorId(usize);

/// The places that are kept for whoever asked.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    places: Vec<Option<(usize, Bias)>>,
}

impl Cursors {
    pub(super) fn add(&mut self, at: usize, bias: Bias) -> CursorId {
        let free = self.places.iter().position(Option::is_none);
        let index = free.unwrap_or(self.places.len());
        if free.is_none() {
            self.places.push(None);
        }
        self.places[index] = Some((at, bias));
        CursorId(index)
    }

    pub(super) fn get(&self, id: CursorId) -> Option<usize> {
        self.places.get(id.0).copied().flatten().map(|(at, _)| at)
    }

    pub(super) fn set(&mut self, id: CursorId, to: usize) {
        if let Some(Some((at, _))) = self.places.get_mut(id.0) {
            *at = to;
        }
    }

    pub(super) fn remove(&mut self, id: CursorId) {
        if let Some(place) = self.places.get_mut(id.0) {
            *place = None;
        }
    }

    /// How many places are kept, free ones included.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.places.len()
    }

    pub(super) fn spliced(&mut self, at: usize, delete: usize, insert: usize) {
        for (position, bias) in self.places.iter_mut().flatten() {
            *position = bias.spliced(*position, at, delete, insert);
        }
    }
}

/// How far from a place the characters stand that describe it to others, in characters.
const WITNESS_DISTANCES: [usize; 6] = [0, 1, 3, 7, 15, 31];
/// Bytes of a described place: the position, then two witnesses for each distance.
const PLACE_BYTES: usize = 8 + WITNESS_DISTANCES.len() * 2 * WITNESS_BYTES;
/// Bytes of a witness: CRDT peer and counter; the counter is negative where there is none.
const WITNESS_BYTES: usize = 12;

/// Describes a place to somebody who may have a newer or an older text: by characters before and
/// behind it, nearest first.
pub(super) fn describe(text: &LoroText, at: usize) -> Vec<u8> {
    let length = text.len_unicode();
    let at = at.min(length);
    let mut bytes = Vec::with_capacity(PLACE_BYTES);
    bytes.extend((at as u64).to_be_bytes());
    for distance in WITNESS_DISTANCES {
        for place in [at.checked_sub(distance + 1), at.checked_add(distance)] {
            let id = place
                .filter(|&place| place < length)
                .and_then(|place| text.get_cursor(place, Side::Middle)?.id);
            let (peer, counter) = id.map_or((0, -1), |id| (id.peer, id.counter));
            bytes.extend(peer.to_be_bytes());
            bytes.extend(counter.to_be_bytes());
        }
    }
    bytes
}

/// Finds a described place: beside the next character that is still there, or between the two
/// where both are further away. `None` if this is no description.
pub(super) fn resolve(doc: &LoroDoc, text: &LoroText, bytes: &[u8]) -> Option<usize> {
    if bytes.len() != PLACE_BYTES {
        return None;
    }
    let (position, witnesses) = bytes.split_first_chunk::<8>()?;
    let length = text.len_unicode();
    let find = |witness: &[u8]| {
        let (peer, counter) = witness.split_first_chunk::<8>()?;
        let counter = i32::from_be_bytes(counter.try_into().ok()?);
        if counter < 0 {
            return None;
        }
        let id = ID::new(u64::from_be_bytes(*peer), counter);
        let cursor = Cursor::new(Some(id), text.id(), Side::Middle, 0);
        // Asks for living characters only; the public way would search the history for others.
        doc.with_state(|state| state.get_relative_position(&cursor, false))
    };
    let (mut before, mut behind) = (None, None);
    for (index, pair) in witnesses.chunks_exact(2 * WITNESS_BYTES).enumerate() {
        let (one, two) = pair.split_at(WITNESS_BYTES);
        before = before.or_else(|| find(one).map(|at| at + 1));
        if before.is_some() && index == 0 {
            break;
        }
        behind = behind.or_else(|| find(two));
        if before.is_some() && behind.is_some() || behind.is_some() && index == 0 {
            break;
        }
    }
    let position = usize::try_from(u64::from_be_bytes(*position)).unwrap_or(usize::MAX);
    let found = match (before, behind) {
        (Some(before), Some(behind)) if before <= behind => before.midpoint(behind),
        (Some(at), _) | (None, Some(at)) => at,
        (None, None) => position,
    };
    Some(found.min(length))
}
