// SPDX-License-Identifier: GPL-3.0-or-later
//! Inverses that are not the uppermost, in little memory: thousands of them are kept, and nearly
//! all of them are the replacement of some characters in one place, settled long ago.

use super::super::Selection;
use super::super::shape::{Piece, Shape};
use super::{Inverse, Pending};

/// An inverse, as it is kept.
#[derive(Debug)]
pub(super) enum Packed {
    /// `text` for `deletes` characters at `at`.
    Splice {
        at: u32,
        deletes: u32,
        source: [u32; 2],
        target: [u32; 2],
        ends_step: bool,
        text: Box<str>,
    },
    /// Anything else.
    Whole(Box<Inverse>),
}

impl From<Inverse> for Packed {
    fn from(inverse: Inverse) -> Self {
        splice(&inverse).unwrap_or_else(|| Self::Whole(Box::new(inverse)))
    }
}

fn splice(inverse: &Inverse) -> Option<Packed> {
    if !inverse.pending.is_empty() {
        return None;
    }
    let (at, _, deletes) = inverse.splice()?;
    Some(Packed::Splice {
        at: u32::try_from(at).ok()?,
        deletes: u32::try_from(deletes).ok()?,
        source: ends(inverse.source)?,
        target: ends(inverse.target)?,
        ends_step: inverse.ends_step,
        text: inverse.text.as_str().into(),
    })
}

fn ends(selection: Selection) -> Option<[u32; 2]> {
    let end = |at: usize| u32::try_from(at).ok();
    Some([end(selection.anchor)?, end(selection.caret)?])
}

fn selection([anchor, caret]: [u32; 2]) -> Selection {
    Selection {
        anchor: anchor as usize,
        caret: caret as usize,
    }
}

impl Packed {
    /// The inverse itself.
    pub(super) fn unpacked(self) -> Inverse {
        match self {
            Self::Whole(inverse) => *inverse,
            Self::Splice {
                at,
                deletes,
                source,
                target,
                ends_step,
                text,
            } => {
                let mut shape = Shape::default();
                shape.push(Piece::Keep(at as usize));
                shape.push(Piece::Insert(text.chars().count()));
                shape.push(Piece::Delete(deletes as usize));
                Inverse {
                    shape,
                    text: text.into(),
                    source: selection(source),
                    target: selection(target),
                    ends_step,
                    pending: Pending::default(),
                }
            }
        }
    }

    /// Notes what others have changed.
    pub(super) fn changed_by_others(&mut self, change: Shape) {
        if let Self::Splice { .. } = self {
            let empty = Self::Splice {
                at: 0,
                deletes: 0,
                source: [0; 2],
                target: [0; 2],
                ends_step: true,
                text: Box::default(),
            };
            let inverse = std::mem::replace(self, empty).unpacked();
            *self = Self::Whole(Box::new(inverse));
        }
        if let Self::Whole(inverse) = self {
            inverse.pending.push(change);
        }
    }

    /// What is left of a step is a step.
    pub(super) fn end_step(&mut self) {
        match self {
            Self::Splice { ends_step, .. } => *ends_step = true,
            Self::Whole(inverse) => inverse.ends_step = true,
        }
    }

    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Self::Splice { text, .. } => text.len(),
            Self::Whole(inverse) => inverse.text.len(),
        }
    }

    #[cfg(test)]
    pub(super) fn pending(&self) -> usize {
        match self {
            Self::Splice { .. } => 0,
            Self::Whole(inverse) => inverse.pending.pieces(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn inverse(shape: Shape, text: &str) -> Inverse {
        Inverse {
            shape,
            text: text.into(),
            source: Selection::caret(9),
            target: Selection {
                anchor: 3,
                caret: 7,
            },
            ends_step: false,
            pending: Pending::default(),
        }
    }

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let shapes: [(&[Piece], &str); 4] = [
            (&[Piece::Insert(2)], "é🎉"),
            (&[Piece::Keep(7), Piece::Delete(1)], ""),
            (&[Piece::Keep(7), Piece::Insert(1), Piece::Delete(3)], "x"),
            (
                &[Piece::Insert(1), Piece::Keep(2), Piece::Insert(1)],
                "both",
            ),
        ];
        for (pieces, text) in shapes {
            let mut shape = Shape::default();
            for &piece in pieces {
                shape.push(piece);
            }
            let packed = Packed::from(inverse(shape.clone(), text));
            let is_small = matches!(packed, Packed::Splice { .. });
            assert_eq!(is_small, pieces.len() < 3 || text == "x");
            assert_eq!(packed.text_bytes(), text.len());
            let again = packed.unpacked();
            let expected = inverse(shape.clone(), text);
            assert_eq!(format!("{again:?}"), format!("{expected:?}"));

            let mut packed = Packed::from(inverse(shape, text));
            packed.changed_by_others(Shape::splice(0, 0, 5));
            packed.end_step();
            let mut changed = packed.unpacked();
            assert!(changed.ends_step);
            changed.settle().unwrap();
            assert_eq!(changed.source, Selection::caret(14));
        }
    }
}
