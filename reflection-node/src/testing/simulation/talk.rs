// SPDX-License-Identifier: GPL-3.0-or-later
//! Sessions and the streams between them.

mod actions;
mod ends;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::installation::Seat;
use super::world::{Task, World};
use super::{Person, Sabotage};
use crate::operation::OperationId;
use crate::pipeline::Commit;
use crate::shared::PeerStatus;
use crate::store::operations::Position;
use crate::store::{forks, operations};
use crate::sync::driver::present_heights;
use crate::sync::exchange::Exchange;
use crate::sync::frame::Frame;
use crate::sync::heights::Heights;
use crate::sync::session::Session;

/// Writes under way on a stream, at most.
const WINDOW_MAX: usize = 5;
/// How long bytes are under way, milliseconds.
const DELAY_MS: usize = 150;

/// One side of a session.
struct End {
    /// Whose it is, and about which document.
    seat: Seat,
    with: usize,
    /// The side of the connection that it belongs to.
    side: u64,
    /// The number of the other side.
    remote: u64,
    exchange: Exchange,
    commits: watch::Receiver<Commit>,
    /// Frames that arrived.
    incoming: VecDeque<Incoming>,
    /// Writes under way, and how many there may be.
    under_way: usize,
    window: usize,
    /// When the last of them arrives.
    arrival: Duration,
    started: Duration,
    /// For when it is to be looked at though nothing happens.
    deadline: Option<Duration>,
    is_turn_due: bool,
    status: Option<PeerStatus>,
}

/// A stream that was opened and is not answered yet: to which side of a connection it goes, the
/// number of the opening side, and what has arrived.
struct Awaited {
    side: u64,
    remote: u64,
    frames: VecDeque<Incoming>,
}

/// A frame, its size, and whether a write ended with it.
type Incoming = (Frame, usize, bool);

/// All sessions.
#[derive(Default)]
pub(super) struct Talks {
    ends: BTreeMap<u64, End>,
    numbers: u64,
    awaited: BTreeMap<u64, Awaited>,
    /// After that time nothing arrives any more at these.
    cuts: BTreeMap<u64, Duration>,
    /// What each side held when its session began.
    beginnings: BTreeMap<u64, BTreeSet<OperationId>>,
}

impl<P: Person> World<P> {
    /// Begins a session on one side of a connection.
    pub(super) fn open_session(&mut self, side: u64, seat: Seat, with: usize) {
        self.count().sessions += 1;
        let (opening, answering) = (self.talks.numbers, self.talks.numbers + 1);
        self.talks.numbers += 2;
        let person = &self.people[seat.who];
        let (keys, own, peer) = (
            person.keys(seat.document).clone(),
            person.id,
            self.people[with].id,
        );
        let Some((remote_side, token)) = self.other_side(side, &keys.topic()) else {
            return;
        };
        let awaited = Awaited {
            side: remote_side,
            remote: opening,
            frames: VecDeque::new(),
        };
        self.talks.awaited.insert(answering, awaited);
        let nonce = self.random.array();
        self.begin(opening, side, seat, with, answering, |ours| {
            Session::open(keys, own, peer, token, nonce, ours)
        });
    }

    /// Answers a stream.
    pub(super) fn answer_session(
        &mut self,
        side: u64,
        number: u64,
        seat: Seat,
        with: usize,
        theirs: [u8; 32],
        is_write_over: bool,
    ) {
        let Some(awaited) = self.talks.awaited.remove(&number) else {
            return;
        };
        let nonce = self.random.array();
        let person = &self.people[seat.who];
        let (keys, own) = (person.keys(seat.document).clone(), person.id);
        let opener = self.people[with].id;
        self.begin(number, side, seat, with, awaited.remote, |ours| {
            Session::answer(keys, own, opener, theirs, nonce, ours)
        });
        if let Some(end) = self.talks.ends.get_mut(&number) {
            end.incoming.extend(awaited.frames);
        }
        if is_write_over && let Some(opener) = self.talks.ends.get_mut(&awaited.remote) {
            opener.under_way = opener.under_way.saturating_sub(1);
        }
        self.poke(awaited.remote);
        self.poke(number);
    }

    /// A stream is not answered: the other side sees it end.
    pub(super) fn refuse_session(&mut self, number: u64) {
        if let Some(awaited) = self.talks.awaited.remove(&number) {
            self.cut(awaited.remote);
        }
    }

