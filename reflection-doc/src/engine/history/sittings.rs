// SPDX-License-Identifier: GPL-3.0-or-later
//! The work in a document, in pieces that people remember: who wrote in some minutes.
//!
//! Invariants: they come in an order in which the text of each has everything that those before it
//! have, so that what differs between two neighbours is what the later one says of itself; where two
//! wrote at the same time and saw it, that is one sitting of both. A version with a name ends what
//! belongs to it, however short that is.

use std::collections::{BTreeSet, HashMap, VecDeque};

use loro::{
    ContainerTrait, ID, IdSpan, JsonOpContent, JsonTextOp, LoroDoc, LoroText, VersionVector,
};
use reflection_node::identity::AuthorId;

use super::super::Version;
use super::super::times::Times;

/// A longer pause than this, in seconds, ends a sitting.
const PAUSE_S: i64 = 5 * 60;
/// At each multiple of this, in seconds, all sittings end: those of everybody at once, so that the work
/// of many, each of whom began at another time, does not become one.
const SLICE_S: i64 = 10 * 60;

/// Peers, of whose work it is found out what builds upon what; of more, the counters of the CRDT are order
/// enough. A person has one for each time that the program has ended without a trace.
const ORDERED_PEERS_MAX: usize = 256;

/// Work without a long pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sitting {
    /// The text as it was then.
    pub version: Version,
    /// Who worked, or worked most; `None` only where no operation of the author was ever seen here.
    pub author: Option<AuthorId>,
    /// Who else worked at the same time, in the order in which they did.
    pub others: Vec<AuthorId>,
    /// When it began, in seconds since 1970 by the author's clock; zero if that is not known.
    /// Where the changes say something else than their operations, these are believed.
    pub began_s: u64,
    /// When it ended, to a minute.
    pub ended_s: u64,
    /// Characters inserted.
    pub added: u64,
    /// Characters deleted.
    pub deleted: u64,
}

/// What sittings are found in.
pub(super) struct Context<'a> {
    pub(super) doc: &'a LoroDoc,
    pub(super) text: &'a LoroText,
    pub(super) named: &'a [Version],
    pub(super) authors: &'a HashMap<u64, AuthorId>,
    pub(super) times: &'a Times,
    /// Nothing is newer.
    pub(super) now_s: i64,
}

/// A stretch of changes by one peer.
struct Stretch {
    span: IdSpan,
    lamport: u32,
    began_s: i64,
    ended_s: i64,
    /// To how many versions with a name, from the largest on, it belongs.
    names: usize,
    /// What its last change builds upon, and that change; `None` where peers are too many to keep that of
    /// each.
    known: Option<VersionVector>,
}

/// What belongs to a version with a name, and where that ends at each peer.
struct Named {
    all: Vec<VersionVector>,
    ends: BTreeSet<(u64, i32)>,
}

/// A sitting while it is being put together.
struct Piece {
    stretches: Vec<Stretch>,
    version: Version,
}

