// SPDX-License-Identifier: GPL-3.0-or-later
//! A history in which people wrote at the same time, and the text of any version of it.
//!
//! The CRDT makes the text of an older version by looking at all that was written around it, which
//! takes tens of milliseconds. Here all letters that there ever were are put in their order once,
//! deleted ones too; the text of a version is then what it knew of and had not deleted. The order is
//! that of the CRDT, which follows from what stood left and right of a letter when it was written
//! (Fugue, <https://arxiv.org/abs/2305.00583>, found by replaying as in Eg-walker,
//! <https://arxiv.org/abs/2409.14252>).
//!
//! Invariant: it makes the newest text that the CRDT makes, or there is none.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use loro::{ContainerTrait, ID, IdSpan, JsonChange, JsonOpContent, JsonTextOp, LoroDoc, LoroText};

use self::row::Row;

mod row;

/// Letters that are inserted and deleted, at most.
const COUNTERS_MAX: usize = 1 << 20;
/// Letters that are looked at beyond those that are written: who wrote much while apart from others,
/// in many changes, is better served by the CRDT. Some tenths of a second.
const LOOKS_MAX: usize = 1 << 22;
/// Counters that are kept of what changes build upon: one of each peer for each change.
const KNOWN_MAX: usize = 1 << 22;

/// The place of a letter in the order in which they were met. The first one is the end of the text.
type Place = u32;
const END: Place = 0;
/// No letter: before the first one, or none deleted.
const NONE: Place = Place::MAX;
/// Marks the letter of a deletion.
const DELETION: Place = 1 << 31;

/// How far a version goes, of each peer.
type Known = Box<[i32]>;

#[derive(Clone, Copy, Debug)]
struct Letter {
    sign: char,
    peer: u32,
    counter: i32,
    /// Peer and counter of its first deletion; [`NONE`] where it was never deleted.
    deleted: (u32, i32),
}

/// What a letter was written between, and what the version that is gone through knows of it.
#[derive(Clone, Copy, Debug)]
struct Standing {
    left: Place,
    right: Place,
    /// Whether that version does not know of it yet.
    is_future: bool,
    /// How many times it was deleted there.
    deletions: u16,
}

/// All changes of a peer.
#[derive(Debug)]
struct Peer {
    /// As the CRDT calls it.
    id: u64,
    /// The first counter of each change, and what it builds upon.
    changes: Vec<(i32, Known)>,
    /// What each counter inserts or deletes.
    acts: Vec<Place>,
}

/// The whole history.
#[derive(Debug)]
pub(super) struct Weave {
    numbers: HashMap<u64, u32>,
    peers: Vec<Peer>,
    /// In their order in the text.
    letters: Vec<Letter>,
    /// Further deletions of letters, by place in that order.
    deleted_again: Vec<(u32, (u32, i32))>,
}

impl Weave {
    /// Reads a history, of which the newest text is known. `None` where that does not come out, or
    /// where it would take too much.
    pub(super) fn read(doc: &LoroDoc, text: &LoroText, newest: &str) -> Option<Self> {
        let version = doc.oplog_vv();
        let counters = version.values().map(|end| end.unsigned_abs() as usize);
        if counters.sum::<usize>() > COUNTERS_MAX {
            return None;
        }
        let mut changes: Vec<JsonChange> = Vec::new();
        for (&peer, &end) in version.iter() {
            changes.extend(doc.export_json_in_id_span(IdSpan::new(peer, 0, end)));
        }
        changes.sort_by_key(|change| (change.lamport, change.id.peer));
        let mut weaver = Weaver::new(&changes)?;
        let container = text.id();
        for change in &changes {
            weaver.take(change, |op| op.container == container)?;
        }
        let weave = weaver.finish();
        let all: Known = weave.ends();
        (weave.text_known(&all) == newest).then_some(weave)
    }

    fn ends(&self) -> Known {
        let ends = self.peers.iter();
        ends.map(|peer| i32::try_from(peer.acts.len()).unwrap_or(i32::MAX))
            .collect()
    }

    /// The text after some changes and all that they build upon. `None` where one is not known.
    pub(super) fn text(&self, heads: impl Iterator<Item = ID>) -> Option<String> {
        let mut known: Known = vec![0; self.peers.len()].into();
        for head in heads {
            let peer = *self.numbers.get(&head.peer)?;
            join(&mut known, &until(&self.peers, peer, head.counter)?);
        }
        Some(self.text_known(&known))
    }

    fn text_known(&self, known: &[i32]) -> String {
        let is_known = |(peer, counter): (u32, i32)| {
            known
                .get(peer as usize)
                .is_some_and(|known| counter < *known)
        };
        let mut text = String::new();
        let mut again = self.deleted_again.iter().peekable();
        for (letter, place) in self.letters.iter().zip(0_u32..) {
            let mut is_there = is_known((letter.peer, letter.counter)) && !is_known(letter.deleted);
            while let Some((_, deletion)) = again.next_if(|(at, _)| *at == place) {
                is_there &= !is_known(*deletion);
            }
            if is_there {
                text.push(letter.sign);
            }
        }
        text
    }
}

