// SPDX-License-Identifier: GPL-3.0-or-later
//! Operations received from a peer.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::Connection;

use super::forks::note;
use super::steps::STEPS;
use super::{Delivery, History, Processed, Processor, Refusal};
use crate::access::{BodyContext, DocumentKeys, decrypt_body};
use crate::identity::{AuthorId, VerifyingKeys};
use crate::operation::{ForkProof, Kind, Operation, OperationError};
use crate::replication::quota::Room;
use crate::store::StoreError;
use crate::store::documents::{self, StoredDocument};
use crate::store::forks;
use crate::store::operations::{self, Position, State};
use crate::sync::heights::{AUTHORS_MAX, Head};

/// Most logs of others in a document; one place is our own's.
const LOGS_MAX: usize = AUTHORS_MAX - 1;

/// An operation whose signature, proof and seal have been checked.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) operation: Operation,
    /// The opened body, where it can be read here.
    pub(crate) body: Option<Vec<u8>>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Ingested {
    /// The last position given, if any.
    pub(crate) position: Option<Position>,
    /// The new ends of the logs that grew.
    pub(crate) heads: BTreeMap<AuthorId, Head>,
    /// What was accepted, in order, for those who send it on.
    pub(crate) stored: Vec<Arc<Operation>>,
    /// Operations accepted, by author.
    pub(crate) accepted: BTreeMap<AuthorId, u64>,
    /// Refused operations and why.
    pub(crate) refused: Vec<(AuthorId, String)>,
    /// From where on which logs are not wanted, because of these and of earlier refusals.
    pub(crate) declined: BTreeMap<AuthorId, u64>,
    /// Authors whose logs were opened anew.
    pub(crate) opened: BTreeSet<AuthorId>,
    /// Places at which a log of somebody else goes on in two ways.
    pub(crate) forks: Vec<(AuthorId, u64)>,
    /// Proofs of that which are new.
    pub(crate) proofs: Vec<ForkProof>,
    /// Whether a peer holds our own log in another form.
    pub(crate) is_own_forked: bool,
    /// Our new incarnation, where our own operations came back to us.
    pub(crate) incarnation: Option<u64>,
    /// Operations whose predecessors are not here. They wait, as far as there is room.
    pub(crate) early: u64,
    /// Authors of whom nothing more is taken in this session.
    pub(crate) stuck: BTreeSet<AuthorId>,
    /// Whether there was no room for something that is kept for others.
    pub(crate) is_full: bool,
}

/// Checks everything about operations that needs no order: signature, right to write, seal.
/// Costs some 30 µs each; runs beside the writing thread.
pub(crate) fn verify_batch(
    keys: &DocumentKeys,
    authors: &mut VerifyingKeys,
    operations: Vec<Operation>,
) -> (Vec<Verified>, Vec<(AuthorId, OperationError)>) {
    let mut verified = Vec::with_capacity(operations.len());
    let mut refused = Vec::new();
    for operation in operations {
        let author = operation.author();
        let candidate = Verified {
            operation,
            body: None,
        };
        let passed = STEPS.iter().try_fold(candidate, |candidate, step| {
            step.pass(keys, authors, candidate)
        });
        match passed {
            Ok(candidate) => verified.push(candidate),
            Err(error) => refused.push((author, error)),
        }
    }
    (verified, refused)
}

/// Stores and processes a batch; runs on the writing thread, in its transaction.
pub(crate) fn ingest(
    connection: &Connection,
    processor: &mut Processor,
    keys: &DocumentKeys,
    batch: Vec<Verified>,
) -> Result<Ingested, StoreError> {
    let mut ingested = Ingested::default();
    let Some(document) = documents::find(connection, &keys.topic())? else {
        return Ok(ingested);
    };
    let mut room = Room::of(connection, document.row)?;
    for verified in batch {
        let author = verified.operation.author();
        let mut next = Some(verified);
        while let Some(verified) = next.take() {
            if !room.take(verified.operation.len_bytes())
                && !replaces(connection, &document, &verified.operation)?
            {
                // Not refused: it is taken once there is room.
                ingested.is_full = true;
                ingested.stuck.insert(author);
                continue;
            }
            if take(connection, processor, &document, verified, &mut ingested)? {
                // What came too early may go on from here.
                let end = ingested.heads.get(&author).map_or(0, |head| head.next);
                next = processor.early.take(document.row, author, end);
            }
        }
    }
    if ingested.accepted.contains_key(&processor.key.id()) {
        // What we wrote once and have forgotten. An open text may count on from where we thought
        // to be, so that from here on it counts under another name.
        ingested.incarnation = Some(forks::renew_incarnation(connection, &document)?);
    }
    ingested.is_full |= room.is_used_up();
    Ok(ingested)
}

