// SPDX-License-Identifier: GPL-3.0-or-later
//! Sessions and the streams between them.

mod actions;
mod ends;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::world::{Task, World};
use super::{Person, Sabotage};
use crate::operation::OperationId;
use crate::pipeline::Commit;
use crate::shared::PeerStatus;
use crate::store::operations::Position;
use crate::store::{forks, operations};
use crate::sync::driver::present_heights;
use crate::sync::exchange::Exchange;
use crate::sync::frame::{Frame, Token};
use crate::sync::heights::Heights;
use crate::sync::session::Session;

/// Stands for the document in an `Open`; whose it is needs no finding out here.
const TOKEN: Token = [7; 16];
/// Writes under way on a stream, at most.
const WINDOW_MAX: usize = 5;
/// How long bytes are under way, milliseconds.
const DELAY_MS: usize = 150;
/// How long it takes until somebody notices that a connection is gone, milliseconds.
const NOTICE_MS: usize = 10_000;

/// One side of a session.
struct End {
    who: usize,
    with: usize,
    /// The number of the other side.
    remote: u64,
    exchange: Exchange,
    commits: watch::Receiver<Commit>,
    /// Frames that arrived, each with its size and whether a write ended with it.
    incoming: VecDeque<(Frame, usize, bool)>,
    /// Writes under way, and how many there may be.
    under_way: usize,
    window: usize,
    /// When the last of them arrives.
    arrival: Duration,
    started: Duration,
    is_turn_due: bool,
    status: Option<PeerStatus>,
}

/// All sessions.
#[derive(Default)]
pub(super) struct Talks {
    ends: BTreeMap<u64, End>,
    numbers: u64,
    /// Answering sides that begin with the first bytes: number, process, with whom, their number.
    awaited: BTreeMap<u64, (usize, u32, usize, u64)>,
    /// After that time nothing arrives any more at these.
    cuts: BTreeMap<u64, Duration>,
    /// Sides whose session ends, or ended, because there was nothing left to do.
    hushed: BTreeSet<u64>,
    /// What each side held when its session began.
    beginnings: BTreeMap<u64, BTreeSet<OperationId>>,
}

impl<P: Person> World<P> {
    /// Whether two can reach each other.
    pub(super) fn can_talk(&self, one: usize, other: usize) -> bool {
        one != other
            && !self.is_apart(one, other)
            && self.people[one].running.is_some()
            && self.people[other].running.is_some()
    }

    /// Begins a session.
    pub(super) fn open_session(&mut self, opener: usize, responder: usize) {
        self.count().sessions += 1;
        let (opening, answering) = (self.talks.numbers, self.talks.numbers + 1);
        self.talks.numbers += 2;
        let run = self.people[responder].run;
        self.talks
            .awaited
            .insert(answering, (responder, run, opener, opening));
        let nonce = self.random.array();
        let (keys, own, remote) = (
            self.people[opener].keys.clone(),
            self.people[opener].id,
            self.people[responder].id,
        );
        self.begin(opening, opener, responder, answering, |ours| {
            Session::open(keys, own, remote, TOKEN, nonce, ours)
        });
    }

    fn begin(
        &mut self,
        number: u64,
        who: usize,
        with: usize,
        remote: u64,
        session: impl FnOnce(Arc<Heights>) -> Session,
    ) {
        let person = &self.people[who];
        let Some(running) = &person.running else {
            return;
        };
        let topic = person.keys.topic();
        let commits = running.commits.subscribe(topic);
        let (position, heights) = person.heights();
        running.commits.load(topic, position, position, &heights);
        let held = person.held(Position::MAX);
        self.talks.beginnings.insert(number, held);
        let session = session(present_heights(&commits));
        let remote_id = self.people[with].id;
        let mut exchange = Exchange::new(person.id, remote_id, topic, session, &commits.borrow());
        let connection = &running.committer.connection;
        exchange.declined(operations::refusals(connection, running.row).unwrap());
        exchange.prove(&forks::all(connection, running.row).unwrap());
        let window = self.random.between(1, WINDOW_MAX);
        let end = End {
            who,
            with,
            remote,
            exchange,
            commits,
            incoming: VecDeque::new(),
            under_way: 0,
            window,
            arrival: self.now,
            started: self.now,
            is_turn_due: false,
            status: None,
        };
        if let Some(deadline) = end.exchange.deadline() {
            self.at(self.now + deadline, Task::Expire { end: number });
        }
        self.talks.ends.insert(number, end);
        self.act(number);
    }

    /// Bytes arrive at one side, which may only begin with them.
    pub(super) fn deliver(&mut self, number: u64, bytes: &[u8]) {
        if self
            .talks
            .cuts
            .get(&number)
            .is_some_and(|cut| *cut < self.now)
        {
            return;
        }
        let mut frames = decode(bytes);
        if let Some((who, run, with, remote)) = self.talks.awaited.remove(&number) {
            let Some((Frame::Open { nonce: theirs, .. }, ..)) = frames.pop_front() else {
                self.oracle
                    .breaks("a session begins without being opened".into());
                return;
            };
            if !self.is_running(who, run) {
                self.after_ms(
                    NOTICE_MS,
                    Task::Gone {
                        end: remote,
                        reason: "nobody is there",
                    },
                );
                return;
            }
            let nonce = self.random.array();
            let (keys, own) = (self.people[who].keys.clone(), self.people[who].id);
            let opener = self.people[with].id;
            self.begin(number, who, with, remote, |ours| {
                Session::answer(keys, own, opener, theirs, nonce, ours)
            });
            if let Some(opener) = self.talks.ends.get_mut(&remote) {
                opener.under_way -= 1;
            }
            self.poke(remote);
        }
        let is_dropping = self.sabotage == Some(Sabotage::DropHeads);
        if let Some(end) = self.talks.ends.get_mut(&number) {
            if is_dropping {
                for (frame, ..) in &mut frames {
                    if let Frame::Heads { heads, .. } = frame
                        && heads.len() > 1
                    {
                        heads.pop();
                    }
                }
            }
            end.incoming.extend(frames);
        }
        self.poke(number);
    }

