// SPDX-License-Identifier: GPL-3.0-or-later
//! Clock, queue of what is due, and the installations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::deeds::Deeds;
use super::files::Folder;
use super::installation::{Installation, Part, Seat};
use super::jobs::Outcome;
use super::links::Links;
use super::oracle::Oracle;
use super::talk::Talks;
use super::{Person, Report, Sabotage};
use crate::access::{DocumentKeys, DocumentSecret};
use crate::identity::AuthorKey;
use crate::network::{Action, Held};
use crate::operation::Operation;
use crate::sync::heights::Head;
use crate::sync::session::Request;
use crate::testing::Random;
use crate::testing::random::set_simulated_now_us;

/// Installations in a schedule.
const PEOPLE_MIN: usize = 3;
const PEOPLE_MAX: usize = 7;
/// Documents in a schedule.
pub(super) const DOCUMENTS_MAX: usize = 3;
/// Steps after which a schedule that does not come to rest has gone wrong.
const STEPS_MAX: u64 = 200_000;
/// How long trouble lasts after the last thing that anybody did.
const TROUBLE: Duration = Duration::from_secs(90);
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
        seat: Seat,
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
    /// The hello of a connection has arrived.
    Greeted {
        side: u64,
    },
    /// A side of a connection looks up.
    Attend {
        side: u64,
    },
    /// The same, because it is time to.
    Due {
        side: u64,
    },
    /// The store has been asked what is held.
    Held {
        side: u64,
        action: Action,
        held: Vec<Held>,
    },
    /// Bytes of a control stream arrive.
    Control {
        side: u64,
        bytes: Vec<u8>,
    },
    /// A side notices that its connection is gone.
    Lost {
        side: u64,
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
            Self::Compact { seat, .. } => (11, seat.who as u64),
            Self::Compare { end, .. } => (12, *end),
            Self::Greeted { side } => (13, *side),
            Self::Attend { side } => (14, *side),
            Self::Due { side } => (15, *side),
            Self::Held { side, .. } => (16, *side),
            Self::Control { side, .. } => (17, *side),
            Self::Lost { side } => (18, *side),
        }
    }
}

