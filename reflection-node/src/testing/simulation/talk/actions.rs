// SPDX-License-Identifier: GPL-3.0-or-later
//! What a session asks for is done, and it is told what came of it.

use crate::events::Event;
use crate::identity::VerifyingKeys;
use crate::operation::Operation;
use crate::pipeline::{Ingested, Mended, verify_batch};
use crate::store::peers::Confirmed;
use crate::store::{Durability, Job, StoreError, operations, peers};
use crate::sync::driver::is_forked;
use crate::sync::exchange::Action;
use crate::sync::heights::Head;
use crate::sync::session::Request;
use crate::testing::simulation::installation::Seat;
use crate::testing::simulation::jobs::{examine_job, mend_job, store_job};
use crate::testing::simulation::world::{Task, World};
use crate::testing::simulation::{Person, Sabotage};

impl<P: Person> World<P> {
    pub(super) fn carry_out(&mut self, number: u64, action: Action) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        let (seat, with, remote) = (end.seat, end.with, end.remote);
        let Seat { who, document } = seat;
        let there = Seat {
            who: with,
            document,
        };
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
                if let Some(job) = store_job(&self.people[who], document, number, batch) {
                    self.give(who, job);
                }
            }
            Action::Status(status) => {
                end.status = Some(status);
                if status.is_in_step {
                    let ours = self.people[who].held(document, status.position);
                    if !self.oracle.has_held(there, &ours) {
                        self.oracle
                            .breaks(format!("{seat} claims falsely that {with} has all"));
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
                if !self.oracle.has_held(seat, &theirs) {
                    self.oracle
                        .breaks(format!("{seat} finished early with {with}"));
                }
            }
            Action::Examine(evidence) => {
                if let Some(job) = examine_job(&self.people[who], document, number, evidence) {
                    self.give(who, job);
                }
            }
            Action::Compare(head) => self.after_ms(10, Task::Compare { end: number, head }),
            Action::Mend(_) if self.sabotage == Some(Sabotage::SkipMending) => {
                end.exchange.mended(true);
            }
            Action::Mend(branch) => {
                if let Some(job) = mend_job(&self.people[who], document, number, branch) {
                    self.give(who, job);
                }
            }
            Action::Emit(_) => {}
            Action::Confirm(confirmed) => self.confirm(seat, with, confirmed),
        }
    }

    pub(super) fn confirm(&mut self, seat: Seat, with: usize, confirmed: Confirmed) {
        let Seat { who, document } = seat;
        let own = self.people[who].id;
        let ours = self.people[who].operations(document);
        let confirmed_ids = ours
            .filter(|placed| placed.author == own && placed.sequence < confirmed.own)
            .map(|placed| placed.id)
            .collect();
        let there = Seat {
            who: with,
            document,
        };
        if !self.oracle.has_held(there, &confirmed_ids) {
            self.oracle
                .breaks(format!("{seat} writes down what {with} never had"));
        }
        let peer = self.people[with].id;
        let Some(row) = self.people[who].open(document).map(|open| open.row) else {
            return;
        };
        let job = Job::new(
            Durability::Refetchable,
            move |connection, _| peers::confirm(connection, row, &peer, confirmed),
            |_: Result<(), StoreError>| {},
        );
        self.give(who, job);
    }

    pub(in crate::testing::simulation) fn compare(&mut self, number: u64, head: Head) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        let person = &self.people[end.seat.who];
        let (Some(running), Some(open)) = (&person.running, person.open(end.seat.document)) else {
            return;
        };
        let connection = &running.committer.connection;
        let is_forked = is_forked(connection, open.row, &person.id, &head).unwrap();
        end.exchange.compared(is_forked);
        self.act(number);
    }

    pub(in crate::testing::simulation) fn examined(
        &mut self,
        number: u64,
        result: Result<(), StoreError>,
    ) {
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

    pub(in crate::testing::simulation) fn mended(
        &mut self,
        number: u64,
        result: Result<Mended, StoreError>,
    ) {
        let is_joined = result.as_ref().is_ok_and(|mended| !mended.is_unjoined);
        // It happened to the log, whether or not the session is still there.
        match result {
            Ok(mended) => self.count().mended += u64::from(mended.head.is_some()),
            Err(_) => self.count().failed_writes += 1,
        }
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        end.exchange.mended(is_joined);
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

    pub(in crate::testing::simulation) fn verify(&mut self, number: u64, batch: Vec<Operation>) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        let (verified, refused) = verify_batch(
            self.people[end.seat.who].keys(end.seat.document),
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

    pub(in crate::testing::simulation) fn read(&mut self, number: u64, requests: &[Request]) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        let Seat { who, document } = end.seat;
        let person = &self.people[who];
        let (Some(running), Some(open)) = (&person.running, person.open(document)) else {
            return;
        };
        let topic = person.keys(document).topic();
        let recent = running.commits.recent(&topic, requests);
        let found = recent.map_or_else(
            || operations::ranges(&running.committer.connection, open.row, requests),
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
                document,
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

    pub(in crate::testing::simulation) fn stored(
        &mut self,
        number: u64,
        result: Result<Ingested, StoreError>,
    ) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        match result {
            Ok(ingested) => {
                let who = end.seat.who;
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
}
