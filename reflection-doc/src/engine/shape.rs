// SPDX-License-Identifier: GPL-3.0-or-later
//! What a change does to positions: how much is kept, inserted and deleted, without the text.
//!
//! The order of an insertion and a deletion at one place is kept, because it says on which side
//! of the deleted text the new one stands. For two changes `a` and `b` of one text, `b` followed
//! by `a.after(b, ...)` leads to the same text as `a` followed by `b.after(a, ...)`.

use std::cmp::min;

/// A part of a change, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Keep(usize),
    Insert(usize),
    Delete(usize),
}

/// Which of two insertions at one place stands first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A change of a text, seen from its positions. What follows the last piece is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape(Vec<Piece>);

/// Reads pieces in parts. Behind the end everything is kept.
struct Reader<'a> {
    pieces: std::slice::Iter<'a, Piece>,
    current: Option<Piece>,
}

impl<'a> Reader<'a> {
    fn new(shape: &'a Shape) -> Self {
        let mut pieces = shape.0.iter();
        let current = pieces.next().copied();
        Self { pieces, current }
    }

    fn next_piece(&mut self) {
        self.current = self.pieces.next().copied();
    }

    /// Goes on by a part of the current piece.
    fn advance(&mut self, count: usize) {
        let left = match self.current {
            Some(Piece::Keep(n) | Piece::Insert(n) | Piece::Delete(n)) => n - count,
            None => return,
        };
        if left == 0 {
            self.next_piece();
            return;
        }
        self.current = self.current.map(|piece| match piece {
            Piece::Keep(_) => Piece::Keep(left),
            Piece::Insert(_) => Piece::Insert(left),
            Piece::Delete(_) => Piece::Delete(left),
        });
    }
}

impl Shape {
    /// The replacement of `delete` characters at `at` by `insert` new ones behind them.
    pub(super) fn splice(at: usize, delete: usize, insert: usize) -> Self {
        let mut shape = Self::default();
        shape.push(Piece::Keep(at));
        shape.push(Piece::Delete(delete));
        shape.push(Piece::Insert(insert));
        shape
    }

    /// Adds a piece at the end.
    pub(super) fn push(&mut self, piece: Piece) {
        match (self.0.last_mut(), piece) {
            (_, Piece::Keep(0) | Piece::Insert(0) | Piece::Delete(0)) => {}
            (Some(Piece::Keep(n)), Piece::Keep(more))
            | (Some(Piece::Insert(n)), Piece::Insert(more))
            | (Some(Piece::Delete(n)), Piece::Delete(more)) => *n += more,
            _ => self.0.push(piece),
        }
    }

