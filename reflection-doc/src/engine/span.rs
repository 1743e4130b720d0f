// SPDX-License-Identifier: GPL-3.0-or-later
//! Which changes a blob of the CRDT really holds.
//!
//! What a blob says of itself is the outermost counters only, and of changes that build upon
//! something that is not here the CRDT says no more after decoding them. So each block is looked
//! at alone, and where a blob holds several changes, what they miss is made up in a document of
//! their own, so that they are taken in and can be read change by change.
//!
//! Invariant: of each peer the spans name, the blob holds every counter exactly once.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loro::{
    ContainerID, ContainerType, EncodedBlobMode, Frontiers, ID, IdSpan, ImportBlobMetadata,
    JsonChange, JsonListOp, JsonMovableListOp, JsonOp, JsonOpContent, JsonSchema, JsonTextOp,
    LoroDoc,
};

use super::budget;

/// Magic bytes, checksum and mode in front of the blocks.
pub(super) const HEADER_BYTES: usize = 22;
/// Where the checksum stands in the header.
pub(super) const CHECKSUM: std::ops::Range<usize> = 4..20;
/// Blocks in a blob. The CRDT fills them with some kilobytes each.
const BLOCKS_MAX: usize = 4_096;
/// Changes outside of a blob that its own may build upon directly.
const DEPENDENCIES_MAX: usize = 4_096;

pub(super) const MALFORMED: &str = "the contents are malformed";
const GAP: &str = "the contents have a gap";

/// For each peer the first counter and the one after the last.
pub(super) type Spans = BTreeMap<u64, (i32, i32)>;

/// The changes in a blob of updates. Refuses one in which a counter is missing or comes twice.
pub(super) fn spans(updates: &[u8]) -> Result<Spans, &'static str> {
    // Nothing is decoded of which it is not known what that costs.
    budget::check(updates)?;
    let meta = decode(updates, true)?;
    if meta.mode != EncodedBlobMode::Updates {
        return Err("the contents are not updates");
    }
    let mut spans = Spans::new();
    for block in blocks(updates)? {
        let block = decode(&alone(updates, block), false)?;
        for (peer, span) in outer(&block) {
            let known = spans.entry(peer).or_insert((span.0, span.0));
            if span.0 < 0 || span.0 != known.1 || span.1 <= span.0 {
                return Err(GAP);
            }
            known.1 = span.1;
        }
    }
    if spans != outer(&meta).collect() {
        return Err(GAP);
    }
    // One change is one row of counters; several could overlap within a block.
    if meta.change_num > 1 {
        read_changes(updates, &meta, &spans)?;
    }
    Ok(spans)
}

/// Decodes a blob. What makes the CRDT give up is malformed.
fn decode(blob: &[u8], is_sealed: bool) -> Result<ImportBlobMetadata, &'static str> {
    catch_unwind(|| LoroDoc::decode_import_blob_meta(blob, is_sealed))
        .ok()
        .and_then(Result::ok)
        .ok_or(MALFORMED)
}

/// The outermost counters.
fn outer(meta: &ImportBlobMetadata) -> impl Iterator<Item = (u64, (i32, i32))> + '_ {
    meta.partial_end_vv.iter().map(|(&peer, &end)| {
        let start = meta.partial_start_vv.get(&peer).copied().unwrap_or(0);
        (peer, (start, end))
    })
}

/// The blocks with their lengths in front, as they stand in a blob.
pub(super) fn blocks(updates: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let (_, mut rest) = updates.split_at_checked(HEADER_BYTES).ok_or(MALFORMED)?;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let (length, prefix) = leb128(rest).ok_or(MALFORMED)?;
        let end = prefix.checked_add(length).ok_or(MALFORMED)?;
        let (block, after) = rest.split_at_checked(end).ok_or(MALFORMED)?;
        if blocks.len() == BLOCKS_MAX {
            return Err("the contents are in too many pieces");
        }
        blocks.push(block);
        rest = after;
    }
    Ok(blocks)
}

/// A block as a blob of its own, without a checksum.
fn alone(updates: &[u8], block: &[u8]) -> Vec<u8> {
    let mut blob = updates[..HEADER_BYTES].to_vec();
    blob[CHECKSUM].fill(0);
    blob.extend_from_slice(block);
    blob
}

