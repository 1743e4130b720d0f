// SPDX-License-Identifier: GPL-3.0-or-later
//! Clock, queue of what is due, and the installations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::deeds::Deeds;
use super::installation::{Installation, Outcome, Promise};
use super::oracle::Oracle;
use super::quiet::{Quiet, Summary};
use super::talk::Talks;
use super::{Person, Report, Sabotage};
use crate::access::{DocumentKeys, DocumentSecret};
use crate::identity::AuthorKey;
use crate::operation::Kind;
use crate::operation::Operation;
use crate::pipeline::{NewOperation, PublishError, Published, Verified, publish};
use crate::store::operations::Position;
use crate::store::{Durability, Job, StoreError, storage};
use crate::sync::heights::Head;
use crate::sync::session::Request;
use crate::testing::Random;
use crate::testing::random::set_simulated_now_us;

/// Installations in a schedule.
const PEOPLE_MIN: usize = 3;
const PEOPLE_MAX: usize = 7;
/// Steps after which a schedule that does not come to rest has gone wrong.
const STEPS_MAX: u64 = 200_000;
/// When the clocks of all begin, microseconds since 1970.
const BEGINNING_US: u64 = 1_800_000_000_000_000;

/// Something that is due at some time.
pub(super) enum Task {
    /// The next thing that somebody does or that befalls somebody.
    Deed,
    Start {
        who: usize,
    },
    Commit {
        who: usize,
        run: u32,
    },
    Apply {
        who: usize,
        run: u32,
    },
    Outcome {
        who: usize,
        run: u32,
        outcome: Box<Outcome>,
    },
    /// A session looks up.
    Turn {
        end: u64,
    },
    Verify {
        end: u64,
        batch: Vec<Operation>,
    },
    /// A compaction is made: the end of the log it stands for, its incarnation and body.
    Compact {
        who: usize,
        run: u32,
        made: (u64, u64, Vec<u8>),
    },
    Compare {
        end: u64,
        head: Head,
    },
    Read {
        end: u64,
        requests: Vec<Request>,
    },
    /// Bytes arrive.
    Deliver {
        end: u64,
        bytes: Vec<u8>,
    },
    /// A session notices that its connection is gone.
    Gone {
        end: u64,
        reason: &'static str,
    },
    Expire {
        end: u64,
    },
    Summary {
        summary: Summary,
    },
    /// A session of two who differ begins.
    Open {
        pair: (usize, usize),
    },
}

impl Task {
    /// For the trace.
    fn label(&self) -> (u8, u64) {
        match self {
            Self::Deed => (0, 0),
            Self::Start { who } => (1, *who as u64),
            Self::Commit { who, .. } => (2, *who as u64),
            Self::Apply { who, .. } => (3, *who as u64),
            Self::Outcome { who, .. } => (4, *who as u64),
            Self::Turn { end } => (5, *end),
            Self::Verify { end, .. } => (6, *end),
            Self::Read { end, .. } => (7, *end),
            Self::Deliver { end, .. } => (8, *end),
            Self::Gone { end, .. } => (9, *end),
            Self::Expire { end } => (10, *end),
            Self::Compact { who, .. } => (11, *who as u64),
            Self::Compare { end, .. } => (12, *end),
            Self::Summary { summary } => (13, summary.to as u64),
            Self::Open { pair } => (14, pair.0 as u64),
        }
    }
}

/// Everything there is.
pub(super) struct World<P> {
    pub(super) random: Random,
    pub(super) now: Duration,
    queue: BTreeMap<(Duration, u64), Task>,
    queued: u64,
    pub(super) people: Vec<Installation<P>>,
    pub(super) talks: Talks,
    pub(super) quiet: Quiet,
    pub(super) oracle: Oracle,
    pub(super) deeds: Deeds,
    pub(super) sabotage: Option<Sabotage>,
    trace: blake3::Hasher,
    report: Report,
    /// Removed with everything in it at the end.
    _folder: Folder,
}