/// Whether an operation takes the place of others, so that it makes room rather than takes it.
fn replaces(
    connection: &Connection,
    document: &StoredDocument,
    operation: &Operation,
) -> Result<bool, StoreError> {
    if operation.header().kind != Kind::Compaction {
        return Ok(false);
    }
    let author_row = operations::find_author_row(connection, &operation.author())?;
    Ok(match author_row {
        Some(row) => operations::head(connection, document.row, row)?.is_some(),
        None => false,
    })
}

/// Where an operation stands towards the log it belongs to.
enum Place {
    /// It goes on where the log ends, or opens it anew.
    Next,
    Known,
    Fork,
    Early,
}

fn place(
    connection: &Connection,
    document: &StoredDocument,
    author_row: Option<i64>,
    head: Option<&Head>,
    operation: &Operation,
) -> Result<Place, StoreError> {
    let (next, head_id) = head.map_or((0, None), |head| (head.next, Some(head.id)));
    let header = operation.header();
    if header.sequence >= next && header.kind == Kind::Compaction {
        // It stands for all that came before, so that none of it has to be here.
        return Ok(Place::Next);
    }
    if header.sequence > next {
        return Ok(Place::Early);
    }
    if header.sequence == next {
        return Ok(if header.backlink == head_id {
            Place::Next
        } else {
            Place::Fork
        });
    }
    // What lies below the opening of a log is known by it, and cannot be compared any more.
    let known = match author_row {
        Some(row) => operations::id_at(connection, document.row, row, header.sequence)?,
        None => None,
    };
    Ok(if known.is_some_and(|id| id != operation.id()) {
        Place::Fork
    } else {
        Place::Known
    })
}

/// Takes one operation, if it can be taken now. Gives whether it was.
fn take(
    connection: &Connection,
    processor: &mut Processor,
    document: &StoredDocument,
    verified: Verified,
    ingested: &mut Ingested,
) -> Result<bool, StoreError> {
    let operation = &verified.operation;
    let (author, sequence) = (operation.author(), operation.header().sequence);
    let author_row = operations::find_author_row(connection, &author)?;
    let head = match author_row {
        Some(author_row) => operations::head(connection, document.row, author_row)?,
        None => None,
    };
    match place(connection, document, author_row, head.as_ref(), operation)? {
        Place::Known => return Ok(false),
        Place::Early => {
            ingested.early += 1;
            if !processor.early.put(document.row, verified) {
                // The rest of the log is fetched again by the next session.
                ingested.stuck.insert(author);
            }
            return Ok(false);
        }
        Place::Fork if author == processor.key.id() => {
            ingested.is_own_forked = true;
            return Ok(false);
        }
        Place::Fork => {
            processor.early.forget_log(document.row, author);
            ingested.forks.push((author, sequence));
            let here = operations::range(connection, document.row, &author, sequence, 1)?;
            let proof = here.first().and_then(|here| {
                ForkProof::new(
                    here.header_bytes().to_vec(),
                    operation.header_bytes().to_vec(),
                )
            });
            if let Some(proof) = proof
                && note(connection, document, &proof)?
            {
                ingested.proofs.push(proof);
            }
            return Ok(false);
        }
        Place::Next => {}
    }
    // Whether it takes the place of a branch that it does not go on from.
    let is_other_branch = head.is_some_and(|head| {
        operation.header().kind == Kind::Compaction && operation.header().backlink != Some(head.id)
    });
    if is_other_branch && author == processor.key.id() {
        ingested.is_own_forked = true;
        return Ok(false);
    }
    let is_rewritten = is_rewritten(connection, document, head.as_ref(), operation)?;
    if operations::is_refused(connection, &operation.id())? {
        ingested.declined.entry(author).or_insert(sequence);
        return Ok(false);
    }
    if head.is_none() && operations::log_count(connection, document.row)? >= LOGS_MAX {
        let reason = "the document has too many authors";
        refuse(connection, document, operation, reason, ingested)?;
        return Ok(false);
    }
    // Only now: an operation that is not taken leaves no trace of its author.
    let author_row = operations::author_row(connection, &author)?;
    connection.execute_batch("SAVEPOINT operation")?;
    match store_and_process(connection, processor, document, author_row, &verified) {
        Ok(position) => {
            connection.execute_batch("RELEASE operation")?;
            let mut base = head.map_or(0, |head| head.base);
            if operation.header().kind == Kind::Compaction {
                base = sequence;
                ingested.opened.insert(author);
                let is_mended = forks::mended(connection, document.row, &author)?;
                let has_gap = head.is_some_and(|head| head.next < sequence);
                if is_mended || is_rewritten || (is_other_branch && !has_gap) {
                    forks::rebuild(connection, document.row)?;
                }
                ingested.declined.remove(&author);
                ingested.stuck.remove(&author);
            }
            let head = Head {
                next: sequence + 1,
                id: operation.id(),
                base,
            };
            ingested.position = Some(position);
            ingested.heads.insert(author, head);
            *ingested.accepted.entry(author).or_default() += 1;
            ingested.stored.push(Arc::new(verified.operation));
            Ok(true)
        }
        Err(Refusal::Refuse(reason)) => {
            connection.execute_batch("ROLLBACK TO operation; RELEASE operation")?;
            processor.early.forget_log(document.row, author);
            refuse(connection, document, operation, reason, ingested)?;
            Ok(false)
        }
        Err(Refusal::Fail(error)) => Err(error),
    }
}

