// SPDX-License-Identifier: GPL-3.0-or-later
//! An author's own log that goes on in two ways: joining both without losing a word of either.
//!
//! What either form holds of an incarnation is the beginning of what the other holds, as a rule;
//! then the longer one says it all. Where both gave the same counters to different changes, the form
//! that others have keeps them, because they may have built on it; if others have both, the longer one
//! does (so that whatever was built on either still has something below it). What the other form says
//! beyond the common beginning is written again, as new edits of a new incarnation, made on the common
//! beginning and merged like anybody else's. What was built on both so that no text comes of it is not
//! joined.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use loro::event::{Diff, DiffBatch};
use loro::json::{JsonOpContent, TextOp};
use loro::{ExportMode, IdSpan, LoroDoc, LoroText, TextDelta, VersionVector};
use reflection_node::operation::Kind;
use reflection_node::pipeline::{Branches, Delivered, Joined};

use super::compaction::{Ends, check_compaction, claimed, export, gather};
use super::{PeerId, check_update, new_doc};

/// Joins two forms of an author's log. `None` where they do not fit one operation together, or
/// where the other one holds something that nobody would take.
pub(crate) fn mend(branches: &Branches<'_>) -> Option<Joined> {
    let (topic, author) = (&branches.topic, &branches.author);
    // What is here was looked at when it came; the other form comes from outside, though under our
    // own name, and is to be let at the CRDT.
    let is_sound = |operation: &Delivered| match operation.kind {
        Kind::Compaction => check_compaction(&operation.body, topic, author).is_ok(),
        Kind::Edit => {
            let peer = PeerId::derive(author, topic, operation.incarnation);
            check_update(&operation.body, peer).is_ok()
        }
    };
    if !branches.theirs.iter().all(is_sound) {
        return None;
    }
    let ours = Form::new(branches, branches.ours)?;
    let theirs = Form::new(branches, branches.theirs)?;
    let mut ends = Ends::new();
    let whole = gather(branches.others.iter().map(|one| one.body.as_slice()))?;
    let mut again = Vec::new();
    let (mut is_ours_in_theirs, mut is_theirs_in_ours) = (true, true);
    let incarnations: BTreeSet<u64> = ours
        .ends
        .keys()
        .chain(theirs.ends.keys())
        .copied()
        .collect();
    for incarnation in incarnations {
        let peer = PeerId::derive(author, topic, incarnation).get();
        let (our_end, their_end) = (ours.end(incarnation), theirs.end(incarnation));
        let common = common_end(&ours.doc, &theirs.doc, peer, our_end.min(their_end));
        is_ours_in_theirs &= our_end <= common;
        is_theirs_in_ours &= their_end <= common;
        let is_ours_longer = our_end > their_end || (our_end == their_end && ours.is_first);
        let is_conflict = our_end.min(their_end) > common;
        let (kept, other) = if is_ours_longer && (branches.is_ours_shared || !is_conflict) {
            (&ours, &theirs)
        } else {
            (&theirs, &ours)
        };
        if other.end(incarnation) > common {
            again.push((other, peer, common));
        }
        let end = kept.end(incarnation);
        copy(&kept.doc, &whole, peer, 0, end)?;
        ends.insert(incarnation, end);
    }
    // An incarnation is the time in microseconds.
    let now_s = i64::try_from(branches.incarnation / 1_000_000).unwrap_or(0);
    for (number, (form, peer, common)) in (branches.incarnation..).zip(again) {
        let name = PeerId::derive(author, topic, number);
        let updates = form.said_beyond(peer, common, name, now_s)?;
        if !updates.is_empty() {
            whole.import(&updates).ok()?;
            ends.insert(number, *whole.oplog_vv().get(&name.get())?);
        }
    }
    let body = export(&whole, topic, author, &ends)?;
    check_compaction(&body, topic, author).ok()?;
    if !has_text(&whole) {
        return None;
    }
    Some(Joined {
        body,
        is_ours_in_theirs,
        is_theirs_in_ours,
    })
}

