// SPDX-License-Identifier: GPL-3.0-or-later
//! Undo and redo of what was edited here, and of nothing else.
//!
//! Each edit leaves its inverse. The inverses stand on top of each other: the uppermost fits the
//! present text, each other one the text that the one above it leads to. A change by somebody
//! else is noted at the uppermost and moved down only when that one is taken, so its cost does
//! not depend on how much there is to undo. An inverse deletes nothing but what its own edit
//! inserted, because what others insert within is cut out of it.

use std::collections::VecDeque;

use unicode_segmentation::UnicodeSegmentation;

use super::Selection;
use super::shape::{Piece, Shape, Side};
use packed::Packed;

mod packed;

/// A longer pause than this, in milliseconds, begins a new step.
const PAUSE_MS: u64 = 1_000;
/// Edits that can be undone or redone; joined ones count once.
pub(super) const EDITS_MAX: usize = 10_000;
/// Deleted text that is kept for undo or redo, in bytes. The newest edit is kept whatever its size.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Places that others may change while nothing is undone, before undo forgets.
pub(super) const PENDING_PIECES_MAX: usize = 65_536;

/// Changes in a row, oldest first. Each is at least twice as long as the one after it, so that
/// adding many costs little.
#[derive(Debug, Default)]
pub(super) struct Pending(Vec<Shape>);

impl Pending {
    pub(super) fn push(&mut self, shape: Shape) {
        self.0.push(shape);
        while let [.., before, last] = self.0.as_slice() {
            if before.pieces().len() >= 2 * last.pieces().len() {
                break;
            }
            let joined = before.then(last);
            self.0.truncate(self.0.len() - 2);
            self.0.push(joined);
        }
    }

    pub(super) fn take(&mut self) -> Option<Shape> {
        let mut all = self.0.pop()?;
        while let Some(before) = self.0.pop() {
            all = before.then(&all);
        }
        Some(all)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn pieces(&self) -> usize {
        self.0.iter().map(|shape| shape.pieces().len()).sum()
    }
}

/// The inverse of an edit.
#[derive(Debug)]
struct Inverse {
    shape: Shape,
    /// The text of all insertions in `shape`, one after the other.
    text: String,
    /// Caret and selection as they were left by the edit.
    source: Selection,
    /// Caret and selection as the edit found them.
    target: Selection,
    /// Whether the step that a person takes back at once ends with this one.
    ends_step: bool,
    /// What others have changed and was not moved down yet.
    pending: Pending,
}

impl Inverse {
    /// Moves it to the present text; gives what the one below has to be moved by.
    fn settle(&mut self) -> Option<Shape> {
        let change = self.pending.take()?;
        let below = change.after(&self.shape, Side::Right);
        self.shape = self.shape.after(&change, Side::Left);
        self.source = self.source.moved(&change);
        self.target = self.target.moved(&below);
        Some(below)
    }

