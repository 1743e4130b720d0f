// SPDX-License-Identifier: GPL-3.0-or-later
//! What changed in the text, and because of whom.

use loro::TextDelta;
use loro::event::{Diff, DiffEvent};
use reflection_node::identity::AuthorId;

use super::shape::{Piece, Shape};

/// Where a change of the text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was asked for here: an edit, a command, a restored version.
    Local,
    /// Something that was done here was undone or redone.
    Undo,
    /// Somebody else wrote it, or this author did so elsewhere. `None` where changes of several
    /// people came together and cannot be told apart.
    Remote(Option<AuthorId>),
}

/// One step from the text before to the text after. Steps apply in their order.
#[derive(Clone, PartialEq, Eq)]
pub enum Effect {
    /// Text appears.
    Insert {
        /// Characters before it.
        at: usize,
        /// The text.
        text: String,
        /// Where it comes from.
        origin: Origin,
    },
    /// Text disappears.
    Delete {
        /// Characters before it.
        at: usize,
        /// How many characters.
        count: usize,
        /// Where it comes from.
        origin: Origin,
    },
}

impl std::fmt::Debug for Effect {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text.
        match self {
            Self::Insert { at, text, .. } => {
                write!(formatter, "Insert {{ at: {at}, {} bytes }}", text.len())
            }
            Self::Delete { at, count, .. } => write!(formatter, "Delete {{ at: {at}, {count} }}"),
        }
    }
}

impl Effect {
    /// Where the step comes from.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Insert { origin, .. } | Self::Delete { origin, .. } => *origin,
        }
    }

    /// Applies the step to a copy of the text. `None` where it does not fit, which shows a copy
    /// that is not the text any more.
    pub fn apply_to(&self, text: &mut String) -> Option<()> {
        let byte_at = |text: &str, at: usize| match text.char_indices().nth(at) {
            Some((byte, _)) => Some(byte),
            None => (text.chars().count() == at).then_some(text.len()),
        };
        match self {
            Self::Insert {
                at, text: inserted, ..
            } => {
                let byte = byte_at(text, *at)?;
                text.insert_str(byte, inserted);
            }
            Self::Delete { at, count, .. } => {
                let (from, to) = (byte_at(text, *at)?, byte_at(text, at + count)?);
                text.replace_range(from..to, "");
            }
        }
        Some(())
    }
}

/// The steps from one text to another, where it is not known how that came about: what lies
/// between their common beginning and their common end is replaced.
pub(super) fn between(before: &str, after: &str) -> Vec<Effect> {
    let same = |(one, other): &(char, char)| one == other;
    let common = before.chars().zip(after.chars()).take_while(same).count();
    let rest = |text: &str| text.chars().count() - common;
    let most = rest(before).min(rest(after));
    let from_the_end = before.chars().rev().zip(after.chars().rev());
    let ending = from_the_end.take(most).take_while(same).count();
    let (delete, insert) = (rest(before) - ending, rest(after) - ending);
    let mut effects = Vec::new();
    if delete > 0 {
        effects.push(Effect::Delete {
            at: common,
            count: delete,
            origin: Origin::Remote(None),
        });
    }
    if insert > 0 {
        effects.push(Effect::Insert {
            at: common,
            text: after.chars().skip(common).take(insert).collect(),
            origin: Origin::Remote(None),
        });
    }
    effects
}

/// One event of the CRDT about the text.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) steps: Vec<TextDelta>,
}

impl Change {
    /// What it does to positions. Loro counts in Unicode scalar values here.
    pub(super) fn shape(&self) -> Shape {
        let mut shape = Shape::default();
        for step in &self.steps {
            shape.push(match step {
                TextDelta::Retain { retain, .. } => Piece::Keep(*retain),
                TextDelta::Insert { insert, .. } => Piece::Insert(insert.chars().count()),
                TextDelta::Delete { delete } => Piece::Delete(*delete),
            });
        }
        shape
    }
}

/// Takes what an event says about the text.
pub(super) fn collect(event: &DiffEvent<'_>, changes: &mut Vec<Change>) {
    for container in &event.events {
        if let Diff::Text(delta) = &container.diff {
            changes.push(Change {
                steps: delta.clone(),
            });
        }
    }
}
