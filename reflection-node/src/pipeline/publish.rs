// SPDX-License-Identifier: GPL-3.0-or-later
//! Our own operations: sealed, signed and appended on the writing thread, so that a log is never
//! written from two places at once.

use std::sync::Arc;

use rusqlite::Connection;

use super::{Delivery, History, Processed, Processor, Refusal, ingest};
use crate::access::{Access, BodyContext, CipherError, TopicId, encrypt_body};
use crate::operation::{Kind, NewHeader, Operation, OperationId, PLAIN_BODY_BYTES_MAX};
use crate::store::operations::{self, Position, State};
use crate::store::{StoreError, documents};
use crate::sync::heights::Head;

/// Why an own operation was not published. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// This installation does not take part in the document.
    #[error("there is no such document here")]
    NoDocument,
    /// The code that was joined with does not allow it.
    #[error("the document can only be read here")]
    ReadOnly,
    /// Longer than one operation may be.
    #[error("a change of {0} bytes is too large for one operation")]
    TooLarge(usize),
    /// The change was made under a CRDT identity that is not ours any more; it is to be made again
    /// under the present one.
    #[error("the document was written to elsewhere under the same identity")]
    OldIncarnation,
    /// Our log has grown since what was to be published was made.
    #[error("the log has grown meanwhile")]
    Overtaken,
    /// The application refused it.
    #[error("the change was refused: {0}")]
    Refused(&'static str),
    /// It could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A published operation: it is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub id: OperationId,
    /// Its place in the order of acceptance here.
    pub position: Position,
    /// Its place in our log.
    pub sequence: u64,
}

pub(crate) struct NewOperation {
    pub(crate) topic: TopicId,
    pub(crate) kind: Kind,
    pub(crate) incarnation: u64,
    pub(crate) body: Vec<u8>,
    pub(crate) time_us: u64,
    /// The only place in our log at which it may stand, if there is one.
    pub(crate) sequence: Option<u64>,
}

/// Appends to our log; runs on the writing thread, in its transaction.
pub(crate) fn publish(
    connection: &Connection,
    processor: &mut Processor,
    new: &NewOperation,
) -> Result<(Published, Head, Arc<Operation>), PublishError> {
    if new.body.len() > PLAIN_BODY_BYTES_MAX {
        return Err(PublishError::TooLarge(new.body.len()));
    }
    let document = documents::find(connection, &new.topic)?.ok_or(PublishError::NoDocument)?;
    if document.keys.access() != Access::Write {
        return Err(PublishError::ReadOnly);
    }
    if new.kind == Kind::Edit && new.incarnation != document.incarnation {
        return Err(PublishError::OldIncarnation);
    }
    let author = processor.key.id();
    let author_row = operations::author_row(connection, &author)?;
    let head = operations::head(connection, document.row, author_row)?;
    let sequence = head.map_or(0, |head| head.next);
    if new.sequence.is_some_and(|only| only != sequence) {
        return Err(PublishError::Overtaken);
    }
    let opens_log = sequence == 0 || new.kind == Kind::Compaction;
    let context = BodyContext {
        topic: new.topic,
        author,
        sequence,
    };
    let body = encrypt_body(&document.keys, &context, &new.body).map_err(|error| match error {
        CipherError::NoReadKey => PublishError::ReadOnly,
        CipherError::Forged => PublishError::TooLarge(new.body.len()),
    })?;
    let header = NewHeader {
        topic: new.topic,
        sequence,
        backlink: head.map(|head| head.id),
        time_us: new.time_us,
        kind: new.kind,
        incarnation: new.incarnation,
        write_proof: if opens_log {
            document.keys.prove_write(&author)
        } else {
            None
        },
    };
    let operation = Operation::sign(&processor.key, header, body);
    let position = operations::append(
        connection,
        document.row,
        author_row,
        &operation,
        State::Acknowledged,
    )?;
    let delivery = Delivery {
        topic: new.topic,
        position,
        operation: &operation,
        body: Some(&new.body),
        is_own: true,
        is_replay: false,
        history: History {
            document: &document,
            before: position,
        },
    };
    let processed =
        ingest::process(connection, processor, &delivery).map_err(|refusal| match refusal {
            Refusal::Refuse(reason) => PublishError::Refused(reason),
            Refusal::Fail(error) => PublishError::Store(error),
        })?;
    if processed == Processed::Later {
        operations::set_state(connection, position, State::Waiting)?;
    }
    let mut base = head.map_or(0, |head| head.base);
    if new.kind == Kind::Compaction {
        operations::open_log(connection, document.row, author_row, sequence)?;
        base = sequence;
    }
    let head = Head {
        next: sequence + 1,
        id: operation.id(),
        base,
    };
    Ok((
        Published {
            id: operation.id(),
            position,
            sequence,
        },
        head,
        Arc::new(operation),
    ))
}
