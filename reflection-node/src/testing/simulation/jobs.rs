// SPDX-License-Identifier: GPL-3.0-or-later
//! Work of sessions for the writing threads.

use std::sync::Arc;

use super::Person;
use super::installation::{Installation, Outcome, Promise};
use crate::identity::VerifyingKeys;
use crate::operation::{ForkProof, Operation};
use crate::pipeline::{Evidence, Mended, Processor, Verified, examine, keep, mend, verify_batch};
use crate::store::forms::Form;
use crate::store::{Durability, Job, StoreError};

/// What came from others is not waited for: it may be fetched again.
const DURABILITY: Durability = Durability::Refetchable;

/// Hands verified operations to the writing thread.
pub(super) fn store_job<P: Person>(
    person: &Installation<P>,
    end: u64,
    batch: Vec<Verified>,
) -> Option<Job<Processor>> {
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

/// Hands what is said of other logs to the writing thread.
pub(super) fn examine_job<P: Person>(
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
pub(super) fn mend_job<P: Person>(
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
                if let Some((position, head)) = mended.head {
                    commits.committed(topic, position, [(own, head)], Durability::Durable);
                }
            }
            promise.keep(Outcome::Mended { end, result });
        },
    ))
}

/// Hands a form of somebody's log to the writing thread.
pub(super) fn keep_job<P: Person>(
    person: &Installation<P>,
    end: u64,
    form: Form,
    log: Vec<Operation>,
) -> Option<Job<Processor>> {
    let running = person.running.as_ref()?;
    let (keys, topic) = (person.keys.clone(), person.keys.topic());
    let (verified, _) = verify_batch(&keys, &mut VerifyingKeys::default(), log);
    let commits = Arc::clone(&running.commits);
    let lost = Outcome::Kept {
        end,
        result: Err(StoreError::Closed),
    };
    let promise = Promise::new(running, lost);
    Some(Job::new(
        Durability::Refetchable,
        move |connection, processor| keep(connection, processor, &keys, &form, verified),
        move |result: Result<Option<Vec<Form>>, StoreError>| {
            if let Ok(Some(forms)) = &result {
                commits.kept(topic, forms);
            }
            promise.keep(Outcome::Kept { end, result });
        },
    ))
}
