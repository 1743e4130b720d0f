// SPDX-License-Identifier: GPL-3.0-or-later
//! Clock, queue of what is due, and the installations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::deeds::Deeds;
use super::files::Folder;
use super::installation::Installation;
use super::jobs::Outcome;
use super::oracle::Oracle;
use super::quiet::{Quiet, Summary};
use super::talk::Talks;
use super::{Person, Report, Sabotage};
use crate::access::{DocumentKeys, DocumentSecret};
use crate::identity::AuthorKey;
use crate::operation::Operation;
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
    /// Of everything that happened.
    pub(super) trace: blake3::Hasher,
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