    /// Lets a session look up soon if there is something for it.
    fn poke(&mut self, number: u64) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        if end.branches().next().is_some() && !std::mem::replace(&mut end.is_turn_due, true) {
            self.after_ms(2, Task::Turn { end: number });
        }
    }

    /// One of the things that can go on in a session does.
    pub(super) fn turn(&mut self, number: u64) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        end.is_turn_due = false;
        let branches: Vec<Branch> = end.branches().collect();
        if branches.is_empty() {
            return;
        }
        let mut error = None;
        match branches[self.random.below(branches.len())] {
            Branch::Receive => {
                if let Some((frame, bytes, is_last)) = end.incoming.pop_front() {
                    error = end.exchange.receive(frame, bytes).err();
                    let remote = end.remote;
                    if is_last && let Some(sender) = self.talks.ends.get_mut(&remote) {
                        sender.under_way = sender.under_way.saturating_sub(1);
                        self.poke(remote);
                    }
                }
            }
            Branch::Send => {
                if let Some(bytes) = end.exchange.next_bytes() {
                    end.under_way += 1;
                    let (remote, last) = (end.remote, end.arrival);
                    let arrival = last.max(self.now + self.delay_ms(DELAY_MS));
                    if let Some(end) = self.talks.ends.get_mut(&number) {
                        end.arrival = arrival;
                    }
                    self.at(arrival, Task::Deliver { end: remote, bytes });
                }
            }
            Branch::Commit => {
                let commit = end.commits.borrow_and_update();
                let is_skipped = self.sabotage == Some(Sabotage::SkipCommit)
                    && commit.heights.iter().any(|(_, head)| head.next == 3);
                if !is_skipped {
                    end.exchange.committed(&commit);
                }
            }
        }
        match error {
            Some(error) => {
                if self.oracle.is_calm {
                    self.oracle.breaks(format!("a session failed: {error}"));
                }
                self.end(number, "it failed");
            }
            None => self.act(number),
        }
    }

    /// Carries out what the machine wants.
    fn act(&mut self, number: u64) {
        while let Some(end) = self.talks.ends.get_mut(&number) {
            let since = self.now.saturating_sub(end.started);
            let Some(action) = end.exchange.next_action(since) else {
                break;
            };
            self.carry_out(number, action);
        }
        self.poke(number);
    }

    /// Whether two have a session that nobody is about to lose.
    pub(super) fn has_session(&self, one: usize, other: usize) -> bool {
        let is_between =
            |end: &End| (end.who, end.with) == (one, other) || (end.who, end.with) == (other, one);
        self.talks
            .ends
            .iter()
            .any(|(number, end)| is_between(end) && !self.talks.cuts.contains_key(number))
    }

    pub(super) fn wake_sessions_of(&mut self, who: usize) {
        let ends = self.talks.ends.iter();
        let numbers: Vec<u64> = ends
            .filter(|(_, end)| end.who == who)
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.poke(number);
        }
    }

    /// Whether two have a session, or need none.
    pub(super) fn is_talking(&self, one: usize, other: usize) -> bool {
        self.has_session(one, other) || self.is_quiet(one, other)
    }

    /// Every session that is left has exchanged everything, and both sides know it.
    pub(super) fn all_are_in_step(&self) -> Result<(), String> {
        for end in self.talks.ends.values() {
            let (who, with) = (end.who, end.with);
            if !end
                .status
                .is_some_and(|status| status.is_exchanged && status.is_in_step)
            {
                return Err(format!(
                    "{who} does not see that {with} has all: {:?}",
                    end.status
                ));
            }
        }
        Ok(())
    }
}

/// What a session can do next.
#[derive(Clone, Copy)]
enum Branch {
    Receive,
    Send,
    Commit,
}

impl End {
    fn branches(&self) -> impl Iterator<Item = Branch> {
        let can_receive = !self.incoming.is_empty() && self.exchange.has_room();
        let can_send = self.under_way < self.window && self.exchange.has_bytes();
        let has_changed = self.commits.has_changed().unwrap_or(false);
        [
            can_receive.then_some(Branch::Receive),
            can_send.then_some(Branch::Send),
            has_changed.then_some(Branch::Commit),
        ]
        .into_iter()
        .flatten()
    }
}

/// The frames in one write.
fn decode(mut bytes: &[u8]) -> VecDeque<(Frame, usize, bool)> {
    let mut frames = VecDeque::new();
    while let Some((length, rest)) = bytes.split_at_checked(4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let (frame, rest) = rest.split_at(length);
        frames.push_back((Frame::decode(frame).unwrap(), length + 4, rest.is_empty()));
        bytes = rest;
    }
    frames
}
