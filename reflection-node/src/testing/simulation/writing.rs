// SPDX-License-Identifier: GPL-3.0-or-later
//! What people write is published, and their logs are made short.

use std::sync::{Arc, PoisonError};

use super::jobs::{Outcome, Promise};
use super::world::World;
use super::{Person, Sabotage};
use crate::operation::Kind;
use crate::pipeline::{NewOperation, PublishError, Published, publish};
use crate::store::{Durability, Job, StoreError};
use crate::sync::heights::Head;

impl<P: Person> World<P> {
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

    pub(super) fn published(
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
                    PublishError::Store(_) => self.count().failed_writes += 1,
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
    pub(super) fn publish_compaction(
        &mut self,
        who: usize,
        (next, incarnation, body): (u64, u64, Vec<u8>),
    ) {
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

    pub(super) fn compacted(&mut self, who: usize, result: Result<Published, PublishError>) {
        match result {
            Ok(published) => {
                let own = self.people[who].id;
                self.oracle
                    .acknowledged(who, own, published.sequence, published.id);
                self.count().compactions += 1;
            }
            Err(PublishError::Overtaken) => {}
            Err(PublishError::Store(_)) => self.count().failed_writes += 1,
            Err(error) => self.oracle.breaks(format!("{who} cannot compact: {error}")),
        }
    }
}