    fn begin(
        &mut self,
        number: u64,
        side: u64,
        seat: Seat,
        with: usize,
        remote: u64,
        session: impl FnOnce(Arc<Heights>) -> Session,
    ) {
        let Seat { who, document } = seat;
        let person = &self.people[who];
        let (Some(running), Some(found)) = (&person.running, person.look_up(document)) else {
            return;
        };
        let (topic, row) = (found.topic, found.row);
        let connection = &running.committer.connection;
        let last = operations::last_position(connection, row).unwrap();
        let commits = running.commits.subscribe(topic);
        running
            .commits
            .load(topic, last, found.position, &found.heights);
        let held = person.held(document, Position::MAX);
        self.talks.beginnings.insert(number, held);
        let session = session(present_heights(&commits));
        let remote_id = self.people[with].id;
        let mut exchange = Exchange::new(person.id, remote_id, topic, session, &commits.borrow());
        exchange.declined(operations::refusals(connection, row).unwrap());
        exchange.prove(&forks::all(connection, row).unwrap());
        let window = self.random.between(1, WINDOW_MAX);
        let end = End {
            seat,
            with,
            side,
            remote,
            exchange,
            commits,
            incoming: VecDeque::new(),
            under_way: 0,
            window,
            arrival: self.now,
            started: self.now,
            deadline: None,
            is_turn_due: false,
            status: None,
        };
        self.talks.ends.insert(number, end);
        self.session_began(side, seat, number);
        self.act(number);
    }

    /// Bytes arrive at one side, which may only begin with them.
    pub(super) fn deliver(&mut self, number: u64, bytes: &[u8]) {
        let cut = self.talks.cuts.get(&number);
        if cut.is_some_and(|cut| *cut < self.now) {
            return;
        }
        let awaited = self.talks.awaited.get(&number).map(|awaited| awaited.side);
        let end = self.talks.ends.get(&number).map(|end| end.side);
        let Some(side) = awaited.or(end).filter(|side| self.is_whole(*side)) else {
            return;
        };
        let mut frames = decode(bytes);
        if let Some(awaited) = self.talks.awaited.get_mut(&number) {
            let is_first = awaited.frames.is_empty();
            awaited.frames.extend(frames);
            if is_first {
                self.stream_opened(side, number);
            }
            return;
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
                end.commits.mark_unchanged();
                end.tell_commits(self.sabotage);
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
        if let Some(end) = self.talks.ends.get_mut(&number) {
            let deadline = end.exchange.deadline().map(|after| end.started + after);
            if deadline != std::mem::replace(&mut end.deadline, deadline)
                && let Some(when) = deadline
            {
                self.at(when.max(self.now), Task::Expire { end: number });
            }
        }
        self.poke(number);
    }

    pub(super) fn wake_sessions_of(&mut self, who: usize) {
        let ends = self.talks.ends.iter();
        let numbers: Vec<u64> = ends
            .filter(|(_, end)| end.seat.who == who)
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.poke(number);
        }
    }

    /// Every session that is left has exchanged everything, and both sides know it.
    pub(super) fn all_are_in_step(&self) -> Result<(), String> {
        for end in self.talks.ends.values() {
            let (seat, with) = (end.seat, end.with);
            if !end
                .status
                .is_some_and(|status| status.is_exchanged && status.is_in_step)
            {
                return Err(format!(
                    "{seat} does not see that {with} has all: {:?}",
                    end.status
                ));
            }
        }
        Ok(())
    }
}

impl Talks {
    /// The first frame of a stream that is not answered yet, and whether a write ended with it.
    pub(super) fn opening(&mut self, number: u64) -> Option<(Frame, bool)> {
        let awaited = self.awaited.get_mut(&number)?;
        let (frame, _, is_last) = awaited.frames.pop_front()?;
        Some((frame, is_last))
    }

    /// Whether a session has exchanged everything, as far as it has told.
    pub(super) fn is_settled(&self, number: u64) -> bool {
        let end = self.ends.get(&number);
        end.and_then(|end| end.status)
            .is_some_and(|status| status.is_exchanged && status.is_in_step)
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
    /// Tells the machine of what has been committed.
    fn tell_commits(&mut self, sabotage: Option<Sabotage>) {
        let commit = self.commits.borrow();
        let is_skipped = sabotage == Some(Sabotage::SkipCommit)
            && commit.heights.iter().any(|(_, head)| head.next == 3);
        if !is_skipped {
            self.exchange.committed(&commit);
        }
    }

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
fn decode(mut bytes: &[u8]) -> VecDeque<Incoming> {
    let mut frames = VecDeque::new();
    while let Some((length, rest)) = bytes.split_at_checked(4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let (frame, rest) = rest.split_at(length);
        frames.push_back((Frame::decode(frame).unwrap(), length + 4, rest.is_empty()));
        bytes = rest;
    }
    frames
}