/// Whether the CRDT can make a text of a history. It cannot where somebody wrote at a place that is not
/// there in what their changes are said to build upon.
fn has_text(history: &LoroDoc) -> bool {
    let all = history.export(ExportMode::all_updates());
    all.is_ok_and(|all| new_doc().import(&all).is_ok())
}

/// One form of the log, with what others wrote.
struct Form {
    doc: LoroDoc,
    ends: Ends,
    /// By which both sides of a tie choose the same form.
    is_first: bool,
}

impl Form {
    fn new(branches: &Branches<'_>, log: &[Delivered]) -> Option<Self> {
        let ends = claimed(&branches.author, &branches.topic, log)?;
        let bodies = branches.others.iter().chain(log);
        let doc = gather(bodies.map(|operation| operation.body.as_slice()))?;
        let (ours, theirs) = (branches.ours.last(), branches.theirs.last());
        let is_ours = ours.map(|one| one.id) == log.last().map(|one| one.id);
        let is_ours_first = ours.map(|one| one.id) < theirs.map(|one| one.id);
        // What is claimed and does not connect could not be kept.
        let is_connected = ends.iter().all(|(&incarnation, end)| {
            let peer = PeerId::derive(&branches.author, &branches.topic, incarnation);
            doc.oplog_vv().get(&peer.get()) == Some(end)
        });
        is_connected.then_some(Self {
            doc,
            ends,
            is_first: is_ours == is_ours_first,
        })
    }

    fn end(&self, incarnation: u64) -> i32 {
        self.ends.get(&incarnation).copied().unwrap_or(0)
    }

    /// What this form says under `peer` beyond a counter, as new edits named `name`; empty where
    /// that makes no difference to the text.
    fn said_beyond(&self, peer: u64, common: i32, name: PeerId, now_s: i64) -> Option<Vec<u8>> {
        let base = new_doc();
        for (&other, &end) in self.doc.oplog_vv().iter() {
            let end = if other == peer { common } else { end };
            copy(&self.doc, &base, other, 0, end)?;
        }
        // Without what others wrote upon it, if possible: that is said by them.
        let mut said = base.fork();
        let end = *self.doc.oplog_vv().get(&peer)?;
        copy(&self.doc, &said, peer, common, end)?;
        let is_apart = said.oplog_vv().get(&peer) == Some(&end);
        if !is_apart {
            said = new_doc();
            for (&other, &end) in self.doc.oplog_vv().iter() {
                copy(&self.doc, &said, other, 0, end)?;
            }
        }
        let mut difference = said
            .diff(&base.oplog_frontiers(), &said.oplog_frontiers())
            .ok()?;
        if !is_apart {
            difference = said_by(&said, peer, &difference)?;
        }
        base.set_peer_id(name.get()).ok()?;
        base.apply_diff(difference).ok()?;
        base.set_next_commit_timestamp(now_s);
        base.commit();
        let Some(&end) = base.oplog_vv().get(&name.get()) else {
            return Some(Vec::new());
        };
        let span = IdSpan::new(name.get(), 0, end);
        base.export(ExportMode::updates_in_range(vec![span])).ok()
    }
}

/// What one name says of a difference that leads to the newest version of a document. What others say
/// in it they say themselves.
fn said_by(doc: &LoroDoc, peer: u64, difference: &DiffBatch) -> Option<DiffBatch> {
    let mut said = DiffBatch::default();
    said.set_full_state(difference.is_full_state());
    for (id, diff) in difference.iter() {
        let own = match diff {
            Diff::Text(steps) => Diff::Text(written_by(&doc.get_text(id.clone()), peer, steps)),
            Diff::Map(changes) => {
                let map = doc.get_map(id.clone());
                let mut changes = changes.clone();
                changes
                    .updated
                    .retain(|key, _| map.get_last_editor(key) == Some(peer));
                Diff::Map(changes)
            }
            _ => continue,
        };
        said.push(id.clone(), own).ok()?;
    }
    Some(said)
}