/// What a change up to a counter knows of, itself included.
fn until(peers: &[Peer], peer: u32, counter: i32) -> Option<Known> {
    let changes = &peers.get(peer as usize)?.changes;
    let index = changes
        .partition_point(|(start, _)| *start <= counter)
        .checked_sub(1)?;
    let mut known = changes[index].1.clone();
    known[peer as usize] = counter.checked_add(1)?;
    Some(known)
}

fn join(known: &mut [i32], other: &[i32]) {
    for (known, other) in known.iter_mut().zip(other) {
        *known = (*known).max(*other);
    }
}

/// Puts letters in order, change by change.
struct Weaver {
    numbers: HashMap<u64, u32>,
    peers: Vec<Peer>,
    letters: Vec<Letter>,
    standing: Vec<Standing>,
    deleted_again: Vec<(Place, (u32, i32))>,
    row: Row,
    /// The version that is gone through.
    now: Known,
    /// Of [`LOOKS_MAX`], how many are left.
    looks: usize,
    /// Where the last letters were written: the position behind them there, and the last of them.
    near: Option<(usize, Place)>,
}

impl Weaver {
    fn new(changes: &[JsonChange]) -> Option<Self> {
        let (mut numbers, mut peers) = (HashMap::new(), Vec::new());
        for change in changes {
            let id = change.id.peer;
            let next = u32::try_from(numbers.len()).ok()?;
            numbers.entry(id).or_insert_with(|| {
                peers.push(Peer {
                    id,
                    changes: Vec::new(),
                    acts: Vec::new(),
                });
                next
            });
        }
        let count = numbers.len();
        if count.checked_mul(changes.len())? > KNOWN_MAX {
            return None;
        }
        let mut weaver = Self {
            numbers,
            peers,
            letters: Vec::new(),
            standing: Vec::new(),
            deleted_again: Vec::new(),
            row: Row::default(),
            now: vec![0; count].into(),
            looks: LOOKS_MAX,
            near: None,
        };
        weaver.meet('\0', (NONE, 0), (NONE, NONE))?;
        weaver.row.push(END);
        Some(weaver)
    }

    /// Makes a place for a letter.
    fn meet(&mut self, sign: char, id: (u32, i32), between: (Place, Place)) -> Option<Place> {
        let place = Place::try_from(self.letters.len()).ok()?;
        self.letters.push(Letter {
            sign,
            peer: id.0,
            counter: id.1,
            deleted: (NONE, 0),
        });
        self.standing.push(Standing {
            left: between.0,
            right: between.1,
            is_future: false,
            deletions: 0,
        });
        Some(place)
    }

    /// Takes a change. All that it builds upon has been taken.
    fn take(
        &mut self,
        change: &JsonChange,
        is_wanted: impl Fn(&loro::JsonOp) -> bool,
    ) -> Option<()> {
        let peer = *self.numbers.get(&change.id.peer)?;
        let mut known: Known = vec![0; self.peers.len()].into();
        for dep in &change.deps {
            let number = *self.numbers.get(&dep.peer)?;
            join(&mut known, &until(&self.peers, number, dep.counter)?);
        }
        if let Some(last) = change.id.counter.checked_sub(1).filter(|last| *last >= 0) {
            join(&mut known, &until(&self.peers, peer, last)?);
        }
        self.go_to(&known)?;
        self.peers[peer as usize]
            .changes
            .push((change.id.counter, known));
        for op in &change.ops {
            if usize::try_from(op.counter).ok()? != self.peers[peer as usize].acts.len() {
                return None;
            }
            match &op.content {
                JsonOpContent::Text(JsonTextOp::Insert { pos, text }) if is_wanted(op) => {
                    self.insert(*pos as usize, text, (peer, op.counter))?;
                }
                JsonOpContent::Text(JsonTextOp::Delete { len, start_id, .. }) if is_wanted(op) => {
                    self.delete(*start_id, *len, (peer, op.counter))?;
                }
                content if is_wanted(op) || content.op_len() > COUNTERS_MAX => return None,
                content => {
                    let acts = &mut self.peers[peer as usize].acts;
                    acts.resize(acts.len() + content.op_len(), NONE);
                }
            }
        }
        let end = self.peers[peer as usize].acts.len();
        self.now[peer as usize] = i32::try_from(end).ok()?;
        Some(())
    }

    /// Goes to another version of the text. `None` where that would be too far.
    fn go_to(&mut self, known: &[i32]) -> Option<()> {
        for (peer, &to) in known.iter().enumerate() {
            let from = self.now[peer];
            if from == to {
                continue;
            }
            self.near = None;
            let (is_back, counters) = if to < from {
                (true, to..from)
            } else {
                (false, from..to)
            };
            self.looks = self.looks.checked_sub(counters.len())?;
            for counter in counters {
                let act = usize::try_from(counter)
                    .ok()
                    .and_then(|counter| self.peers[peer].acts.get(counter).copied());
                if let Some(act) = act.filter(|act| *act != NONE) {
                    self.replay(act, is_back);
                }
            }
            self.now[peer] = to;
        }
        Some(())
    }