/// Whether an operation opens its log anew under another incarnation than the log has here. Its author
/// has joined two forms of the log, and may have written again what was known here under the same
/// CRDT counters, even if this goes on from the last operation here.
fn is_rewritten(
    connection: &Connection,
    document: &StoredDocument,
    head: Option<&Head>,
    operation: &Operation,
) -> Result<bool, StoreError> {
    let header = operation.header();
    let Some(head) = head.filter(|_| header.kind == Kind::Compaction) else {
        return Ok(false);
    };
    let last = head.next.saturating_sub(1);
    let last = operations::range(connection, document.row, &operation.author(), last, 1)?;
    let last = last.first().map(|last| last.header().incarnation);
    Ok(last.is_some_and(|incarnation| incarnation != header.incarnation))
}

fn refuse(
    connection: &Connection,
    document: &StoredDocument,
    operation: &Operation,
    reason: &str,
    ingested: &mut Ingested,
) -> Result<(), StoreError> {
    operations::remember_refused(connection, document.row, operation, reason)?;
    let (author, sequence) = (operation.author(), operation.header().sequence);
    ingested.refused.push((author, reason.to_owned()));
    ingested.declined.entry(author).or_insert(sequence);
    Ok(())
}

fn store_and_process(
    connection: &Connection,
    processor: &mut Processor,
    document: &StoredDocument,
    author_row: i64,
    verified: &Verified,
) -> Result<Position, Refusal> {
    let state = if verified.body.is_some() {
        State::Acknowledged
    } else {
        State::Waiting
    };
    let position = operations::append(
        connection,
        document.row,
        author_row,
        &verified.operation,
        state,
    )?;
    let delivery = Delivery {
        topic: document.keys.topic(),
        position,
        operation: &verified.operation,
        body: verified.body.as_deref(),
        is_own: false,
        is_replay: false,
        history: History {
            document,
            before: position,
        },
    };
    if process(connection, processor, &delivery)? == Processed::Later {
        operations::set_state(connection, position, State::Waiting)?;
    }
    let header = verified.operation.header();
    if header.kind == Kind::Compaction {
        operations::open_log(connection, document.row, author_row, header.sequence)?;
    }
    Ok(position)
}

/// Has the application process what it has not acknowledged: what was kept unread so far and can be
/// read now, and what it left for later. Runs on the writing thread, in its transaction. What is
/// refused stays as it is.
pub(crate) fn process_waiting(
    connection: &Connection,
    processor: &mut Processor,
    document: &StoredDocument,
) -> Result<(), StoreError> {
    let topic = document.keys.topic();
    let mut after = 0;
    loop {
        let waiting = operations::waiting(connection, document.row, after)?;
        let Some((last, _)) = waiting.last() else {
            return Ok(());
        };
        after = *last;
        for (position, operation) in &waiting {
            let header = operation.header();
            let context = BodyContext {
                topic,
                author: header.author,
                sequence: header.sequence,
            };
            let Ok(body) = decrypt_body(&document.keys, &context, operation.body()) else {
                continue;
            };
            let delivery = Delivery {
                topic,
                position: *position,
                operation,
                body: Some(&body),
                is_own: header.author == processor.key.id(),
                is_replay: false,
                history: History {
                    document,
                    before: *position,
                },
            };
            connection.execute_batch("SAVEPOINT operation")?;
            match process(connection, processor, &delivery) {
                Ok(Processed::Done) => {
                    operations::set_state(connection, *position, State::Acknowledged)?;
                }
                Ok(Processed::Later) => {}
                Err(Refusal::Refuse(_)) => connection.execute_batch("ROLLBACK TO operation")?,
                Err(Refusal::Fail(error)) => return Err(error),
            }
            connection.execute_batch("RELEASE operation")?;
        }
    }
}

/// Lets the application process a delivery. A panic in it refuses the operation: bytes from the
/// network must not end the program.
pub(super) fn process(
    connection: &Connection,
    processor: &mut Processor,
    delivery: &Delivery<'_>,
) -> Result<Processed, Refusal> {
    catch_unwind(AssertUnwindSafe(|| {
        processor.application.process(connection, delivery)
    }))
    .unwrap_or(Err(Refusal::Refuse("processing it failed")))
}
