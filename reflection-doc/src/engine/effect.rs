// SPDX-License-Identifier: GPL-3.0-or-later
//! What changed in the text because of somebody else.

use loro::TextDelta;
use loro::event::{Diff, DiffEvent};

/// One step from the text before to the text after. Steps apply in their order.
#[derive(Clone, PartialEq, Eq)]
pub enum Effect {
    /// Text appears.
    Insert {
        /// Characters before it.
        at: usize,
        /// The text.
        text: String,
    },
    /// Text disappears.
    Delete {
        /// Characters before it.
        at: usize,
        /// How many characters.
        count: usize,
    },
}

impl std::fmt::Debug for Effect {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text.
        match self {
            Self::Insert { at, text } => {
                write!(formatter, "Insert {{ at: {at}, {} bytes }}", text.len())
            }
            Self::Delete { at, count } => write!(formatter, "Delete {{ at: {at}, {count} }}"),
        }
    }
}

impl Effect {
    /// Applies the step to a copy of the text. `None` where it does not fit, which shows a copy
    /// that is not the text any more.
    pub fn apply_to(&self, text: &mut String) -> Option<()> {
        let byte_at = |text: &str, at: usize| match text.char_indices().nth(at) {
            Some((byte, _)) => Some(byte),
            None => (text.chars().count() == at).then_some(text.len()),
        };
        match self {
            Self::Insert { at, text: inserted } => {
                let byte = byte_at(text, *at)?;
                text.insert_str(byte, inserted);
            }
            Self::Delete { at, count } => {
                let (from, to) = (byte_at(text, *at)?, byte_at(text, at + count)?);
                text.replace_range(from..to, "");
            }
        }
        Some(())
    }
}

/// Turns a CRDT event into steps. Loro counts in Unicode scalar values here.
pub(super) fn collect(event: &DiffEvent<'_>, effects: &mut Vec<Effect>) {
    for container in &event.events {
        let Diff::Text(delta) = &container.diff else {
            continue;
        };
        let mut at = 0;
        for step in delta {
            match step {
                TextDelta::Retain { retain, .. } => at += retain,
                TextDelta::Insert { insert, .. } => {
                    effects.push(Effect::Insert {
                        at,
                        text: insert.clone(),
                    });
                    at += insert.chars().count();
                }
                TextDelta::Delete { delete } => {
                    effects.push(Effect::Delete { at, count: *delete });
                }
            }
        }
    }
}