    /// Does or takes back what a counter stands for.
    fn replay(&mut self, act: Place, is_back: bool) {
        let place = act & !DELETION;
        let standing = &mut self.standing[place as usize];
        let was_there = standing.is_there();
        if act & DELETION == 0 {
            standing.is_future = is_back;
        } else if is_back {
            standing.deletions = standing.deletions.saturating_sub(1);
        } else {
            standing.deletions = standing.deletions.saturating_add(1);
        }
        let is_there = standing.is_there();
        if was_there != is_there {
            self.row.count(place, is_there);
        }
    }

    fn delete(&mut self, first: ID, length: i32, by: (u32, i32)) -> Option<()> {
        let of = *self.numbers.get(&first.peer)?;
        let count = i32::try_from(length.unsigned_abs()).ok()?;
        for step in 0..count {
            // The first act is the one on the last letter where it went backwards.
            let offset = if length < 0 { count - 1 - step } else { step };
            let counter = usize::try_from(first.counter.checked_add(offset)?).ok()?;
            let place = *self.peers[of as usize].acts.get(counter)?;
            if place == NONE || place & DELETION != 0 {
                return None;
            }
            let deletion = (by.0, by.1.checked_add(step)?);
            let letter = &mut self.letters[place as usize];
            if letter.deleted.0 == NONE {
                letter.deleted = deletion;
            } else {
                self.deleted_again.push((place, deletion));
            }
            self.peers[by.0 as usize].acts.push(place | DELETION);
            self.replay(place | DELETION, false);
        }
        self.near = None;
        Some(())
    }

    fn insert(&mut self, at: usize, text: &str, by: (u32, i32)) -> Option<()> {
        let left = match self.near {
            _ if at == 0 => NONE,
            Some((near, place)) if near == at => place,
            _ => self.row.nth(at)?,
        };
        let (mut before, right) = self.place_between(left, by.0)?;
        let (mut beside, mut counter) = (left, by.1);
        for sign in text.chars() {
            let place = self.meet(sign, (by.0, counter), (beside, right))?;
            self.row.insert(before, place);
            self.peers[by.0 as usize].acts.push(place);
            (beside, before) = (place, place);
            counter = counter.checked_add(1)?;
        }
        self.near = Some((at + text.chars().count(), beside));
        Some(())
    }

    /// Behind which letter one is to be put that is written behind `left`, and which stood right
    /// of it: of those that were written there at the same time, some come before it. The rules are
    /// those of the CRDT (`CrdtRope::insert` of Loro), letter by letter.
    fn place_between(&mut self, left: Place, peer: u32) -> Option<(Place, Place)> {
        let mut behind = self.row.behind(left);
        let mut unknown: Vec<Place> = Vec::new();
        let right = loop {
            let place = behind.next()?;
            if !self.standing[place as usize].is_future {
                break place;
            }
            unknown.push(place);
            self.looks = self.looks.checked_sub(1)?;
        };
        let standing = |place: Place| &self.standing[place as usize];
        // What the new one would be sorted below.
        let parent = |place: Place| (standing(place).left == left).then_some(place);
        let id = |number: u32| self.peers[number as usize].id;
        let is_larger = |place: Place| id(self.letters[place as usize].peer) > id(peer);
        let mut before = left;
        let mut is_scanning = false;
        let mut visited: HashSet<Place> = HashSet::new();
        for other in unknown {
            let other_left = standing(other).left;
            if other_left != left && (other_left == NONE || !visited.contains(&other_left)) {
                break;
            }
            visited.insert(other);
            if other_left == left {
                if standing(other).right == right {
                    if is_larger(other) {
                        break;
                    }
                    is_scanning = false;
                } else {
                    match self.order(parent(standing(other).right), parent(right)) {
                        Ordering::Less => is_scanning = true,
                        Ordering::Equal if is_larger(other) => break,
                        _ => is_scanning = false,
                    }
                }
            }
            if !is_scanning {
                before = other;
            }
        }
        Some((before, right))
    }

    /// Which of two letters stands first; nothing stands behind all.
    fn order(&self, one: Option<Place>, other: Option<Place>) -> Ordering {
        match (one, other) {
            (Some(one), Some(other)) => self.row.order(one, other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }

    fn finish(self) -> Weave {
        let order: Vec<Place> = self.row.all().filter(|place| *place != END).collect();
        let mut place_of = vec![NONE; self.letters.len()];
        for (place, at) in order.iter().zip(0..) {
            place_of[*place as usize] = at;
        }
        let letters = order.iter().map(|place| self.letters[*place as usize]);
        let again = self.deleted_again.iter();
        let mut deleted_again: Vec<_> = again
            .map(|(place, deletion)| (place_of[*place as usize], *deletion))
            .collect();
        deleted_again.sort_unstable();
        Weave {
            letters: letters.collect(),
            numbers: self.numbers,
            peers: self.peers,
            deleted_again,
        }
    }
}

impl Standing {
    fn is_there(&self) -> bool {
        !self.is_future && self.deletions == 0
    }
}