impl<P: Person> World<P> {
    pub(super) fn new(
        seed: u64,
        mut person: impl FnMut() -> P,
        sabotage: Option<Sabotage>,
    ) -> Self {
        let mut random = Random::new(seed);
        let folder = Folder::new();
        let secret = DocumentSecret::from_bytes(random.array());
        let owner = DocumentKeys::for_writing(secret);
        let count = PEOPLE_MIN
            + random
                .below(3)
                .min(random.below(PEOPLE_MAX - PEOPLE_MIN + 1));
        let people = (0..count)
            .map(|who| {
                let key = AuthorKey::from_bytes(&random.array());
                // The first two write; others may be able to read only, or not even that.
                let keys = match random.below(10) {
                    8 if who > 1 => owner.to_reading(),
                    9 if who > 1 => Some(owner.to_replica()),
                    _ => None,
                };
                let keys = keys.unwrap_or_else(|| owner.clone());
                Installation::new(who, key, keys, person(), folder.path())
            })
            .collect();
        let deeds = Deeds::new(&mut random, count);
        let mut world = Self {
            random,
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            queued: 0,
            people,
            talks: Talks::default(),
            quiet: Quiet::default(),
            oracle: Oracle::new(count),
            deeds,
            sabotage,
            trace: blake3::Hasher::new(),
            report: Report::default(),
            _folder: folder,
        };
        for who in 0..count {
            // Somebody may join late.
            let after = if world.random.percent(25) { 2_000 } else { 10 };
            world.after_ms(after, Task::Start { who });
        }
        world.after_ms(20, Task::Deed);
        world
    }

    pub(super) fn report(&self) -> Report {
        Report {
            trace: *self.trace.finalize().as_bytes(),
            ..self.report.clone()
        }
    }

    pub(super) fn count(&mut self) -> &mut Report {
        &mut self.report
    }

    /// Plays the whole schedule and looks at what came of it.
    pub(super) fn play(&mut self) -> Result<(), String> {
        self.settle()?;
        self.mend();
        self.settle()?;
        self.connect_all();
        self.oracle.is_calm = true;
        self.settle()?;
        let operations = self.look_at_the_end()?;
        self.report.operations = operations;
        Ok(())
    }

    /// Goes on until nothing is due any more.
    fn settle(&mut self) -> Result<(), String> {
        while let Some(((when, _), task)) = self.queue.pop_first() {
            self.now = when;
            set_simulated_now_us(self.now_us());
            self.report.steps += 1;
            if self.report.steps > STEPS_MAX {
                return Err("it does not come to rest".into());
            }
            let (kind, subject) = task.label();
            self.trace.update(&when.as_nanos().to_le_bytes());
            self.trace.update(&[kind]);
            self.trace.update(&subject.to_le_bytes());
            self.take(task);
            if let Some(broken) = self.oracle.broken.take() {
                return Err(broken);
            }
        }
        Ok(())
    }

    fn take(&mut self, task: Task) {
        match task {
            Task::Deed => self.next_deed(),
            Task::Start { who } => self.start(who),
            Task::Commit { who, run } if self.is_running(who, run) => self.commit(who),
            Task::Apply { who, run } if self.is_running(who, run) => {
                if let Some(running) = &mut self.people[who].running {
                    running.is_apply_due = false;
                }
                while self.people[who].apply() {}
            }
            Task::Outcome { who, run, outcome } if self.is_running(who, run) => {
                self.finish(who, *outcome);
            }
            Task::Turn { end } => self.turn(end),
            Task::Verify { end, batch } => self.verify(end, batch),
            Task::Compact { who, run, made } if self.is_running(who, run) => {
                self.publish_compaction(who, made);
            }
            Task::Compare { end, head } => self.compare(end, head),
            Task::Read { end, requests } => self.read(end, &requests),
            Task::Deliver { end, bytes } => self.deliver(end, &bytes),
            Task::Gone { end, reason } => self.end(end, reason),
            Task::Expire { end } => self.expire(end),
            Task::Summary { summary } => self.take_summary(&summary),
            Task::Open { pair } => self.open(pair),
            Task::Commit { .. }
            | Task::Apply { .. }
            | Task::Outcome { .. }
            | Task::Compact { .. } => {}
        }
    }

    pub(super) fn is_running(&self, who: usize, run: u32) -> bool {
        self.people[who].running.is_some() && self.people[who].run == run
    }