/// Everything there is.
pub(super) struct World<P> {
    pub(super) random: Random,
    pub(super) now: Duration,
    /// When it began, for machines that ask for such a time.
    beginning: Instant,
    queue: BTreeMap<(Duration, u64), Task>,
    queued: u64,
    pub(super) people: Vec<Installation<P>>,
    pub(super) links: Links,
    pub(super) talks: Talks,
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
        let documents = random.between(1, DOCUMENTS_MAX);
        let owners: Vec<DocumentKeys> = (0..documents)
            .map(|_| DocumentKeys::for_writing(DocumentSecret::from_bytes(random.array())))
            .collect();
        let count = PEOPLE_MIN
            + random
                .below(3)
                .min(random.below(PEOPLE_MAX - PEOPLE_MIN + 1));
        let people = (0..count)
            .map(|who| {
                let key = AuthorKey::from_bytes(&random.array());
                let owners = owners.iter().enumerate();
                let parts = owners.filter_map(|(document, owner)| {
                    let part =
                        Self::draw_part(&mut random, Seat { who, document }, owner, &mut person);
                    Some((document, part?))
                });
                let parts = parts.collect();
                Installation::new(who, key, parts, folder.path())
            })
            .collect();
        let deeds = Deeds::new(&mut random);
        let mut world = Self {
            random,
            now: Duration::ZERO,
            beginning: Instant::now(),
            queue: BTreeMap::new(),
            queued: 0,
            people,
            links: Links::default(),
            talks: Talks::default(),
            oracle: Oracle::default(),
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

    /// What somebody has to do with a document: all with the first one, some with the others.
    fn draw_part(
        random: &mut Random,
        seat: Seat,
        owner: &DocumentKeys,
        person: &mut impl FnMut() -> P,
    ) -> Option<Part<P>> {
        let is_first = seat.document == 0;
        if !is_first && random.percent(35) {
            return None;
        }
        // The first two write; others may be able to read only, or not even that.
        let keys = match random.below(10) {
            8 if seat.who > 1 => owner.to_reading(),
            9 if seat.who > 1 => Some(owner.to_replica()),
            _ => None,
        };
        Some(Part {
            keys: keys.unwrap_or_else(|| owner.clone()),
            person: person(),
            // Some are joined later, while connections stand.
            is_joined: is_first || random.percent(60),
        })
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
        self.settle(true)?;
        self.mend();
        self.settle(false)?;
        self.connect_all();
        self.oracle.is_calm = true;
        self.settle(false)?;
        let operations = self.look_at_the_end()?;
        self.report.operations = operations;
        Ok(())
    }

    /// Goes on until nothing is due any more, or until what is not mended has lasted for a while:
    /// what fails for as long as a disk is full is tried again for as long.
    fn settle(&mut self, is_troubled: bool) -> Result<(), String> {
        while let Some(((when, number), task)) = self.queue.pop_first() {
            let mending = self.deeds.over().filter(|_| is_troubled);
            if mending.is_some_and(|over| when > over + TROUBLE) {
                self.queue.insert((when, number), task);
                break;
            }
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
                for seat in self.seats_of(who) {
                    while self.people[who].apply(seat.document) {}
                }
            }
            Task::Outcome { who, run, outcome } if self.is_running(who, run) => {
                self.finish(*outcome);
            }
            Task::Turn { end } => self.turn(end),
            Task::Verify { end, batch } => self.verify(end, batch),
            Task::Compact { seat, run, made } if self.is_running(seat.who, run) => {
                self.publish_compaction(seat, made);
            }
            Task::Compare { end, head } => self.compare(end, head),
            Task::Read { end, requests } => self.read(end, &requests),
            Task::Deliver { end, bytes } => self.deliver(end, &bytes),
            Task::Gone { end, reason } => self.end(end, reason),
            Task::Expire { end } => self.expire(end),
            Task::Greeted { side } => self.greeted(side),
            Task::Attend { side } => self.attend(side),
            Task::Due { side } => self.due(side),
            Task::Held { side, action, held } => self.held(side, action, held),
            Task::Control { side, bytes } => self.hear(side, &bytes),
            Task::Lost { side } => self.lose(side),
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

    /// The time for machines that ask for it so.
    pub(super) fn instant(&self) -> Instant {
        self.beginning + self.now
    }

    /// Looks at a connection again at that time.
    pub(super) fn when_due(&mut self, due: Instant, side: u64) {
        let when = due.saturating_duration_since(self.beginning);
        self.at(when, Task::Due { side });
    }

    /// Everybody holds the same, and knows it.
    fn look_at_the_end(&mut self) -> Result<usize, String> {
        let mut operations = 0;
        for document in 0..DOCUMENTS_MAX {
            operations += self.look_at_document(document)?;
        }
        for who in 0..self.people.len() {
            self.check(who);
        }
        if let Some(broken) = self.oracle.broken.take() {
            return Err(broken);
        }
        self.all_is_talked_about()?;
        self.all_are_in_step()?;
        Ok(operations)
    }

    fn look_at_document(&mut self, document: usize) -> Result<usize, String> {
        let people = 0..self.people.len();
        let there: Vec<usize> = people
            .filter(|who| self.people[*who].has_joined(document))
            .collect();
        let all: Vec<BTreeSet<_>> = there
            .iter()
            .map(|who| self.people[*who].stored(document))
            .collect();
        let Some(first) = all.first() else {
            return Ok(0);
        };
        for (who, held) in there.iter().zip(&all) {
            if held != first {
                return Err(format!(
                    "{who} holds {} operations of document {document} and {} holds {}",
                    held.len(),
                    there[0],
                    first.len()
                ));
            }
        }
        self.oracle.acknowledged_are_in(document, first)?;
        let mut states = Vec::new();
        for who in there {
            while self.people[who].apply(document) {}
            let Some(part) = self.people[who].parts.get_mut(&document) else {
                continue;
            };
            if part.keys.read_key().is_some() {
                states.push(part.person.state());
                let said = part.person.said();
                self.oracle.all_was_kept(Seat { who, document }, &said)?;
            }
        }
        if states.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err("the same operations lead to different states".into());
        }
        Ok(first.len())
    }
}
