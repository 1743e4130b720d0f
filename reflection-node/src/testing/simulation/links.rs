// SPDX-License-Identifier: GPL-3.0-or-later
//! Connections: they begin with a hello, carry the talk about common documents and the sessions,
//! and break with whatever is under way.
//!
//! What is said, and about which documents there are sessions, follows from the node's own machine
//! for that alone ([`Control`]).

mod attending;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::installation::Seat;
use super::world::{Task, World};
use super::{Person, Sabotage};
use crate::access::TopicId;
use crate::network::{Action, Control};
use crate::pipeline::Commit;
use crate::sync::frame::{Frame, Token};
use crate::sync::proof::Salts;

/// How long bytes of a control stream are under way, milliseconds.
const DELAY_MS: usize = 150;
/// How long it takes until somebody notices that a connection is gone, milliseconds.
const NOTICE_MS: usize = 10_000;
/// How long a hello takes, milliseconds.
const HELLO_MS: usize = 300;

/// A session that ended, as the connection hears of it.
pub(super) struct Ended {
    pub(super) topic: TopicId,
    pub(super) number: u64,
    pub(super) is_in_step: bool,
    /// Tells what has been committed since.
    pub(super) commits: watch::Receiver<Commit>,
}

/// One side of a connection.
// Each is a switch of its own.
#[allow(clippy::struct_excessive_bools)]
struct Side {
    who: usize,
    with: usize,
    /// The number of the other side.
    remote: u64,
    is_dialer: bool,
    /// Whether the hello of the other side has arrived.
    is_greeted: bool,
    control: Control,
    /// What is left to be carried out, in order.
    actions: VecDeque<Action>,
    /// Whether the store is being asked what is held.
    is_asking: bool,
    /// What has happened and was not looked at yet.
    frames: VecDeque<Frame>,
    opened: VecDeque<u64>,
    ended: VecDeque<Ended>,
    grown: BTreeSet<TopicId>,
    joined: BTreeSet<usize>,
    is_attend_due: bool,
    /// When it is looked at in any case.
    due: Option<Instant>,
    /// When the last of the frames under way arrives.
    arrival: Duration,
    /// After that time nothing arrives any more.
    cut: Option<Duration>,
    /// The sessions at work.
    sessions: BTreeMap<TopicId, u64>,
    /// The documents that need none, as far as is known here.
    quiet: BTreeSet<TopicId>,
}

/// All connections.
#[derive(Default)]
pub(super) struct Links {
    sides: BTreeMap<u64, Side>,
    numbers: u64,
}

impl<P: Person> World<P> {
    /// Whether two can reach each other.
    fn can_talk(&self, one: usize, other: usize) -> bool {
        one != other
            && !self.is_apart(one, other)
            && self.people[one].running.is_some()
            && self.people[other].running.is_some()
    }

    /// Somebody dials somebody who can be reached.
    pub(super) fn connect(&mut self, dialer: usize, listener: usize) {
        if !self.can_talk(dialer, listener) {
            return;
        }
        self.count().connections += 1;
        let salts = Salts {
            dialer: self.random.array(),
            listener: self.random.array(),
        };
        let numbers = (self.links.numbers, self.links.numbers + 1);
        self.links.numbers += 2;
        for (number, remote, who, with) in [
            (numbers.0, numbers.1, dialer, listener),
            (numbers.1, numbers.0, listener, dialer),
        ] {
            let (own, peer) = (self.people[who].id, self.people[with].id);
            let side = Side {
                who,
                with,
                remote,
                is_dialer: who == dialer,
                is_greeted: false,
                control: Control::new(own, peer, salts, self.instant()),
                actions: VecDeque::new(),
                is_asking: false,
                frames: VecDeque::new(),
                opened: VecDeque::new(),
                ended: VecDeque::new(),
                grown: BTreeSet::new(),
                joined: BTreeSet::new(),
                is_attend_due: false,
                due: None,
                arrival: self.now,
                cut: None,
                sessions: BTreeMap::new(),
                quiet: BTreeSet::new(),
            };
            self.links.sides.insert(number, side);
            self.after_ms(HELLO_MS, Task::Greeted { side: number });
        }
    }

    /// The talk begins at one side. An older connection of the two is replaced here; its other side
    /// notices in its own time.
    pub(super) fn greeted(&mut self, number: u64) {
        let Some(side) = self.links.sides.get(&number) else {
            return;
        };
        if side.cut.is_some_and(|cut| cut < self.now) {
            // Never heard of: the dial failed.
            return;
        }
        let (who, with) = (side.who, side.with);
        let sides = self.links.sides.iter();
        let replaced: Vec<u64> = sides
            .filter(|(other, side)| {
                **other != number && side.is_greeted && (side.who, side.with) == (who, with)
            })
            .map(|(other, _)| *other)
            .collect();
        for other in replaced {
            self.lose(other);
        }
        let person = &self.people[who];
        let mut documents: Vec<_> = person
            .joined()
            .map(|document| person.keys(document).clone())
            .collect();
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        if self.sabotage == Some(Sabotage::LeaveDocumentOut) && side.is_dialer {
            documents.pop();
        }
        let random = crate::random::array;
        let actions = side.control.begin(&documents, side.is_dialer, random);
        side.is_greeted = true;
        side.actions.extend(actions);
        self.attend_soon(number);
    }

    /// Bytes of the control stream arrive.
    pub(super) fn hear(&mut self, number: u64, bytes: &[u8]) {
        let sabotage = self.sabotage;
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        if side.cut.is_some_and(|cut| cut < self.now) {
            return;
        }
        let mut frame = Frame::decode(&bytes[4..]).unwrap();
        if sabotage == Some(Sabotage::LoseMatch)
            && let Frame::Match { tokens } = &mut frame
        {
            tokens.pop();
        }
        side.frames.push_back(frame);
        self.attend_soon(number);
    }