    pub(super) fn at(&mut self, when: Duration, task: Task) {
        self.queued += 1;
        self.queue.insert((when.max(self.now), self.queued), task);
    }

    /// Queues a task for some time up to so many milliseconds from now.
    pub(super) fn after_ms(&mut self, most: usize, task: Task) {
        let delay = self.delay_ms(most);
        self.at(self.now + delay, task);
    }

    /// Up to so many milliseconds; short ones are as frequent as long ones.
    pub(super) fn delay_ms(&mut self, most: usize) -> Duration {
        let most = if self.random.percent(50) {
            most / 8 + 1
        } else {
            most
        };
        Duration::from_micros(self.random.below(most * 1_000) as u64)
    }

    pub(super) fn now_us(&self) -> u64 {
        BEGINNING_US + u64::try_from(self.now.as_micros()).unwrap_or(0)
    }

    pub(super) fn start(&mut self, who: usize) {
        if self.people[who].running.is_some() {
            return;
        }
        let now_us = self.now_us();
        self.people[who].start(now_us, self.sabotage);
        let stored = self.people[who].look().to_vec();
        let said = self.people[who].person.said();
        let is_restored = self.oracle.is_fresh_copy(who);
        self.oracle.started(who, &stored, &said);
        if is_restored {
            // Before anybody can tell what was forgotten: the log goes on in two ways then.
            self.write(who);
        }
        self.check(who);
    }

    /// Gives work to the writing thread of somebody.
    pub(super) fn give(&mut self, who: usize, job: Job<crate::pipeline::Processor>) {
        let run = self.people[who].run;
        let Some(running) = &mut self.people[who].running else {
            return;
        };
        running.jobs.push(job);
        if !std::mem::replace(&mut running.is_commit_due, true) {
            self.after_ms(20, Task::Commit { who, run });
        }
    }

    /// Brings onto the disk what somebody has committed, as the node does after each batch.
    pub(super) fn write_through(&mut self, who: usize) {
        let Some(running) = &self.people[who].running else {
            return;
        };
        let commits = Arc::clone(&running.commits);
        let job = Job::new(
            Durability::Durable,
            |connection, _| storage::write_through(connection),
            move |result: Result<Position, StoreError>| match result {
                Ok(position) => commits.durable(position),
                Err(_) => commits.lag_again(),
            },
        );
        self.give(who, job);
    }