/// A number in unsigned LEB128 and how many bytes it takes.
pub(super) fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0_usize;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        number |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}

/// Takes the changes in and compares them, one after the other, with what was said.
fn read_changes(
    updates: &[u8],
    meta: &ImportBlobMetadata,
    spans: &Spans,
) -> Result<(), &'static str> {
    let scratch = LoroDoc::new();
    // A history alone: no text is made of changes that miss what they changed.
    scratch.detach();
    let stand_ins = stand_ins(meta, spans)?;
    let compared = catch_unwind(AssertUnwindSafe(|| {
        scratch
            .import_json_updates(stand_ins)
            .map_err(|_| MALFORMED)?;
        compare(&scratch, updates, spans)
    }));
    compared.unwrap_or_else(|_| {
        // What the CRDT gave up on cannot be taken down without ending the program. Who made it
        // is not listened to any more, so little is lost.
        std::mem::forget(scratch);
        Err(MALFORMED)
    })
}

/// Takes the changes in and reads them again.
fn compare(scratch: &LoroDoc, updates: &[u8], spans: &Spans) -> Result<(), &'static str> {
    let status = scratch.import(updates).map_err(|_| MALFORMED)?;
    let is_whole = status.pending.is_none_or(|pending| pending.is_empty());
    let taken: Spans = status
        .success
        .iter()
        .map(|(&peer, &span)| (peer, span))
        .collect();
    if !is_whole || taken != *spans {
        return Err(GAP);
    }
    for (&peer, &(start, end)) in spans {
        let mut next = start;
        for change in scratch.export_json_in_id_span(IdSpan::new(peer, start, end)) {
            for op in &change.ops {
                if op.counter != next {
                    return Err(GAP);
                }
                next = op.counter.saturating_add(length(&op.content));
            }
        }
        if next != end {
            return Err(GAP);
        }
    }
    Ok(())
}

/// Changes that take the counters of what a blob builds upon, and next to no memory.
fn stand_ins(meta: &ImportBlobMetadata, spans: &Spans) -> Result<JsonSchema, &'static str> {
    let mut ends: BTreeMap<u64, i32> = spans
        .iter()
        .filter(|(_, span)| span.0 > 0)
        .map(|(&peer, &(start, _))| (peer, start))
        .collect();
    for id in meta.start_frontiers.iter() {
        let end = id.counter.checked_add(1).filter(|&end| end > 0);
        let end = end.ok_or(MALFORMED)?;
        match spans.get(&id.peer) {
            // What is within the blob needs no stand-in, and what is behind it cannot be.
            Some(&(start, _)) if id.counter < start => {}
            Some(_) => return Err(MALFORMED),
            None => {
                let known = ends.entry(id.peer).or_default();
                *known = end.max(*known);
            }
        }
        if ends.len() > DEPENDENCIES_MAX {
            return Err("the contents build upon too much");
        }
    }
    let container = ContainerID::new_root("stand-in", ContainerType::Text);
    let changes = ends.into_iter().map(|(peer, end)| JsonChange {
        id: ID::new(peer, 0),
        timestamp: 0,
        deps: Vec::new(),
        lamport: 0,
        msg: None,
        ops: vec![JsonOp {
            content: JsonOpContent::Text(JsonTextOp::Delete {
                pos: 0,
                len: end,
                start_id: ID::new(peer, 0),
            }),
            container: container.clone(),
            counter: 0,
        }],
    });
    Ok(JsonSchema {
        schema_version: 1,
        start_version: Frontiers::default(),
        peers: None,
        changes: changes.collect(),
    })
}

/// Counters that an operation takes.
fn length(content: &JsonOpContent) -> i32 {
    let count = match content {
        JsonOpContent::Text(JsonTextOp::Insert { text, .. }) => text.chars().count(),
        JsonOpContent::List(JsonListOp::Insert { value, .. })
        | JsonOpContent::MovableList(JsonMovableListOp::Insert { value, .. }) => value.len(),
        JsonOpContent::Text(JsonTextOp::Delete { len, .. })
        | JsonOpContent::List(JsonListOp::Delete { len, .. })
        | JsonOpContent::MovableList(JsonMovableListOp::Delete { len, .. }) => {
            len.unsigned_abs() as usize
        }
        _ => 1,
    };
    i32::try_from(count).unwrap_or(i32::MAX)
}
