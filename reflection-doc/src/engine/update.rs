// SPDX-License-Identifier: GPL-3.0-or-later
//! The body of an operation: one byte for the format, then CRDT updates of the signing author.

use super::{PeerId, compaction, span};

/// Loro updates follow.
const FORMAT_UPDATES: u8 = 1;

/// Wraps exported updates.
pub(super) fn body(updates: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(updates.len() + 1);
    body.push(FORMAT_UPDATES);
    body.extend_from_slice(updates);
    body
}

/// The updates in a body.
pub(super) fn payload(body: &[u8]) -> Option<&[u8]> {
    match body.split_first() {
        Some((&FORMAT_UPDATES, updates)) => Some(updates),
        _ => compaction::split(body).map(|(_, updates)| updates),
    }
}

/// The changes in a body, by the signing author's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UpdateSpan {
    /// The first counter.
    pub(crate) start: i32,
    /// The counter after the last.
    pub(crate) end: i32,
}

/// Checks that a body holds well-formed changes of `peer` alone, and gives their counters.
///
/// The blob's own metadata could lie, so the changes themselves are decoded too: a forged id
/// would otherwise make the CRDT drop the victim's next real edit.
pub(crate) fn check_update(body: &[u8], peer: PeerId) -> Result<UpdateSpan, &'static str> {
    let Some((&FORMAT_UPDATES, updates)) = body.split_first() else {
        return Err("the contents are of an unknown format");
    };
    let spans = span::spans(updates)?;
    match spans.first_key_value() {
        None => Err("the contents hold no changes"),
        Some((&id, &(start, end))) if id == peer.get() && spans.len() == 1 => {
            Ok(UpdateSpan { start, end })
        }
        Some(_) => Err("the contents claim another author"),
    }
}