    fn commit(&mut self, who: usize) {
        let run = self.people[who].run;
        let jobs = self.random.between(1, 8);
        let is_unsynced = self.sabotage == Some(Sabotage::AcknowledgeUnsynced);
        let is_alive = self.people[who].commit(jobs, is_unsynced);
        if !is_alive {
            self.crash(who, None);
            return;
        }
        if self.sabotage == Some(Sabotage::SkipAcknowledgement)
            && let Some(running) = &self.people[who].running
        {
            let skip = "UPDATE operations SET state = 0 WHERE position = 5";
            let _ = running.committer.connection.execute(skip, []);
        }
        let Some(running) = &mut self.people[who].running else {
            return;
        };
        let outcomes: Vec<Outcome> = std::mem::take(
            &mut running
                .outcomes
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let is_more = !running.jobs.is_empty();
        running.is_commit_due = is_more;
        let is_apply_new = !std::mem::replace(&mut running.is_apply_due, true);
        if is_more {
            self.after_ms(20, Task::Commit { who, run });
        }
        if is_apply_new {
            self.after_ms(200, Task::Apply { who, run });
        }
        for outcome in outcomes {
            let outcome = Box::new(outcome);
            self.after_ms(5, Task::Outcome { who, run, outcome });
        }
        let mut has_news = false;
        for placed in self.people[who].look() {
            self.trace.update(placed.id.as_bytes());
            self.oracle.committed(who, placed);
            has_news = true;
        }
        self.check(who);
        if has_news {
            self.news_of(who);
        }
        self.wake_sessions_of(who);
    }

    /// Looks at what the application of somebody made of the operations.
    fn check(&mut self, who: usize) {
        let person = &self.people[who];
        if let Some(running) = &person.running
            && let Err(what) = person.person.check(&running.committer.connection)
        {
            self.oracle.breaks(format!("at {who}: {what}"));
        }
    }

    fn finish(&mut self, who: usize, outcome: Outcome) {
        match outcome {
            Outcome::Stored { end, result } => self.stored(end, result),
            Outcome::Published { body, result } => self.published(who, body, result),
            Outcome::Compacted { result } => self.compacted(who, result),
            Outcome::Examined { end, result } => self.examined(end, result),
            Outcome::Mended { end, result } => self.mended(end, result),
        }
    }

    /// Publishes what somebody wrote, one body after the other.
    pub(super) fn publish(&mut self, who: usize) {
        let (now_us, run) = (self.now_us(), self.people[who].run);
        let sabotage = self.sabotage;
        let person = &mut self.people[who];
        let Some(running) = &mut person.running else {
            return;
        };
        if running.is_publishing {
            return;
        }
        if running.publishing.is_empty() {
            running.publishing = person.person.take_changes().into();
        }
        let Some(body) = running.publishing.pop_front() else {
            return;
        };
        running.is_publishing = true;
        let (topic, own) = (person.keys.topic(), person.id);
        let new = NewOperation {
            topic,
            kind: Kind::Edit,
            incarnation: running.incarnation,
            body: body.clone(),
            time_us: now_us,
            sequence: None,
        };
        let commits = Arc::clone(&running.commits);
        let lost = Outcome::Published {
            body: body.clone(),
            result: Err(StoreError::Closed.into()),
        };
        let promise = Promise::new(running, lost);
        let early = Arc::clone(&self.oracle.early);
        let job = Job::new(
            Durability::Durable,
            move |connection, processor| {
                let published = publish(connection, processor, &new);
                if sabotage == Some(Sabotage::AcknowledgeEarly)
                    && let Ok((published, ..)) = &published
                {
                    let mut early = early.lock().unwrap_or_else(PoisonError::into_inner);
                    early.push((who, published.id));
                }
                published
            },
            move |result: Result<_, PublishError>| {
                if let Ok((published, head, operation)) = &result {
                    commits.remember(topic, std::slice::from_ref(operation), false);
                    let heads = [(own, *head)];
                    let durability = Durability::Durable;
                    commits.committed(topic, published.position, heads, durability);
                }
                let result = result.map(|(published, head, _)| (published, head));
                promise.keep(Outcome::Published { body, result });
            },
        );
        debug_assert!(self.is_running(who, run));
        self.give(who, job);
    }

    fn published(
        &mut self,
        who: usize,
        body: Vec<u8>,
        result: Result<(Published, Head), PublishError>,
    ) {
        let person = &mut self.people[who];
        let Some(running) = &mut person.running else {
            return;
        };
        running.is_publishing = false;
        match result {
            Ok((published, _)) => {
                let own = person.id;
                self.oracle
                    .acknowledged(who, own, published.sequence, published.id);
                while self.people[who].apply() {}
                self.publish(who);
            }
            Err(error) => {
                let mut bodies = vec![body];
                bodies.extend(running.publishing.drain(..));
                person.person.give_back(bodies);
                match error {
                    PublishError::Store(_) => self.report.failed_writes += 1,
                    PublishError::OldIncarnation if self.oracle.is_copied(who) => {
                        while self.people[who].apply() {}
                        self.publish(who);
                    }
                    error => self.oracle.breaks(format!("{who} cannot publish: {error}")),
                }
            }
        }
    }

    /// Publishes what was made of a whole log, unless the log has grown meanwhile.
    fn publish_compaction(&mut self, who: usize, (next, incarnation, body): (u64, u64, Vec<u8>)) {
        let (now_us, is_late) = (self.now_us(), self.sabotage == Some(Sabotage::CompactLate));
        let person = &self.people[who];
        let Some(running) = &person.running else {
            return;
        };
        let (topic, own) = (person.keys.topic(), person.id);
        let new = NewOperation {
            topic,
            kind: Kind::Compaction,
            incarnation,
            body,
            time_us: now_us,
            sequence: (!is_late).then_some(next),
        };
        let commits = Arc::clone(&running.commits);
        let lost = Outcome::Compacted {
            result: Err(StoreError::Closed.into()),
        };
        let promise = Promise::new(running, lost);
        let job = Job::new(
            Durability::Durable,
            move |connection, processor| publish(connection, processor, &new),
            move |result: Result<(Published, Head, _), PublishError>| {
                if let Ok((published, head, operation)) = &result {
                    commits.remember(topic, std::slice::from_ref(operation), true);
                    let durability = Durability::Durable;
                    commits.committed(topic, published.position, [(own, *head)], durability);
                }
                let result = result.map(|(published, ..)| published);
                promise.keep(Outcome::Compacted { result });
            },
        );
        self.give(who, job);
    }

    fn compacted(&mut self, who: usize, result: Result<Published, PublishError>) {
        match result {
            Ok(published) => {
                let own = self.people[who].id;
                self.oracle
                    .acknowledged(who, own, published.sequence, published.id);
                self.report.compactions += 1;
            }
            Err(PublishError::Overtaken) => {}
            Err(PublishError::Store(_)) => self.report.failed_writes += 1,
            Err(error) => self.oracle.breaks(format!("{who} cannot compact: {error}")),
        }
    }

    /// Everything is as it was when the backup was made.
    pub(super) fn restore(&mut self, who: usize) {
        if self.people[who].running.is_none() {
            return;
        }
        self.people[who].stop();
        self.forget_sessions_of(who);
        if self.people[who].restore() {
            self.oracle.restored(who, self.people[who].id);
            self.report.restored += 1;
        }
        self.after_ms(3_000, Task::Start { who });
    }

    pub(super) fn crash(&mut self, who: usize, power_cut: Option<usize>) {
        self.report.crashes += 1;
        self.people[who].crash(power_cut);
        self.forget_sessions_of(who);
        let after = self.random.between(10, 3_000);
        self.after_ms(after, Task::Start { who });
    }

    /// Everybody holds the same, and knows it.
    fn look_at_the_end(&mut self) -> Result<usize, String> {
        let all: Vec<BTreeSet<_>> = self.people.iter().map(Installation::stored).collect();
        for (who, held) in all.iter().enumerate() {
            if *held != all[0] {
                return Err(format!(
                    "{who} holds {} operations and 0 holds {}",
                    held.len(),
                    all[0].len()
                ));
            }
        }
        self.oracle.acknowledged_are_in(&all[0])?;
        let mut states = Vec::new();
        for who in 0..self.people.len() {
            while self.people[who].apply() {}
            self.check(who);
            if self.people[who].keys.read_key().is_some() {
                states.push(self.people[who].person.state());
                let said = self.people[who].person.said();
                self.oracle.all_was_kept(who, &said)?;
            }
        }
        if let Some(broken) = self.oracle.broken.take() {
            return Err(broken);
        }
        if states.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err("the same operations lead to different states".into());
        }
        self.all_are_in_step()?;
        Ok(all[0].len())
    }
}

