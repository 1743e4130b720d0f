// SPDX-License-Identifier: GPL-3.0-or-later
//! Operations that come together are made one, before the CRDT is let at them.
//!
//! With each import the CRDT looks for what others have written at the same time, goes through all
//! of it again, and tells what has become different: for one keystroke much the same as for a
//! thousand. A blob of updates is a header and blocks that are read one by one, so the blocks of
//! several blobs behind one header are a blob again.
//!
//! Invariants: what is joined says no more and no less of authors and times than its parts did; to
//! take it in costs no more than one body may cost.

use reflection_node::identity::AuthorId;
use reflection_node::operation::Kind;
use reflection_node::pipeline::Delivered;
use xxhash_rust::xxh32::xxh32;

use super::budget::{self, STEPS_MAX};
use super::span::{CHECKSUM, HEADER_BYTES, blocks};
use super::times::{TOGETHER_MAX_S, time_s};
use super::update;

/// Bodies from this size on stay alone, in bytes.
const LARGE_BODY_BYTES: usize = 16 * 1024;
/// Bytes that are joined, at most.
const JOINED_BYTES_MAX: usize = 1024 * 1024;

/// What the CRDT's sum over a blob of updates begins with.
const SUM_SEED: u32 = u32::from_le_bytes(*b"LORO");

/// Splits operations into parts that may be joined, keeping their order.
pub(super) fn parts(mut operations: &[Delivered]) -> impl Iterator<Item = &[Delivered]> {
    std::iter::from_fn(move || {
        let (part, rest) = operations.split_at(part_length(operations));
        operations = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// What an operation takes of the CRDT; `None` for one that stays alone.
fn steps(operation: &Delivered) -> Option<usize> {
    let is_alone = operation.body.len() >= LARGE_BODY_BYTES || operation.kind == Kind::Compaction;
    let updates = update::payload(&operation.body).filter(|_| !is_alone)?;
    budget::steps(updates).ok()
}

/// How many of the operations, from the first on, may be joined.
fn part_length(operations: &[Delivered]) -> usize {
    if operations.len() < 2 {
        return operations.len();
    }
    // Of each author the earliest and the latest time: few people write at once.
    let mut times: Vec<(AuthorId, i64, i64)> = Vec::new();
    let (mut bytes, mut steps) = (0, 0);
    for (index, operation) in operations.iter().enumerate() {
        let Some(more) = self::steps(operation) else {
            return index.max(1);
        };
        steps += more;
        bytes += operation.body.len();
        let made_s = time_s(operation);
        let known = times.iter_mut().find(|known| known.0 == operation.author);
        let mut is_near = true;
        if let Some((_, earliest_s, latest_s)) = known {
            *earliest_s = made_s.min(*earliest_s);
            *latest_s = made_s.max(*latest_s);
            is_near = latest_s.saturating_sub(*earliest_s) <= TOGETHER_MAX_S;
        } else {
            times.push((operation.author, made_s, made_s));
        }
        if index > 0 && (bytes > JOINED_BYTES_MAX || steps > STEPS_MAX || !is_near) {
            return index;
        }
    }
    operations.len()
}

/// Several operations as one blob of updates. `None` where there is nothing to be joined, or one of
/// them is not what it should be: whoever takes them in finds out which.
pub(super) fn joined(operations: &[Delivered]) -> Option<Vec<u8>> {
    if operations.len() < 2 {
        return None;
    }
    let bytes = operations.iter().map(|operation| operation.body.len());
    let mut joined: Vec<u8> = Vec::with_capacity(HEADER_BYTES + bytes.sum::<usize>());
    for operation in operations {
        let updates = update::payload(&operation.body)?;
        // That the blocks end where the blob does: else the next one would be misread.
        blocks(updates).ok()?;
        let (header, blocks) = updates.split_at_checked(HEADER_BYTES)?;
        if joined.is_empty() {
            joined.extend_from_slice(header);
        }
        let is_alike = header[..CHECKSUM.start] == joined[..CHECKSUM.start]
            && header[CHECKSUM.end..] == joined[CHECKSUM.end..HEADER_BYTES];
        if !is_alike || header[CHECKSUM] != checksum(updates) {
            return None;
        }
        joined.extend_from_slice(blocks);
    }
    let checksum = checksum(&joined);
    joined[CHECKSUM].copy_from_slice(&checksum);
    Some(joined)
}

/// The checksum of a blob of updates, as it stands in the header.
fn checksum(updates: &[u8]) -> [u8; CHECKSUM.end - CHECKSUM.start] {
    let sum = xxh32(&updates[CHECKSUM.end..], SUM_SEED);
    let mut checksum = [0; CHECKSUM.end - CHECKSUM.start];
    let (_, last) = checksum.split_at_mut(CHECKSUM.end - CHECKSUM.start - 4);
    last.copy_from_slice(&sum.to_le_bytes());
    checksum
}
