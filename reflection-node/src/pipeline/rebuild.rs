// SPDX-License-Identifier: GPL-3.0-or-later
//! Materialised state wiped and made again from the operations.
//!
//! This is how a change of the application's tables ships, and how damage in them is mended. It
//! runs on the writing thread in one transaction: before it the old state is there, after it the
//! new one.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Delivery, History, Processed, Processor, Refusal, ingest, process_waiting};
use crate::access::{Access, BodyContext, decrypt_body};
use crate::store::StoreError;
use crate::store::documents::{self, StoredDocument};
use crate::store::operations::{self, State};

/// What making state again came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Operations that were processed.
    pub operations: u64,
    /// Operations that the application does not accept any more. They are kept, unacknowledged.
    pub refused: u64,
    /// Operations that are damaged.
    pub damaged: u64,
}

/// Makes the state of one document again. Where it cannot be read there is none.
pub(crate) fn rebuild(
    connection: &Connection,
    processor: &mut Processor,
    document: &StoredDocument,
) -> Result<Rebuilt, StoreError> {
    processor
        .application
        .wipe(connection, &document.keys.topic())?;
    give_all(connection, processor, document)
}

fn give_all(
    connection: &Connection,
    processor: &mut Processor,
    document: &StoredDocument,
) -> Result<Rebuilt, StoreError> {
    let topic = document.keys.topic();
    processor.application.added(connection, &topic)?;
    let mut rebuilt = Rebuilt::default();
    if document.keys.access() < Access::Read {
        return Ok(rebuilt);
    }
    let mut after = 0;
    loop {
        let batch = operations::all_after(connection, document.row, after)?;
        let Some((last, _)) = batch.last() else {
            return Ok(rebuilt);
        };
        after = *last;
        for (position, operation) in batch {
            let opened = operation.and_then(|operation| {
                let header = operation.header();
                let context = BodyContext {
                    topic,
                    author: header.author,
                    sequence: header.sequence,
                };
                let body = decrypt_body(&document.keys, &context, operation.body()).ok()?;
                Some((operation, body))
            });
            let Some((operation, body)) = opened else {
                rebuilt.damaged += 1;
                continue;
            };
            let delivery = Delivery {
                topic,
                operation: &operation,
                body: Some(&body),
                is_own: operation.author() == processor.key.id(),
                position,
                is_replay: true,
                history: History {
                    document,
                    before: position,
                },
            };
            connection.execute_batch("SAVEPOINT operation")?;
            let state = match ingest::process(connection, processor, &delivery) {
                Ok(Processed::Done) => State::Acknowledged,
                Ok(Processed::Later) => State::Waiting,
                Err(Refusal::Refuse(reason)) => {
                    connection.execute_batch("ROLLBACK TO operation")?;
                    tracing::warn!(?topic, position, reason, "not accepted any more");
                    rebuilt.refused += 1;
                    State::Waiting
                }
                Err(Refusal::Fail(error)) => return Err(error),
            };
            operations::set_state(connection, position, state)?;
            connection.execute_batch("RELEASE operation")?;
            rebuilt.operations += u64::from(state == State::Acknowledged);
        }
    }
}

/// Makes all state again if the program that wrote it had another version of it. Runs at start.
pub(crate) fn check_state_version(
    connection: &Connection,
    processor: &mut Processor,
) -> Result<(), StoreError> {
    let wanted = processor.application.state_version();
    let written: Option<[u8; 4]> = connection
        .query_row(
            "SELECT value FROM meta WHERE name = 'application'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    // Databases of data version 1 did not say; their state was of version 1.
    if written.map_or(1, u32::from_be_bytes) == wanted {
        return Ok(());
    }
    let all = documents::all(connection)?;
    tracing::info!(documents = all.len(), "making the state of documents again");
    let transaction = connection.unchecked_transaction()?;
    processor.application.reset(&transaction)?;
    for document in &all {
        give_all(&transaction, processor, document)?;
    }
    transaction.execute(
        "INSERT INTO meta (name, value) VALUES ('application', ?1)
         ON CONFLICT (name) DO UPDATE SET value = ?1",
        params![wanted.to_be_bytes()],
    )?;
    transaction.commit()?;
    Ok(())
}

/// Gives the application what it has not acknowledged. Runs at start.
pub(crate) fn process_all_waiting(
    connection: &Connection,
    processor: &mut Processor,
) -> Result<(), StoreError> {
    let waiting = operations::documents_with_waiting(connection)?;
    if waiting.is_empty() {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    for document in documents::all(&transaction)? {
        if waiting.contains(&document.row) {
            process_waiting(&transaction, processor, &document)?;
        }
    }
    transaction.commit()?;
    Ok(())
}