    /// Takes a kept end away, which says nothing.
    fn trimmed(mut self) -> Self {
        if let Some(Piece::Keep(_)) = self.0.last() {
            self.0.pop();
        }
        self
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Keep(_)))
    }

    /// This change and then `next`.
    pub(super) fn then(&self, next: &Self) -> Self {
        let (mut one, mut two) = (Reader::new(self), Reader::new(next));
        let mut both = Self::default();
        loop {
            match (one.current, two.current) {
                (Some(Piece::Delete(n)), _) => {
                    both.push(Piece::Delete(n));
                    one.next_piece();
                }
                (_, Some(Piece::Insert(n))) => {
                    both.push(Piece::Insert(n));
                    two.next_piece();
                }
                (None, None) => return both.trimmed(),
                (Some(piece), None) => {
                    both.push(piece);
                    one.next_piece();
                }
                (None, Some(piece)) => {
                    both.push(piece);
                    two.next_piece();
                }
                (Some(Piece::Keep(n)), Some(Piece::Keep(m))) => {
                    let count = min(n, m);
                    both.push(Piece::Keep(count));
                    one.advance(count);
                    two.advance(count);
                }
                (Some(Piece::Keep(n)), Some(Piece::Delete(m))) => {
                    let count = min(n, m);
                    both.push(Piece::Delete(count));
                    one.advance(count);
                    two.advance(count);
                }
                (Some(Piece::Insert(n)), Some(Piece::Keep(m))) => {
                    let count = min(n, m);
                    both.push(Piece::Insert(count));
                    one.advance(count);
                    two.advance(count);
                }
                (Some(Piece::Insert(n)), Some(Piece::Delete(m))) => {
                    let count = min(n, m);
                    one.advance(count);
                    two.advance(count);
                }
            }
        }
    }

    /// This change for the text that `other` has changed already. `side` is where this one's
    /// insertions stand beside the other's at the same place.
    pub(super) fn after(&self, other: &Self, side: Side) -> Self {
        let (mut own, mut theirs) = (Reader::new(self), Reader::new(other));
        let mut moved = Self::default();
        loop {
            match (own.current, theirs.current) {
                (None, _) => return moved.trimmed(),
                (Some(Piece::Insert(_)), Some(Piece::Insert(m))) if side == Side::Right => {
                    moved.push(Piece::Keep(m));
                    theirs.next_piece();
                }
                (Some(Piece::Insert(n)), _) => {
                    moved.push(Piece::Insert(n));
                    own.next_piece();
                }
                (_, Some(Piece::Insert(m))) => {
                    moved.push(Piece::Keep(m));
                    theirs.next_piece();
                }
                (Some(piece), None) => {
                    moved.push(piece);
                    own.next_piece();
                }
                (Some(Piece::Keep(n)), Some(Piece::Keep(m))) => {
                    let count = min(n, m);
                    moved.push(Piece::Keep(count));
                    own.advance(count);
                    theirs.advance(count);
                }
                (Some(Piece::Delete(n)), Some(Piece::Keep(m))) => {
                    let count = min(n, m);
                    moved.push(Piece::Delete(count));
                    own.advance(count);
                    theirs.advance(count);
                }
                (Some(Piece::Keep(n) | Piece::Delete(n)), Some(Piece::Delete(m))) => {
                    let count = min(n, m);
                    own.advance(count);
                    theirs.advance(count);
                }
            }
        }
    }

    /// Where a position stands after the change. One at an insertion stays before it.
    pub(super) fn moved(&self, position: usize) -> usize {
        let (mut before, mut after) = (0, 0);
        for piece in &self.0 {
            match *piece {
                Piece::Keep(n) => {
                    if before + n >= position {
                        return after + (position - before);
                    }
                    before += n;
                    after += n;
                }
                Piece::Insert(n) => {
                    if before >= position {
                        return after;
                    }
                    after += n;
                }
                Piece::Delete(n) => {
                    if before + n > position {
                        return after;
                    }
                    before += n;
                }
            }
        }
        after + (position - before)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A change of a text of this length.
    fn shape(length: usize) -> impl Strategy<Value = Shape> {
        prop::collection::vec((0_usize..4, 0_usize..3, 0_usize..3), 0..6).prop_map(move |parts| {
            let (mut shape, mut left) = (Shape::default(), length);
            for (keep, insert, delete) in parts {
                let keep = keep.min(left);
                let delete = delete.min(left - keep);
                left -= keep + delete;
                shape.push(Piece::Keep(keep));
                shape.push(Piece::Insert(insert));
                shape.push(Piece::Delete(delete));
            }
            shape.trimmed()
        })
    }

    /// The text after a change; what is new gets a letter of its own.
    fn apply(text: &[u32], shape: &Shape, new: u32) -> Vec<u32> {
        let (mut result, mut at, mut new) = (Vec::new(), 0, new);
        for piece in shape.pieces() {
            match *piece {
                Piece::Keep(n) => {
                    result.extend(&text[at..at + n]);
                    at += n;
                }
                Piece::Insert(n) => {
                    for _ in 0..n {
                        result.push(new);
                        new += 1;
                    }
                }
                Piece::Delete(n) => at += n,
            }
        }
        result.extend(&text[at..]);
        result
    }

    proptest! {
        #[test]
        fn two_changes_meet_in_the_same_text(a in shape(8), b in shape(8)) {
            let text: Vec<u32> = (0..8).collect();
            let by_b = apply(&apply(&text, &a, 100), &b.after(&a, Side::Right), 200);
            let by_a = apply(&apply(&text, &b, 200), &a.after(&b, Side::Left), 100);
            prop_assert_eq!(by_a, by_b);
        }

        #[test]
        fn two_changes_in_a_row_are_one(a in shape(8), seed in 0_usize..6) {
            let text: Vec<u32> = (0..8).collect();
            let once = apply(&text, &a, 100);
            let at = seed.min(once.len());
            let b = Shape::splice(at, 2.min(once.len() - at), 1);
            let lengths = |text: Vec<u32>| {
                text.into_iter().map(|n| if n < 100 { n } else { 100 }).collect::<Vec<_>>()
            };
            prop_assert_eq!(
                lengths(apply(&once, &b, 200)),
                lengths(apply(&text, &a.then(&b), 100))
            );
        }
    }
}