    /// A frame of the control stream is sent.
    fn say(&mut self, number: u64, frame: &Frame) {
        let delay = self.delay_ms(DELAY_MS);
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        side.arrival = side.arrival.max(self.now + delay);
        let (arrival, remote) = (side.arrival, side.remote);
        let bytes = frame.encode();
        self.at(
            arrival,
            Task::Control {
                side: remote,
                bytes,
            },
        );
    }

    /// Somebody committed something to these documents.
    pub(super) fn grew(&mut self, who: usize, documents: &BTreeSet<usize>) {
        if documents.is_empty() || self.sabotage == Some(Sabotage::SkipNews) {
            return;
        }
        let documents = documents.iter();
        let topics: Vec<TopicId> = documents
            .map(|document| self.people[who].keys(*document).topic())
            .collect();
        for number in self.sides_of(who) {
            if let Some(side) = self.links.sides.get_mut(&number) {
                side.grown.extend(&topics);
            }
            self.attend_soon(number);
        }
    }

    /// Somebody has joined a document.
    pub(super) fn documents_changed(&mut self, seat: Seat) {
        for number in self.sides_of(seat.who) {
            if let Some(side) = self.links.sides.get_mut(&number)
                && side.is_greeted
            {
                side.joined.insert(seat.document);
                self.attend_soon(number);
            }
        }
    }

    fn sides_of(&self, who: usize) -> Vec<u64> {
        let sides = self.links.sides.iter();
        let of_person = sides.filter(|(_, side)| side.who == who);
        of_person.map(|(number, _)| *number).collect()
    }

    /// The other side of a connection, and the token for a document on it.
    pub(super) fn other_side(&self, number: u64, topic: &TopicId) -> Option<(u64, Token)> {
        let side = self.links.sides.get(&number)?;
        Some((side.remote, side.control.token_of(topic)?))
    }

    /// Whether something that is sent to one side now can arrive.
    pub(super) fn is_whole(&self, number: u64) -> bool {
        let side = self.links.sides.get(&number);
        side.is_some_and(|side| side.cut.is_none_or(|cut| cut >= self.now))
    }

    /// Whether two have a connection that nobody is about to lose.
    pub(super) fn is_connected(&self, one: usize, other: usize) -> bool {
        let mut sides = self.links.sides.values();
        sides.any(|side| {
            let is_whole = |side: &Side| side.cut.is_none();
            let remote = self.links.sides.get(&side.remote);
            (side.who, side.with) == (one, other) && is_whole(side) && remote.is_some_and(is_whole)
        })
    }

    /// Whether two have a connection on which they speak of everything that both have. A document
    /// is given up after some failures until there is news, or another connection.
    pub(super) fn is_talking(&self, one: usize, other: usize) -> bool {
        let sides = self.links.sides.values();
        let mut between = sides.filter(|side| {
            (side.who, side.with) == (one, other) || (side.who, side.with) == (other, one)
        });
        self.is_connected(one, other)
            && between.all(|side| self.speaks_of_what_is_common(side).is_ok())
    }

    /// One side ends, and its sessions with it; the other one notices.
    pub(super) fn lose(&mut self, number: u64) {
        let Some(side) = self.links.sides.remove(&number) else {
            return;
        };
        self.end_all_of(number, "the connection is lost");
        self.cut_side(side.remote);
    }

    /// What is under way to one side arrives up to some moment, and some time later it notices.
    fn cut_side(&mut self, number: u64) {
        let cut = self.now + self.delay_ms(DELAY_MS);
        let notice = cut + self.delay_ms(NOTICE_MS);
        if let Some(side) = self.links.sides.get_mut(&number) {
            side.cut = Some(side.cut.map_or(cut, |known| known.min(cut)));
            self.at(notice, Task::Lost { side: number });
        }
    }

    pub(super) fn cut_some_link(&mut self) {
        let numbers: Vec<u64> = self.links.sides.keys().copied().collect();
        if numbers.is_empty() {
            return;
        }
        let number = numbers[self.random.below(numbers.len())];
        let remote = self.links.sides[&number].remote;
        self.cut_side(number);
        self.cut_side(remote);
    }

    pub(super) fn cut_links_between(&mut self, one: usize, other: usize) {
        let sides = self.links.sides.iter();
        let numbers: Vec<u64> = sides
            .filter(|(_, side)| {
                (side.who, side.with) == (one, other) || (side.who, side.with) == (other, one)
            })
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.cut_side(number);
        }
    }

    /// The process of somebody is gone, and its connections with it.
    pub(super) fn forget_links_of(&mut self, who: usize) {
        for number in self.sides_of(who) {
            if let Some(side) = self.links.sides.remove(&number) {
                self.cut_side(side.remote);
            }
        }
        self.forget_sessions_of(who);
    }

    /// Whoever is connected speaks of everything that both have, and of nothing else.
    pub(super) fn all_is_talked_about(&self) -> Result<(), String> {
        let mut sides = self.links.sides.values();
        sides.try_for_each(|side| self.speaks_of_what_is_common(side))
    }

    fn speaks_of_what_is_common(&self, side: &Side) -> Result<(), String> {
        let (who, with) = (&self.people[side.who], &self.people[side.with]);
        for document in who.joined() {
            let topic = who.keys(document).topic();
            let is_talked_about = side.sessions.contains_key(&topic) || side.quiet.contains(&topic);
            if is_talked_about != with.has_joined(document) {
                let verb = if is_talked_about {
                    "speaks"
                } else {
                    "does not speak"
                };
                return Err(format!(
                    "{} {verb} with {} of document {document}",
                    side.who, side.with
                ));
            }
        }
        Ok(())
    }
}