    /// The only place that it touches: position, length of the text it inserts, and how much it
    /// deletes behind that. `None` if others have torn it apart.
    fn splice(&self) -> Option<(usize, usize, usize)> {
        match *self.shape.pieces() {
            [Piece::Insert(m)] => Some((0, m, 0)),
            [Piece::Delete(n)] => Some((0, 0, n)),
            [Piece::Insert(m), Piece::Delete(n)] => Some((0, m, n)),
            [Piece::Keep(at), Piece::Insert(m)] => Some((at, m, 0)),
            [Piece::Keep(at), Piece::Delete(n)] => Some((at, 0, n)),
            [Piece::Keep(at), Piece::Insert(m), Piece::Delete(n)] => Some((at, m, n)),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct Stack {
    /// The uppermost, which is all that edits and others change.
    top: Option<Inverse>,
    below: VecDeque<Packed>,
    text_bytes: usize,
}

impl Stack {
    fn push(&mut self, inverse: Inverse) {
        self.text_bytes += inverse.text.len();
        if let Some(before) = self.top.replace(inverse) {
            if self.below.len() == self.below.capacity() {
                // By a quarter, where it would double itself.
                self.below.reserve_exact(self.below.len() / 4 + 4);
            }
            self.below.push_back(before.into());
        }
        self.bound();
    }

    /// Forgets the oldest beyond the bounds.
    fn bound(&mut self) {
        while self.below.len() >= EDITS_MAX || self.text_bytes > TEXT_BYTES_MAX {
            let Some(oldest) = self.below.pop_front() else {
                return;
            };
            self.text_bytes -= oldest.text_bytes();
            // What is left of a step is a step.
            match (self.below.front_mut(), &mut self.top) {
                (Some(oldest), _) => oldest.end_step(),
                (None, Some(top)) => top.ends_step = true,
                (None, None) => {}
            }
        }
    }

    /// Moves the uppermost to the present text.
    fn settle(&mut self) {
        let below = self.top.as_mut().and_then(Inverse::settle);
        if let (Some(shape), Some(before)) = (below, self.below.back_mut()) {
            before.changed_by_others(shape);
        }
    }

    fn pop(&mut self) -> Option<Inverse> {
        self.settle();
        let inverse = self.top.take()?;
        self.text_bytes -= inverse.text.len();
        self.top = self.below.pop_back().map(Packed::unpacked);
        Some(inverse)
    }

    fn changed_by_others(&mut self, change: &Shape) {
        if let Some(top) = &mut self.top {
            top.pending.push(change.clone());
            if top.pending.pieces() > PENDING_PIECES_MAX {
                self.clear();
            }
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What an edit is like, for joining it to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Typing,
    ErasingBackward,
    ErasingForward,
    Other,
}

/// An edit as it was made: what stood at `at` was deleted, and `inserted` stands there now.
pub(super) struct Edited<'a> {
    pub(super) at: usize,
    pub(super) deleted: &'a str,
    pub(super) inserted: &'a str,
    /// Caret and selection before and after.
    pub(super) before: Selection,
    pub(super) after: Selection,
    /// When, in milliseconds of any clock.
    pub(super) now_ms: u64,
}

impl Edited<'_> {
    fn manner(&self) -> Manner {
        let is_one = |text: &str| text.graphemes(true).nth(1).is_none();
        match (self.deleted.is_empty(), self.inserted.is_empty()) {
            (true, false) if is_one(self.inserted) => Manner::Typing,
            (false, true) if is_one(self.deleted) && self.before.is_caret() => {
                if self.before.caret == self.at {
                    Manner::ErasingForward
                } else {
                    Manner::ErasingBackward
                }
            }
            _ => Manner::Other,
        }
    }
}

/// What was done last, while more of the same may join it.
#[derive(Clone, Copy, Debug)]
struct Last {
    manner: Manner,
    caret: usize,
    at_ms: u64,
}

/// One inverse to be applied: a change and the text that it inserts.
#[derive(Debug)]
pub(super) struct Reversal {
    pub(super) shape: Shape,
    pub(super) text: String,
    source: Selection,
    /// Caret and selection to restore.
    pub(super) target: Selection,
    /// Whether the step is complete with it.
    pub(super) ends_step: bool,
}

/// In which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Undo,
    Redo,
}

/// What can be undone and redone.
#[derive(Debug, Default)]
pub(super) struct Undo {
    done: Stack,
    undone: Stack,
    last: Option<Last>,
    /// How many commands are open; what is edited within the outermost is one step.
    commands: usize,
    /// Whether the outermost open command has edited something.
    has_edited: bool,
}

impl Undo {
    /// Whether there is something of this kind to do.
    pub(super) fn can(&self, direction: Direction) -> bool {
        self.stack(direction).top.is_some()
    }

    fn stack(&self, direction: Direction) -> &Stack {
        match direction {
            Direction::Undo => &self.done,
            Direction::Redo => &self.undone,
        }
    }

    fn stack_mut(&mut self, direction: Direction) -> &mut Stack {
        match direction {
            Direction::Undo => &mut self.done,
            Direction::Redo => &mut self.undone,
        }
    }

    /// What follows begins a step of its own.
    pub(super) fn break_step(&mut self) {
        self.last = None;
    }

    pub(super) fn begin_command(&mut self) {
        if self.commands == 0 {
            self.has_edited = false;
        }
        self.commands += 1;
    }

    pub(super) fn end_command(&mut self) {
        self.commands = self.commands.saturating_sub(1);
    }

    /// The place where the next of a row of edits is expected.
    pub(super) fn expected_caret(&self) -> Option<usize> {
        self.last.map(|last| last.caret)
    }

    /// Takes note of an edit that was made.
    pub(super) fn edited(&mut self, edit: &Edited<'_>) {
        self.undone.clear();
        let manner = edit.manner();
        let is_within = self.commands > 0 && self.has_edited;
        let is_joined = is_within || self.goes_on(edit, manner);
        self.has_edited = true;
        self.last = Some(Last {
            manner,
            caret: edit.at + edit.inserted.chars().count(),
            at_ms: edit.now_ms,
        });
        if is_joined && self.join(edit) {
            return;
        }
        let mut shape = Shape::default();
        shape.push(Piece::Keep(edit.at));
        shape.push(Piece::Insert(edit.deleted.chars().count()));
        shape.push(Piece::Delete(edit.inserted.chars().count()));
        self.done.push(Inverse {
            shape,
            text: edit.deleted.to_owned(),
            source: edit.after,
            target: edit.before,
            ends_step: !is_joined,
            pending: Pending::default(),
        });
    }

    /// Takes note of where the command that was just made left caret and selection, which is where
    /// doing it again leaves them.
    pub(super) fn left_at(&mut self, selection: Selection) {
        if let Some(top) = &mut self.done.top {
            top.source = selection;
        }
    }

    /// Whether an edit goes on where the last one stopped, as typing does.
    fn goes_on(&self, edit: &Edited<'_>, manner: Manner) -> bool {
        let Some(last) = self.last else { return false };
        let is_soon = edit
            .now_ms
            .checked_sub(last.at_ms)
            .is_some_and(|pause| pause <= PAUSE_MS);
        // A new line begins with its line break.
        let is_line = edit.inserted.starts_with(['\n', '\r']);
        let place = match manner {
            Manner::ErasingBackward => edit.at + edit.deleted.chars().count(),
            _ => edit.at,
        };
        manner != Manner::Other
            && manner == last.manner
            && is_soon
            && !is_line
            && place == last.caret
    }

    /// Makes one inverse of the last edit and one that touches it, if their order on the text
    /// stays clear.
    fn join(&mut self, edit: &Edited<'_>) -> bool {
        self.done.settle();
        let Some(top) = &mut self.done.top else {
            return false;
        };
        let Some((at, kept, added)) = top.splice() else {
            return false;
        };
        let deleted = edit.deleted.chars().count();
        let (edit_end, end) = (edit.at + deleted, at + added);
        if edit.at > end || edit_end < at {
            return false;
        }
        let overlap = edit_end.min(end) - edit.at.max(at);
        let (in_front, behind) = (at.saturating_sub(edit.at), edit_end.saturating_sub(end));
        if behind > 0 && added > overlap {
            return false;
        }
        let byte_of = |count: usize| {
            edit.deleted
                .char_indices()
                .nth(count)
                .map_or(edit.deleted.len(), |(byte, _)| byte)
        };
        let (front, back) = (
            &edit.deleted[..byte_of(in_front)],
            &edit.deleted[byte_of(deleted - behind)..],
        );
        top.text.insert_str(0, front);
        top.text.push_str(back);
        self.done.text_bytes += front.len() + back.len();
        let mut shape = Shape::default();
        shape.push(Piece::Keep(at.min(edit.at)));
        shape.push(Piece::Insert(in_front + kept + behind));
        shape.push(Piece::Delete(
            added - overlap + edit.inserted.chars().count(),
        ));
        top.shape = shape;
        top.source = edit.after;
        self.done.bound();
        true
    }

    /// Takes note of what somebody else changed.
    pub(super) fn changed_by_others(&mut self, change: &Shape) {
        self.done.changed_by_others(change);
        self.undone.changed_by_others(change);
        if let Some(last) = &mut self.last {
            last.caret = change.moved(last.caret);
        }
    }

    /// Takes the next inverse, to be applied to the present text.
    pub(super) fn take(&mut self, direction: Direction) -> Option<Reversal> {
        self.last = None;
        let inverse = self.stack_mut(direction).pop()?;
        Some(Reversal {
            shape: inverse.shape,
            text: inverse.text,
            source: inverse.source,
            target: inverse.target,
            ends_step: inverse.ends_step,
        })
    }

    /// Notes that a reversal was applied, deleting `deleted`; `is_first` in its step. What it
    /// did can now be done the other way round.
    pub(super) fn applied(
        &mut self,
        direction: Direction,
        reversal: &Reversal,
        deleted: String,
        is_first: bool,
    ) {
        let mut shape = Shape::default();
        for piece in reversal.shape.pieces() {
            shape.push(match *piece {
                Piece::Keep(n) => Piece::Keep(n),
                Piece::Insert(n) => Piece::Delete(n),
                Piece::Delete(n) => Piece::Insert(n),
            });
        }
        let inverse = Inverse {
            shape,
            text: deleted,
            source: reversal.target,
            target: reversal.source,
            ends_step: is_first,
            pending: Pending::default(),
        };
        match direction {
            Direction::Undo => self.undone.push(inverse),
            Direction::Redo => self.done.push(inverse),
        }
    }

    /// How many edits are kept, and places that others have changed in them.
    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        let stacks = [&self.done, &self.undone];
        let tops = stacks.iter().filter_map(|stack| stack.top.as_ref());
        let below = stacks.iter().flat_map(|stack| &stack.below);
        let pending = tops.clone().map(|top| top.pending.pieces());
        let pending = pending.chain(below.clone().map(Packed::pending)).sum();
        (tops.count() + below.count(), pending)
    }
}