/// The steps that lead to a text, without the letters that others have inserted.
fn written_by(text: &LoroText, peer: u64, steps: &[TextDelta]) -> Vec<TextDelta> {
    let mut at = 0;
    let mut own = Vec::new();
    for step in steps {
        match step {
            TextDelta::Insert { insert, attributes } => {
                let length = insert.chars().count();
                let letters = insert.chars().zip(at..);
                let letters = letters
                    .filter(|(_, at)| text.get_editor_at_unicode_pos(*at) == Some(peer))
                    .map(|(letter, _)| letter);
                let insert: String = letters.collect();
                at += length;
                if !insert.is_empty() {
                    own.push(TextDelta::Insert {
                        insert,
                        attributes: attributes.clone(),
                    });
                }
                continue;
            }
            TextDelta::Retain { retain, .. } => at += retain,
            TextDelta::Delete { .. } => {}
        }
        own.push(step.clone());
    }
    own
}

/// Copies changes of one name from one document to another.
fn copy(from: &LoroDoc, to: &LoroDoc, peer: u64, start: i32, end: i32) -> Option<()> {
    if start < end {
        let span = IdSpan::new(peer, start, end);
        let updates = from.export(ExportMode::updates_in_range(vec![span])).ok()?;
        to.import(&updates).ok()?;
    }
    Some(())
}

/// Up to which counter, at most `end`, two documents hold the same changes of one name.
pub(super) fn common_end(one: &LoroDoc, other: &LoroDoc, peer: u64, end: i32) -> i32 {
    if end == 0 {
        return 0;
    }
    let (one, other) = (units(one, peer, end), units(other, peer, end));
    let mut common = 0;
    for (one, other) in one.iter().zip(&other) {
        if one != other {
            break;
        }
        common += 1;
    }
    common
}

/// The changes of one name up to a counter, a digest for each counter, however they are joined.
fn units(doc: &LoroDoc, peer: u64, end: i32) -> Vec<u64> {
    let changes = doc.export_json_in_id_span(IdSpan::new(peer, 0, end));
    let mut units = Vec::new();
    for operation in changes.iter().flat_map(|change| &change.ops) {
        let container = &operation.container;
        match &operation.content {
            JsonOpContent::Text(TextOp::Insert { pos, text }) => {
                let letters = (*pos..).zip(text.chars());
                units.extend(letters.map(|(at, letter)| digest(&(container, at, letter))));
            }
            JsonOpContent::Text(TextOp::Delete { len, start_id, .. }) => {
                let count = len.unsigned_abs().cast_signed();
                units.extend((0..count).map(|step| {
                    let step = if *len < 0 { count - 1 - step } else { step };
                    digest(&(container, start_id.inc(step)))
                }));
            }
            content => {
                // What other containers hold is taken as a whole.
                let unit = digest(&(container, format!("{content:?}")));
                units.extend(std::iter::repeat_n(unit, content.op_len()));
            }
        }
    }
    units
}

/// The same for the same in this process. Who makes two things alike on purpose harms their own log
/// alone.
fn digest(unit: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    unit.hash(&mut hasher);
    hasher.finish()
}

/// What was typed and is not stored yet, made again as edits of another incarnation on a text
/// that has perhaps become another one meanwhile.
///
/// `saved` is the counter of the old incarnation up to which everything was stored. Gives the
/// updates, if there is anything to be made again.
pub(super) fn unsaved(
    doc: &LoroDoc,
    old: PeerId,
    saved: i32,
    name: PeerId,
    now_s: i64,
) -> Option<Vec<u8>> {
    let base = new_doc();
    let held: VersionVector = doc.oplog_vv();
    for (&peer, &end) in held.iter() {
        let end = if peer == old.get() { saved } else { end };
        copy(doc, &base, peer, 0, end)?;
    }
    let difference = doc
        .diff(&base.oplog_frontiers(), &doc.oplog_frontiers())
        .ok()?;
    let start = base.oplog_vv().get(&name.get()).copied().unwrap_or(0);
    base.set_peer_id(name.get()).ok()?;
    base.apply_diff(difference).ok()?;
    base.set_next_commit_timestamp(now_s);
    base.commit();
    let end = *base.oplog_vv().get(&name.get())?;
    let span = IdSpan::new(name.get(), start, end);
    base.export(ExportMode::updates_in_range(vec![span])).ok()
}

#[cfg(test)]
mod tests;
