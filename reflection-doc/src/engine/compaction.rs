// SPDX-License-Identifier: GPL-3.0-or-later
//! Compactions: all changes of one author in one body.
//!
//! ```text
//! format (1 byte: 2) ‖ count (1) ‖ count × [incarnation (8, big-endian), end (4, big-endian)] ‖ Loro updates
//! ```
//!
//! Invariants: the updates hold exactly the changes 0 to `end` of each listed incarnation of the
//! signing author, and nobody else's; incarnations are listed once each, in rising order.

use std::collections::BTreeMap;

use loro::{ExportMode, IdSpan, LoroDoc};
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::operation::{Kind, PLAIN_BODY_BYTES_MAX};
use reflection_node::pipeline::Delivered;

use super::fork::common_end;
use super::span::spans;
use super::update::payload;
use super::{PeerId, new_doc};

/// A list of incarnations and Loro updates follow.
pub(super) const FORMAT_COMPACTION: u8 = 2;
/// Most incarnations in a compaction; the count is one byte.
const INCARNATIONS_MAX: usize = 255;
/// Bytes of one incarnation in the list.
const ENTRY_BYTES: usize = 12;

/// For each incarnation of an author the counter after the last change.
pub(crate) type Ends = BTreeMap<u64, i32>;

/// Takes a compaction apart into its list and its updates.
pub(super) fn split(body: &[u8]) -> Option<(Ends, &[u8])> {
    let (&format, rest) = body.split_first()?;
    let (&count, rest) = rest.split_first()?;
    if format != FORMAT_COMPACTION {
        return None;
    }
    let (list, updates) = rest.split_at_checked(usize::from(count) * ENTRY_BYTES)?;
    let mut ends = Ends::new();
    for entry in list.chunks_exact(ENTRY_BYTES) {
        let (incarnation, end) = entry.split_at(8);
        let incarnation = u64::from_be_bytes(incarnation.try_into().ok()?);
        let end = u32::from_be_bytes(end.try_into().ok()?);
        let is_rising = ends
            .last_key_value()
            .is_none_or(|(&last, _)| incarnation > last);
        if !is_rising {
            return None;
        }
        ends.insert(incarnation, i32::try_from(end).ok()?);
    }
    Some((ends, updates))
}

/// Checks that a body holds well-formed changes of this author alone, each listed incarnation's
/// from the first on, and gives where they end.
///
/// As with edits, the blob's own metadata could lie, so the changes are decoded too.
pub(crate) fn check_compaction(
    body: &[u8],
    topic: &TopicId,
    author: &AuthorId,
) -> Result<Ends, &'static str> {
    const MALFORMED: &str = "the compaction is malformed";
    let (ends, updates) = split(body).ok_or(MALFORMED)?;
    if ends.is_empty() {
        return Err("the compaction holds no changes");
    }
    let listed: BTreeMap<u64, i32> = ends
        .iter()
        .map(|(&incarnation, &end)| (PeerId::derive(author, topic, incarnation).get(), end))
        .collect();
    let found = spans(updates)?;
    if found.keys().any(|peer| !listed.contains_key(peer)) {
        return Err("the compaction claims another author");
    }
    let is_whole = |(peer, &end): (&u64, &i32)| found.get(peer) == Some(&(0, end));
    if !listed.iter().all(is_whole) {
        return Err("the compaction has a gap");
    }
    Ok(ends)
}

/// Whether a compaction, with what others wrote, holds all that was there before it: nothing that
/// anybody may have built on is taken away, not even by who wrote it.
pub(crate) fn keeps_everything(history: &[Delivered], author: &AuthorId, body: &[u8]) -> bool {
    let compared = before_and_after(history, author, body);
    compared.is_some_and(|(before, after)| before.oplog_vv() <= after.oplog_vv())
}