/// What came from others is not waited for: it may be fetched again.
const DURABILITY: Durability = Durability::Refetchable;

/// Hands verified operations to the writing thread.
pub(super) fn store_job<P: Person>(
    person: &Installation<P>,
    end: u64,
    batch: Vec<Verified>,
) -> Option<Job<crate::pipeline::Processor>> {
    let running = person.running.as_ref()?;
    let (keys, topic) = (person.keys.clone(), person.keys.topic());
    let commits = Arc::clone(&running.commits);
    let lost = Outcome::Stored {
        end,
        result: Err(StoreError::Closed),
    };
    let promise = Promise::new(running, lost);
    Some(Job::new(
        DURABILITY,
        move |connection, processor| crate::pipeline::ingest(connection, processor, &keys, batch),
        move |result: Result<_, StoreError>| {
            if let Ok(ingested) = &result {
                crate::sync::driver::announce_heights(&commits, topic, ingested, DURABILITY);
            }
            promise.keep(Outcome::Stored { end, result });
        },
    ))
}

/// A folder of its own, in memory where there is one for that.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let mut number = [0; 8];
        // Two simulations of one seed may run side by side, so this does not come from the seed.
        getrandom::fill(&mut number).unwrap();
        let path = parent.join(format!(
            "reflection-simulation-{}",
            crate::hex::encode(&number)
        ));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