impl Context<'_> {
    pub(super) fn find(&self) -> Vec<Sitting> {
        let named = self.named();
        let all = self.doc.oplog_vv();
        let rows = all
            .iter()
            .map(|(&peer, &end)| VecDeque::from(self.stretches(&named, peer, end)));
        let mut rows: Vec<VecDeque<Stretch>> = rows.collect();
        if rows.len() <= ORDERED_PEERS_MAX {
            for stretch in rows.iter_mut().flatten() {
                stretch.known = Some(self.known(stretch));
            }
        }
        let mut pieces: Vec<Piece> = Vec::new();
        // Everything up to the last of them.
        let mut known = VersionVector::default();
        for stretch in in_order(rows) {
            let before = known.get(&stretch.span.peer).copied().unwrap_or(0);
            let is_begun = before > stretch.span.counter.start;
            let own = stretch.known.clone();
            known.merge(&own.unwrap_or_else(|| self.known(&stretch)));
            let version = Version::new(&self.doc.vv_to_frontiers(&known));
            match pieces.last_mut() {
                Some(last) if is_begun && last.is_with(&stretch) => {
                    last.version = version;
                    last.stretches.push(stretch);
                }
                _ => pieces.push(Piece {
                    stretches: vec![stretch],
                    version,
                }),
            }
        }
        let sittings = pieces.into_iter().map(|piece| self.sitting(piece));
        sittings
            // What changes names and marks only leaves the text as it was.
            .filter(|sitting| sitting.added > 0 || sitting.deleted > 0)
            .collect()
    }

    /// What the last change of a stretch builds upon, and that change.
    fn known(&self, stretch: &Stretch) -> VersionVector {
        let last = ID::new(stretch.span.peer, stretch.span.counter.end - 1);
        self.doc.frontiers_to_vv(&last.into()).unwrap_or_default()
    }

    fn named(&self) -> Named {
        let all: Vec<VersionVector> = self
            .named
            .iter()
            .filter_map(|version| {
                let known = self.doc.oplog_vv();
                let is_here = version
                    .heads()
                    .all(|(peer, counter)| known.includes_id(ID::new(peer, counter)));
                is_here
                    .then(|| self.doc.frontiers_to_vv(&version.frontiers()))
                    .flatten()
            })
            .collect();
        let ends = all
            .iter()
            .flat_map(|known| known.iter().map(|(&peer, &end)| (peer, end)))
            .collect();
        Named { all, ends }
    }

    /// The stretches of one peer.
    fn stretches(&self, named: &Named, peer: u64, end: i32) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut counter = 0;
        while counter < end {
            let Some(change) = self.doc.get_change(ID::new(peer, counter)) else {
                break;
            };
            let length = i32::try_from(change.len).unwrap_or(i32::MAX).max(1);
            let next = change.id.counter.saturating_add(length).min(end);
            let next = next.max(counter + 1);
            let time_s = self
                .times
                .believed(peer, counter, change.timestamp, self.now_s);
            let within = named.ends.range((peer, counter + 1)..(peer, next));
            let ends: Vec<i32> = within.map(|(_, end)| *end).chain([next]).collect();
            for part_end in ends {
                let length = u32::try_from(part_end.saturating_sub(change.id.counter)).unwrap_or(0);
                let part = Stretch {
                    span: IdSpan::new(peer, counter, part_end),
                    lamport: change.lamport + length,
                    began_s: time_s,
                    ended_s: time_s,
                    names: named.count(peer, part_end - 1),
                    known: None,
                };
                counter = part_end;
                match stretches.last_mut() {
                    Some(last) if last.goes_on_with(&part) => {
                        last.span.counter.end = part_end;
                        last.lamport = part.lamport;
                        last.ended_s = last.ended_s.max(time_s);
                    }
                    _ => stretches.push(part),
                }
            }
        }
        stretches
    }

    fn sitting(&self, piece: Piece) -> Sitting {
        let (mut added, mut deleted) = (0, 0);
        let mut shares: Vec<(u64, Option<AuthorId>)> = Vec::new();
        for stretch in &piece.stretches {
            let (inserted, removed) = self.count(stretch);
            added += inserted;
            deleted += removed;
            let author = self.authors.get(&stretch.span.peer).copied();
            match shares.iter_mut().find(|(_, known)| *known == author) {
                Some((share, _)) => *share += inserted + removed,
                None => shares.push((inserted + removed, author)),
            }
        }
        // Names and marks are no work.
        shares.retain(|(share, _)| *share > 0);
        let most = shares.iter().map(|(share, _)| *share).max();
        let place = shares.iter().position(|(share, _)| Some(*share) == most);
        let author = place.and_then(|place| shares.remove(place).1);
        let began_s = piece.stretches.iter().map(|stretch| stretch.began_s).min();
        let ended_s = piece.stretches.iter().map(|stretch| stretch.ended_s).max();
        let time = |seconds: Option<i64>| u64::try_from(seconds.unwrap_or(0)).unwrap_or(0);
        Sitting {
            version: piece.version,
            author,
            others: shares
                .into_iter()
                .filter_map(|(_, author)| author)
                .collect(),
            began_s: time(began_s),
            ended_s: time(ended_s),
            added,
            deleted,
        }
    }

    /// Characters inserted and deleted.
    fn count(&self, stretch: &Stretch) -> (u64, u64) {
        let (mut added, mut deleted) = (0, 0);
        let container = self.text.id();
        for change in self.doc.export_json_in_id_span(stretch.span) {
            for op in &change.ops {
                let JsonOpContent::Text(content) = &op.content else {
                    continue;
                };
                if op.container == container {
                    match content {
                        JsonTextOp::Insert { text, .. } => added += text.chars().count() as u64,
                        JsonTextOp::Delete { len, .. } => deleted += u64::from(len.unsigned_abs()),
                        _ => {}
                    }
                }
            }
        }
        (added, deleted)
    }
}

/// Puts the stretches of all peers into one order: by time, but none before what it builds upon, nor
/// before what belongs to more names, which came before those were given.
fn in_order(mut rows: Vec<VecDeque<Stretch>>) -> Vec<Stretch> {
    let mut ordered = Vec::with_capacity(rows.iter().map(VecDeque::len).sum());
    loop {
        rows.retain(|row| !row.is_empty());
        let Some(names) = rows.iter().map(|row| row[0].names).max() else {
            return ordered;
        };
        let mut next: Vec<usize> = (0..rows.len())
            .filter(|row| rows[*row][0].names == names)
            .collect();
        next.sort_by_key(|row| (rows[*row][0].ended_s, rows[*row][0].lamport));
        let is_ready = |row: &usize| {
            let Some(known) = &rows[*row][0].known else {
                return false;
            };
            let others = rows.iter().enumerate().filter(|(other, _)| other != row);
            others.map(|(_, other)| &other[0].span).all(|span| {
                known
                    .get(&span.peer)
                    .is_none_or(|end| *end <= span.counter.start)
            })
        };
        // Where each has seen something of the other, that is one sitting of both.
        let by_lamport = next.iter().copied().min_by_key(|row| rows[*row][0].lamport);
        let chosen = next.iter().copied().find(is_ready).or(by_lamport);
        ordered.extend(chosen.and_then(|row| rows[row].pop_front()));
    }
}

impl Named {
    /// To how many of the versions a change belongs.
    fn count(&self, peer: u64, counter: i32) -> usize {
        let id = ID::new(peer, counter);
        self.all
            .iter()
            .filter(|known| known.includes_id(id))
            .count()
    }
}

impl Stretch {
    /// Whether the next changes of the same peer are of the same work.
    fn goes_on_with(&self, next: &Self) -> bool {
        self.names == next.names
            && self.began_s.div_euclid(SLICE_S) == next.began_s.div_euclid(SLICE_S)
            && next.began_s.saturating_sub(self.ended_s) <= PAUSE_S
    }
}

impl Piece {
    /// Whether a stretch is of the same minutes and names.
    fn is_with(&self, stretch: &Stretch) -> bool {
        self.stretches.iter().all(|known| {
            known.names == stretch.names
                && known.began_s.div_euclid(SLICE_S) == stretch.began_s.div_euclid(SLICE_S)
        })
    }
}