/// Whether a compaction keeps everything, and says the same as its author has said up to `known`. It
/// does not where its author has lost the end of the log, has gone on from there, and does not know what
/// was lost.
pub(crate) fn says_the_same(
    history: &[Delivered],
    topic: &TopicId,
    author: &AuthorId,
    known: &Ends,
    body: &[u8],
) -> bool {
    let Some((before, after)) = before_and_after(history, author, body) else {
        return false;
    };
    before.oplog_vv() <= after.oplog_vv()
        && known.iter().all(|(&incarnation, &end)| {
            let peer = PeerId::derive(author, topic, incarnation).get();
            common_end(&before, &after, peer, end) == end
        })
}

/// A document's history, and the same with a compaction in the place of its author's operations.
fn before_and_after(
    history: &[Delivered],
    author: &AuthorId,
    body: &[u8],
) -> Option<(LoroDoc, LoroDoc)> {
    let others = history
        .iter()
        .filter(|operation| operation.author != *author);
    let others = others.map(|operation| operation.body.as_slice());
    let before = gather(history.iter().map(|operation| operation.body.as_slice()))?;
    let after = gather(others.chain(std::iter::once(body)))?;
    Some((before, after))
}

/// A document with the history of these bodies alone: no text is made of it.
pub(super) fn gather<'a>(bodies: impl Iterator<Item = &'a [u8]>) -> Option<LoroDoc> {
    let doc = new_doc();
    doc.detach();
    for body in bodies {
        doc.import(payload(body)?).ok()?;
    }
    Some(doc)
}

/// The changes that an author's own operations hold, by what these say of themselves.
pub(super) fn claimed(
    author: &AuthorId,
    topic: &TopicId,
    operations: &[Delivered],
) -> Option<Ends> {
    let mut ends = Ends::new();
    for operation in operations.iter().filter(|one| one.author == *author) {
        let found = match operation.kind {
            Kind::Compaction => split(&operation.body)?.0,
            Kind::Edit => {
                let peer = PeerId::derive(author, topic, operation.incarnation);
                let updates = payload(&operation.body)?;
                let meta = LoroDoc::decode_import_blob_meta(updates, false).ok()?;
                let end = *meta.partial_end_vv.get(&peer.get())?;
                Ends::from([(operation.incarnation, end)])
            }
        };
        for (incarnation, end) in found {
            let known = ends.entry(incarnation).or_default();
            *known = end.max(*known);
        }
    }
    Some(ends)
}

/// One body with all of an author's own changes in these operations, which are all of a document.
///
/// It is given only if, together with what others wrote, it makes the same version again.
pub(crate) fn compact(
    topic: &TopicId,
    author: &AuthorId,
    operations: &[Delivered],
) -> Option<Vec<u8>> {
    let ends = claimed(author, topic, operations)?;
    let doc = gather(operations.iter().map(|operation| operation.body.as_slice()))?;
    let body = export(&doc, topic, author, &ends)?;
    let is_whole = check_compaction(&body, topic, author).is_ok_and(|found| found == ends);
    (is_whole && keeps_everything(operations, author, &body)).then_some(body)
}

/// The body with an author's changes up to `ends`, if the document holds them and they fit.
pub(super) fn export(
    doc: &LoroDoc,
    topic: &TopicId,
    author: &AuthorId,
    ends: &Ends,
) -> Option<Vec<u8>> {
    if ends.is_empty() || ends.len() > INCARNATIONS_MAX {
        return None;
    }
    let held = doc.oplog_vv();
    let mut spans = Vec::new();
    let mut body = vec![FORMAT_COMPACTION, u8::try_from(ends.len()).ok()?];
    for (incarnation, &end) in ends {
        let peer = PeerId::derive(author, topic, *incarnation).get();
        if held.get(&peer) != Some(&end) {
            return None;
        }
        spans.push(IdSpan::new(peer, 0, end));
        body.extend_from_slice(&incarnation.to_be_bytes());
        body.extend_from_slice(&u32::try_from(end).ok()?.to_be_bytes());
    }
    let updates = doc.export(ExportMode::updates_in_range(spans)).ok()?;
    body.extend_from_slice(&updates);
    (body.len() <= PLAIN_BODY_BYTES_MAX).then_some(body)
}

#[cfg(test)]
mod tests;
