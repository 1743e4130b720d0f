// SPDX-License-Identifier: GPL-3.0-or-later
//! What people write is published, and their logs are made short.

use std::sync::{Arc, PoisonError};

use super::installation::Seat;
use super::jobs::{Outcome, Promise};
use super::world::World;
use super::{Person, Sabotage};
use crate::operation::Kind;
use crate::pipeline::{NewOperation, PublishError, Published, publish};
use crate::store::{Durability, Job, StoreError};
use crate::sync::heights::Head;

impl<P: Person> World<P> {
    /// Publishes what somebody wrote, one body after the other.
    pub(super) fn publish(&mut self, seat: Seat) {
        let Seat { who, document } = seat;
        let now_us = self.now_us();
        let sabotage = self.sabotage;
        let person = &mut self.people[who];
        let own = person.id;
        let (Some(running), Some(part)) = (&mut person.running, person.parts.get_mut(&document))
        else {
            return;
        };
        let Some(open) = running.open.get_mut(&document) else {
            return;
        };
        if open.is_publishing {
            return;
        }
        if open.publishing.is_empty() {
            open.publishing = part.person.take_changes().into();
        }
        let Some(body) = open.publishing.pop_front() else {
            return;
        };
        open.is_publishing = true;
        let topic = part.keys.topic();
        let new = NewOperation {
            topic,
            kind: Kind::Edit,
            incarnation: open.incarnation,
            body: body.clone(),
            time_us: now_us,
            sequence: None,
        };
        let commits = Arc::clone(&running.commits);
        let lost = Outcome::Published {
            seat,
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
                    early.push((seat, published.id));
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
                promise.keep(Outcome::Published { seat, body, result });
            },
        );
        self.give(who, job);
    }

    pub(super) fn published(
        &mut self,
        seat: Seat,
        body: Vec<u8>,
        result: Result<(Published, Head), PublishError>,
    ) {
        let Seat { who, document } = seat;
        let person = &mut self.people[who];
        let own = person.id;
        let (Some(running), Some(part)) = (&mut person.running, person.parts.get_mut(&document))
        else {
            return;
        };
        let Some(open) = running.open.get_mut(&document) else {
            return;
        };
        open.is_publishing = false;
        match result {
            Ok((published, _)) => {
                self.oracle
                    .acknowledged(seat, own, published.sequence, published.id);
                while self.people[who].apply(document) {}
                self.publish(seat);
            }
            Err(error) => {
                let mut bodies = vec![body];
                bodies.extend(open.publishing.drain(..));
                part.person.give_back(bodies);
                match error {
                    PublishError::Store(_) => self.count().failed_writes += 1,
                    PublishError::OldIncarnation if self.oracle.is_copied(who) => {
                        while self.people[who].apply(document) {}
                        self.publish(seat);
                    }
                    error => self
                        .oracle
                        .breaks(format!("{seat} cannot publish: {error}")),
                }
            }
        }
    }

    /// Publishes what was made of a whole log, unless the log has grown meanwhile.
    pub(super) fn publish_compaction(
        &mut self,
        seat: Seat,
        (next, incarnation, body): (u64, u64, Vec<u8>),
    ) {
        let (now_us, is_late) = (self.now_us(), self.sabotage == Some(Sabotage::CompactLate));
        let person = &self.people[seat.who];
        let Some(running) = &person.running else {
            return;
        };
        let (topic, own) = (person.keys(seat.document).topic(), person.id);
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
            seat,
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
                promise.keep(Outcome::Compacted { seat, result });
            },
        );
        self.give(seat.who, job);
    }

    pub(super) fn compacted(&mut self, seat: Seat, result: Result<Published, PublishError>) {
        match result {
            Ok(published) => {
                let own = self.people[seat.who].id;
                self.oracle
                    .acknowledged(seat, own, published.sequence, published.id);
                self.count().compactions += 1;
            }
            Err(PublishError::Overtaken) => {}
            Err(PublishError::Store(_)) => self.count().failed_writes += 1,
            Err(error) => self
                .oracle
                .breaks(format!("{seat} cannot compact: {error}")),
        }
    }
}
