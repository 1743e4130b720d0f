// SPDX-License-Identifier: GPL-3.0-or-later
//! Work of sessions for the writing threads, and what becomes of work.

use std::sync::{Arc, Mutex, PoisonError};

use super::Person;
use super::installation::{Installation, Running, Seat};
use crate::access::{DocumentKeys, TopicId};
use crate::identity::VerifyingKeys;
use crate::operation::{ForkProof, Operation};
use crate::pipeline::{
    Evidence, Ingested, Mended, Processor, PublishError, Published, Verified, examine, ingest,
    mend, verify_batch,
};
use crate::store::{Durability, Job, StoreError};
use crate::sync::driver::announce_heights;
use crate::sync::heights::Head;

/// What came from others is not waited for: it may be fetched again.
const DURABILITY: Durability = Durability::Refetchable;

/// What became of a job, for whoever waits for it.
pub(super) enum Outcome {
    Stored {
        end: u64,
        result: Result<Ingested, StoreError>,
    },
    Published {
        seat: Seat,
        body: Vec<u8>,
        result: Result<(Published, Head), PublishError>,
    },
    Compacted {
        seat: Seat,
        result: Result<Published, PublishError>,
    },
    Examined {
        end: u64,
        result: Result<(), StoreError>,
    },
    Mended {
        end: u64,
        result: Result<Mended, StoreError>,
    },
}

/// Brings the outcome of a job to whoever waits, also if the job never runs because the
/// transaction came to an end before.
pub(super) struct Promise {
    outcomes: Arc<Mutex<Vec<Outcome>>>,
    unkept: Option<Outcome>,
}

impl Promise {
    pub(super) fn new(running: &Running, unkept: Outcome) -> Self {
        Self {
            outcomes: Arc::clone(&running.outcomes),
            unkept: Some(unkept),
        }
    }

    pub(super) fn keep(mut self, outcome: Outcome) {
        self.unkept = Some(outcome);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.extend(self.unkept.take());
    }
}

fn keys_of<P: Person>(person: &Installation<P>, document: usize) -> (DocumentKeys, TopicId) {
    let keys = person.keys(document).clone();
    let topic = keys.topic();
    (keys, topic)
}

/// Hands verified operations to the writing thread.
pub(super) fn store_job<P: Person>(
    person: &Installation<P>,
    document: usize,
    end: u64,
    batch: Vec<Verified>,
) -> Option<Job<Processor>> {
    let running = person.running.as_ref()?;
    let (keys, topic) = keys_of(person, document);
    let commits = Arc::clone(&running.commits);
    let lost = Outcome::Stored {
        end,
        result: Err(StoreError::Closed),
    };
    let promise = Promise::new(running, lost);
    Some(Job::new(
        DURABILITY,
        move |connection, processor| ingest(connection, processor, &keys, batch),
        move |result: Result<_, StoreError>| {
            if let Ok(ingested) = &result {
                announce_heights(&commits, topic, ingested, DURABILITY);
            }
            promise.keep(Outcome::Stored { end, result });
        },
    ))
}

/// Hands what is said of other logs to the writing thread.
pub(super) fn examine_job<P: Person>(
    person: &Installation<P>,
    document: usize,
    end: u64,
    evidence: Vec<Evidence>,
) -> Option<Job<Processor>> {
    let running = person.running.as_ref()?;
    let (keys, topic) = keys_of(person, document);
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
pub(super) fn mend_job<P: Person>(
    person: &Installation<P>,
    document: usize,
    end: u64,
    branch: Vec<Operation>,
) -> Option<Job<Processor>> {
    let running = person.running.as_ref()?;
    let ((keys, topic), own) = (keys_of(person, document), person.id);
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
