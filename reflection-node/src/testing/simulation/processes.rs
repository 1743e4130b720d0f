// SPDX-License-Identifier: GPL-3.0-or-later
//! Processes of installations: they start, their writing threads commit, they crash.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::installation::Seat;
use super::jobs::Outcome;
use super::world::{Task, World};
use super::{Person, Sabotage};
use crate::pipeline::Processor;
use crate::store::operations::Position;
use crate::store::{Durability, Job, StoreError, storage};

impl<P: Person> World<P> {
    pub(super) fn start(&mut self, who: usize) {
        if self.people[who].running.is_some() {
            return;
        }
        let now_us = self.now_us();
        self.people[who].start(now_us, self.sabotage);
        self.people[who].look();
        for seat in self.seats_of(who) {
            let person = &mut self.people[who];
            let stored: Vec<_> = person.operations(seat.document).copied().collect();
            let said = person.said(seat.document);
            let is_restored = self.oracle.is_fresh_copy(seat);
            self.oracle.started(seat, &stored, &said);
            if is_restored {
                // Before anybody can tell what was forgotten: the log goes on in two ways then.
                self.write(seat);
            }
        }
        self.check(who);
    }

    /// Somebody at each of the documents that they have joined.
    pub(super) fn seats_of(&self, who: usize) -> Vec<Seat> {
        let joined = self.people[who].joined();
        joined.map(|document| Seat { who, document }).collect()
    }

    /// Somebody begins to take part in a document.
    pub(super) fn join(&mut self, seat: Seat) {
        let Seat { who, document } = seat;
        let now_us = self.now_us();
        let person = &mut self.people[who];
        let is_new = person.parts.contains_key(&document) && !person.has_joined(document);
        if is_new && person.running.is_some() && !person.is_disk_full {
            person.join(document, now_us);
            self.documents_changed(seat);
        }
    }

    /// Gives work to the writing thread of somebody.
    pub(super) fn give(&mut self, who: usize, job: Job<Processor>) {
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

    pub(super) fn commit(&mut self, who: usize) {
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
        let mut grown = BTreeSet::new();
        for placed in self.people[who].look() {
            let document = placed.document;
            self.trace.update(placed.id.as_bytes());
            self.oracle.committed(Seat { who, document }, placed);
            grown.insert(document);
        }
        self.check(who);
        self.grew(who, &grown);
        self.wake_sessions_of(who);
    }

    /// Looks at what the application of somebody made of the operations.
    pub(super) fn check(&mut self, who: usize) {
        let person = &self.people[who];
        if let Some(running) = &person.running
            && let Some(part) = person.parts.values().next()
            && let Err(what) = part.person.check(&running.committer.connection)
        {
            self.oracle.breaks(format!("at {who}: {what}"));
        }
    }

    pub(super) fn finish(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Stored { end, result } => self.stored(end, result),
            Outcome::Published { seat, body, result } => self.published(seat, body, result),
            Outcome::Compacted { seat, result } => self.compacted(seat, result),
            Outcome::Examined { end, result } => self.examined(end, result),
            Outcome::Mended { end, result } => self.mended(end, result),
        }
    }

    /// Everything is as it was when the backup was made.
    pub(super) fn restore(&mut self, who: usize) {
        if self.people[who].running.is_none() {
            return;
        }
        self.people[who].stop();
        self.forget_links_of(who);
        if self.people[who].restore() {
            let (id, seats) = (self.people[who].id, self.seats_of(who));
            self.oracle.restored(id, seats.into_iter());
            self.count().restored += 1;
        }
        self.after_ms(3_000, Task::Start { who });
    }

    pub(super) fn crash(&mut self, who: usize, power_cut: Option<usize>) {
        self.count().crashes += 1;
        self.people[who].crash(power_cut);
        self.forget_links_of(who);
        let after = self.random.between(10, 3_000);
        self.after_ms(after, Task::Start { who });
    }
}
