// SPDX-License-Identifier: GPL-3.0-or-later
//! Sessions and the streams between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::installation::{Installation, Outcome, Promise};
use super::world::{Task, World, store_job};
use super::{Person, Sabotage};
use crate::events::Event;
use crate::identity::VerifyingKeys;
use crate::operation::{ForkProof, Operation, OperationId};
use crate::pipeline::{Commit, Evidence, Ingested, Mended, Processor, examine, mend, verify_batch};
use crate::shared::PeerStatus;
use crate::store::operations::Position;
use crate::store::{Durability, Job, StoreError, forks, operations, peers};
use crate::sync::driver::is_forked;
use crate::sync::exchange::{Action, Exchange};
use crate::sync::frame::Frame;
use crate::sync::heights::Head;
use crate::sync::session::{Request, Session};

/// Stands for the document in an `Open`; whose it is needs no finding out here.
const TOKEN: crate::sync::frame::Token = [7; 16];
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
        session: impl FnOnce(Arc<crate::sync::heights::Heights>) -> Session,
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
        let session = session(crate::sync::driver::present_heights(&commits));
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

    fn carry_out(&mut self, number: u64, action: Action) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        let (who, with, remote) = (end.who, end.with, end.remote);
        match action {
            Action::Verify(batch) => self.after_ms(5, Task::Verify { end: number, batch }),
            Action::Read(requests) => self.after_ms(
                10,
                Task::Read {
                    end: number,
                    requests,
                },
            ),
            Action::Store(batch) => {
                if let Some(job) = store_job(&self.people[who], number, batch) {
                    self.give(who, job);
                }
            }
            Action::Status(status) => {
                end.status = Some(status);
                if status.is_in_step {
                    let ours = self.people[who].held(status.position);
                    if !self.oracle.has_held(with, &ours) {
                        self.oracle
                            .breaks(format!("{who} claims falsely that {with} has all"));
                    }
                }
            }
            Action::Emit(Event::SyncFinished { error: None, .. }) => {
                let theirs = self
                    .talks
                    .beginnings
                    .get(&remote)
                    .cloned()
                    .unwrap_or_default();
                if !self.oracle.has_held(who, &theirs) {
                    self.oracle
                        .breaks(format!("{who} finished early with {with}"));
                }
            }
            Action::Examine(evidence) => {
                if let Some(job) = examine_job(&self.people[who], number, evidence) {
                    self.give(who, job);
                }
            }
            Action::Compare(head) => self.after_ms(10, Task::Compare { end: number, head }),
            Action::Mend(_) if self.sabotage == Some(Sabotage::SkipMending) => {
                end.exchange.mended();
            }
            Action::Mend(branch) => {
                if let Some(job) = mend_job(&self.people[who], number, branch) {
                    self.give(who, job);
                }
            }
            Action::Emit(_) => {}
            Action::Confirm(confirmed) => self.confirm(who, with, confirmed),
        }
    }

    fn confirm(&mut self, who: usize, with: usize, confirmed: u64) {
        let own = self.people[who].id;
        let ours = self.people[who].operations().iter();
        let confirmed_ids = ours
            .filter(|placed| placed.author == own && placed.sequence < confirmed)
            .map(|placed| placed.id)
            .collect();
        if !self.oracle.has_held(with, &confirmed_ids) {
            self.oracle
                .breaks(format!("{who} writes down what {with} never had"));
        }
        let peer = self.people[with].id;
        let Some(running) = &self.people[who].running else {
            return;
        };
        let row = running.row;
        let job = Job::new(
            Durability::Refetchable,
            move |connection, _| peers::confirm(connection, row, &peer, confirmed),
            |_: Result<(), StoreError>| {},
        );
        self.give(who, job);
    }

    pub(super) fn compare(&mut self, number: u64, head: Head) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        let person = &self.people[end.who];
        let Some(running) = &person.running else {
            return;
        };
        let connection = &running.committer.connection;
        let is_forked = is_forked(connection, running.row, &person.id, &head).unwrap();
        end.exchange.compared(is_forked);
        self.act(number);
    }

    pub(super) fn examined(&mut self, number: u64, result: Result<(), StoreError>) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        match result {
            Ok(()) => {
                end.exchange.examined();
                self.act(number);
            }
            Err(error) => self.failed_to_store(number, &error),
        }
    }

    pub(super) fn mended(&mut self, number: u64, result: Result<Mended, StoreError>) {
        // It happened to the log, whether or not the session is still there.
        match result {
            Ok(mended) => self.count().mended += u64::from(mended.head.is_some()),
            Err(_) => self.count().failed_writes += 1,
        }
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        end.exchange.mended();
        self.act(number);
    }

    fn failed_to_store(&mut self, number: u64, error: &StoreError) {
        if self.oracle.is_calm {
            self.oracle
                .breaks(format!("a write failed without a cause: {error}"));
        }
        self.count().failed_writes += 1;
        self.end(number, "it could not be stored");
    }

    pub(super) fn verify(&mut self, number: u64, batch: Vec<Operation>) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        let (verified, refused) = verify_batch(
            &self.people[end.who].keys,
            &mut VerifyingKeys::default(),
            batch,
        );
        if let Some((_, error)) = refused.first() {
            self.oracle
                .breaks(format!("an honest operation was refused: {error}"));
            return;
        }
        let result = end.exchange.verified(verified, refused);
        debug_assert!(result.is_ok());
        self.act(number);
    }

    pub(super) fn read(&mut self, number: u64, requests: &[Request]) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        let Some(running) = &self.people[end.who].running else {
            return;
        };
        let recent = running
            .commits
            .recent(&self.people[end.who].keys.topic(), requests);
        let found = recent.map_or_else(
            || operations::ranges(&running.committer.connection, running.row, requests),
            Ok,
        );
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.oracle
                    .breaks(format!("the store cannot be read: {error}"));
                return;
            }
        };
        for operation in &found {
            self.oracle.is_public(
                operation.author(),
                operation.header().sequence,
                operation.id(),
            );
        }
        if let Err(error) = end.exchange.read(found) {
            self.oracle
                .breaks(format!("a session promised what is not there: {error}"));
            return;
        }
        self.act(number);
    }

    pub(super) fn stored(&mut self, number: u64, result: Result<Ingested, StoreError>) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        match result {
            Ok(ingested) => {
                let who = end.who;
                let untaken = ingested.forks.iter().map(|(author, _)| author);
                let mut untaken = untaken.chain(ingested.refused.iter().map(|(author, _)| author));
                if untaken.any(|author| !self.oracle.is_a_copy(author)) {
                    self.oracle
                        .breaks(format!("{who} refused an honest operation"));
                    return;
                }
                end.exchange.stored(&ingested);
                self.act(number);
                self.write_through(who);
            }
            Err(error) => self.failed_to_store(number, &error),
        }
    }

    pub(super) fn expire(&mut self, number: u64) {
        let Some(end) = self.talks.ends.get(&number) else {
            return;
        };
        if end
            .exchange
            .expire(self.now.saturating_sub(end.started))
            .is_err()
        {
            if self.oracle.is_calm {
                self.oracle.breaks("a session did not get under way".into());
            }
            self.end(number, "it took too long");
        }
    }

    /// One side ends; the other one notices.
    pub(super) fn end(&mut self, number: u64, reason: &'static str) {
        let Some(mut end) = self.talks.ends.remove(&number) else {
            return;
        };
        end.exchange.committed(&end.commits.borrow());
        let is_settled = end.exchange.is_settled();
        let since = self.now.saturating_sub(end.started);
        let actions = end.exchange.end(since, &reason);
        let (who, with, remote) = (end.who, end.with, end.remote);
        for action in actions {
            if let Action::Confirm(confirmed) = action
                && self.people[who].running.is_some()
            {
                self.confirm(who, with, confirmed);
            }
        }
        self.cut(remote);
        if self.talks.hushed.remove(&number) {
            self.hushed(who, with, is_settled);
        }
    }

    /// A session that has nothing left to do ends, and both know why.
    pub(super) fn hush_some_session(&mut self) {
        let settled: Vec<(u64, u64)> = self
            .talks
            .ends
            .iter()
            .filter(|(number, end)| {
                end.who == self.in_order(end.who, end.with).0
                    && end.exchange.is_settled()
                    && self.talks.ends.contains_key(&end.remote)
                    && !self.talks.cuts.contains_key(*number)
            })
            .map(|(number, end)| (*number, end.remote))
            .collect();
        if settled.is_empty() {
            return;
        }
        let (number, remote) = settled[self.random.below(settled.len())];
        self.talks.hushed.extend([number, remote]);
        self.end(number, "there is nothing left to do");
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

    /// What is under way to one side arrives up to some moment, and some time later it notices.
    fn cut(&mut self, number: u64) {
        let cut = self.now + self.delay_ms(DELAY_MS);
        let known = self.talks.cuts.entry(number).or_insert(cut);
        *known = cut.min(*known);
        self.talks.awaited.remove(&number);
        if self.talks.ends.contains_key(&number) {
            let notice = cut + self.delay_ms(NOTICE_MS);
            self.at(
                notice,
                Task::Gone {
                    end: number,
                    reason: "the connection is lost",
                },
            );
        }
    }

    pub(super) fn cut_some_session(&mut self) {
        let numbers: Vec<u64> = self.talks.ends.keys().copied().collect();
        if numbers.is_empty() {
            return;
        }
        let number = numbers[self.random.below(numbers.len())];
        let remote = self.talks.ends[&number].remote;
        self.cut(number);
        self.cut(remote);
    }

    pub(super) fn cut_sessions_between(&mut self, one: usize, other: usize) {
        let pair = self.in_order(one, other);
        self.forget_quiet(|first, second| (first, second) == pair);
        let ends = self.talks.ends.iter();
        let numbers: Vec<u64> = ends
            .filter(|(_, end)| {
                (end.who, end.with) == (one, other) || (end.who, end.with) == (other, one)
            })
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.cut(number);
        }
    }

    /// The process of somebody is gone, and its sessions with it.
    pub(super) fn forget_sessions_of(&mut self, who: usize) {
        self.forget_quiet(|one, other| one == who || other == who);
        let ends = self.talks.ends.iter();
        let gone: Vec<(u64, u64)> = ends
            .filter(|(_, end)| end.who == who)
            .map(|(number, end)| (*number, end.remote))
            .collect();
        for (number, remote) in gone {
            self.talks.ends.remove(&number);
            self.cut(remote);
        }
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

/// Hands what is said of other logs to the writing thread.
fn examine_job<P: Person>(
    person: &Installation<P>,
    end: u64,
    evidence: Vec<Evidence>,
) -> Option<Job<Processor>> {
    let running = person.running.as_ref()?;
    let (keys, topic) = (person.keys.clone(), person.keys.topic());
    let commits = Arc::clone(&running.commits);
    let lost = Outcome::Examined {
        end,
        result: Err(StoreError::Closed),
    };
    let promise = Promise::new(running, lost);
    Some(Job::new(
        Durability::Refetchable,
        move |connection, _| examine(connection, &keys, evidence),
        move |result: Result<Vec<ForkProof>, StoreError>| {
            if let Ok(proofs) = &result {
                commits.forked(topic, proofs);
            }
            let result = result.map(|_| ());
            promise.keep(Outcome::Examined { end, result });
        },
    ))
}

/// Hands the other form of our own log to the writing thread.
fn mend_job<P: Person>(
    person: &Installation<P>,
    end: u64,
    branch: Vec<Operation>,
) -> Option<Job<Processor>> {
    let running = person.running.as_ref()?;
    let (keys, topic, own) = (person.keys.clone(), person.keys.topic(), person.id);
    let (verified, _) = verify_batch(&keys, &mut VerifyingKeys::default(), branch);
    let commits = Arc::clone(&running.commits);
    let lost = Outcome::Mended {
        end,
        result: Err(StoreError::Closed),
    };
    let promise = Promise::new(running, lost);
    Some(Job::new(
        Durability::Durable,
        move |connection, processor| mend(connection, processor, &keys, verified),
        move |result: Result<Mended, StoreError>| {
            if let Ok(mended) = &result {
                commits.forked(topic, mended.proof.as_slice());
                commits.remember(topic, &[], true);
                if let Some((position, head)) = mended.head {
                    commits.committed(topic, position, [(own, head)], Durability::Durable);
                }
            }
            promise.keep(Outcome::Mended { end, result });
        },
    ))
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
