// SPDX-License-Identifier: GPL-3.0-or-later
//! Reading a document's operations: first those that are stored, then each as it is committed.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::watch;

use super::Commit;
use crate::access::{BodyContext, DocumentKeys, decrypt_body};
use crate::identity::AuthorId;
use crate::operation::{Kind, OperationId};
use crate::store::documents::DocumentRow;
use crate::store::operations::{self, Position};
use crate::store::{READ_HERE_MAX, Readers, StoreError, forks};

/// Most operations that one call of [`DocumentStream::next`] gives.
const BATCH_OPERATIONS_MAX: usize = 1_000;

/// An operation that was stored and processed, with its opened body.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Its place in the order of acceptance here.
    pub position: Position,
    /// Its id.
    pub id: OperationId,
    /// Who signed it.
    pub author: AuthorId,
    /// Its place in the author's log.
    pub sequence: u64,
    /// The author's clock, microseconds since 1970.
    pub time_us: u64,
    /// What it is.
    pub kind: Kind,
    /// Which CRDT identity of the author the body was made under.
    pub incarnation: u64,
    /// The opened body.
    pub body: Vec<u8>,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The document was deleted here, or the node was shut down.
    #[error("the document is closed")]
    Closed,
    /// Operations that were given have been replaced by others: whoever used them begins again
    /// with another stream.
    #[error("the document was replaced by another form of it")]
    Rebuilt,
    /// This device keeps the document without being able to read it.
    #[error("the document cannot be read on this device")]
    Unreadable,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamStart {
    /// With the first operation.
    Beginning,
    /// After a position.
    After(Position),
    /// With what was accepted here at a time or later, microseconds since 1970.
    At(u64),
}

/// A document's operations in the order of their acceptance here, from some position on.
///
/// Nothing is buffered: a reader that falls behind finds in the store what it has not read.
pub struct DocumentStream {
    pub(crate) readers: Arc<Readers>,
    pub(crate) commits: watch::Receiver<Commit>,
    pub(crate) row: DocumentRow,
    pub(crate) keys: DocumentKeys,
    pub(crate) position: Position,
    /// See [`StreamError::Rebuilt`].
    pub(crate) generation: i64,
    pub(crate) incarnation: u64,
}

impl DocumentStream {
    /// The incarnation under which the document is written to from here, as long as this stream
    /// does not end.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Changes when operations that were given are replaced by others, which ends the stream; see
    /// [`StreamError::Rebuilt`].
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// The position up to which operations have been given.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next operations, at once if there are any, else as soon as there are; never none.
    /// Cancelling loses nothing.
    pub async fn next(&mut self) -> Result<Vec<Delivered>, StreamError> {
        loop {
            let batch = self.stored().await?;
            if !batch.is_empty() {
                return Ok(batch);
            }
            let after = self.position;
            self.commits
                .wait_for(|commit| commit.position > after)
                .await
                .map_err(|_| StreamError::Closed)?;
        }
    }

    /// The next operations that are stored already; none if all have been given.
    pub async fn stored(&mut self) -> Result<Vec<Delivered>, StreamError> {
        let (row, position, keys) = (self.row, self.position, self.keys.clone());
        let read = move |connection: &Connection| {
            let found = operations::after(connection, row, position, BATCH_OPERATIONS_MAX)?;
            let batch = found
                .into_iter()
                .map(|(position, operation)| open_operation(&keys, position, &operation))
                .collect::<Result<Vec<_>, _>>()?;
            // Only now: what replaced others was committed together with the number.
            Ok((batch, forks::generation(connection, row)?))
        };
        let newest = self.commits.borrow().position;
        let is_few = (newest - position).unsigned_abs() <= READ_HERE_MAX;
        let (batch, generation) = if is_few {
            self.readers.run_here(read).await?
        } else {
            self.readers.run(read).await?
        };
        if generation != self.generation {
            return Err(StreamError::Rebuilt);
        }
        if let Some(last) = batch.last() {
            self.position = last.position;
        }
        Ok(batch)
    }
}

/// Opens a stored operation.
pub(crate) fn open_operation(
    keys: &DocumentKeys,
    position: Position,
    operation: &crate::operation::Operation,
) -> Result<Delivered, StoreError> {
    let header = operation.header();
    let context = BodyContext {
        topic: header.topic,
        author: header.author,
        sequence: header.sequence,
    };
    let body = decrypt_body(keys, &context, operation.body())
        .map_err(|_| StoreError::Damaged("an operation's contents"))?;
    Ok(Delivered {
        position,
        id: operation.id(),
        author: header.author,
        sequence: header.sequence,
        time_us: header.time_us,
        kind: header.kind,
        incarnation: header.incarnation,
        body,
    })
}
