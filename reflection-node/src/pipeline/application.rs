// SPDX-License-Identifier: GPL-3.0-or-later
//! What a program builds on top of the node: it processes operations inside their transaction.

use std::sync::Arc;

use rusqlite::Connection;

use super::stream::{Delivered, open_operation};
use crate::access::{DocumentKeys, TopicId};
use crate::identity::AuthorId;
use crate::operation::Operation;
use crate::store::StoreError;
use crate::store::documents::StoredDocument;
use crate::store::operations::{self, Position};

/// Operations read at once from the store.
const READ_OPERATIONS_MAX: usize = 1_000;

/// An operation on its way into the store, as the application sees it.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The document.
    pub topic: TopicId,
    /// Its place in the order of acceptance here.
    pub position: Position,
    /// The verified operation; its body is sealed.
    pub operation: &'a Operation,
    /// The opened body; `None` on a device that keeps the document without reading it.
    pub body: Option<&'a [u8]>,
    /// Whether it was made by this installation.
    pub is_own: bool,
    /// Whether it was accepted before and is given again, because the state that was made of it is
    /// made anew. It is no news then.
    pub is_replay: bool,
    /// What was stored of the document before it.
    pub history: History<'a>,
}

/// The operations of a document that were accepted and opened before some position.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    pub(super) document: &'a StoredDocument,
    pub(super) before: Position,
}

impl History<'_> {
    /// Reads all of them, in the order of their acceptance. For rare checks: a long document takes
    /// some hundred milliseconds.
    pub fn read(&self, connection: &Connection) -> Result<Vec<Delivered>, StoreError> {
        let mut all = read_all(connection, self.document.row, &self.document.keys)?;
        all.retain(|operation| operation.position < self.before);
        Ok(all)
    }
}

/// All operations of a document that were processed, opened, in the order of acceptance.
pub(crate) fn read_all(
    connection: &Connection,
    row: crate::store::documents::DocumentRow,
    keys: &DocumentKeys,
) -> Result<Vec<Delivered>, StoreError> {
    let mut all: Vec<Delivered> = Vec::new();
    loop {
        let after = all.last().map_or(0, |last| last.position);
        let found = operations::after(connection, row, after, READ_OPERATIONS_MAX)?;
        if found.is_empty() {
            return Ok(all);
        }
        for (position, operation) in found {
            all.push(open_operation(keys, position, &operation)?);
        }
    }
}

/// What the application says of an operation that it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processed {
    /// Its effect is in the transaction: it is acknowledged with it.
    Done,
    /// It is stored, but not done with. It is given again at the next start, and until the
    /// application acknowledges it by [`crate::Node::acknowledge`] no stream gives it.
    Later,
}

/// Why the application does not accept an operation.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The operation breaks the application's rules. It is not stored and not asked for again.
    #[error("{0}")]
    Refuse(&'static str),
    /// It cannot be processed now. It is not stored and will be fetched again.
    #[error(transparent)]
    Fail(#[from] StoreError),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fail(error.into())
    }
}

/// The program on top of the node.
///
/// What it keeps of operations in tables of its own is materialised state: a function of the
/// operations, which may be wiped and made again at any time ([`crate::Node::rebuild`]). Its
/// effects are counted once however often the process dies, because they are committed together
/// with the operation.
///
/// All methods run on the writing thread inside the transaction at hand, which may still be
/// rolled back: state that matters belongs into the database, and what is kept in memory must be
/// no more than a cache that such a rollback cannot make wrong.
pub trait Application: Send + 'static {
    /// Makes the application's own tables, if it has any.
    fn prepare(&mut self, _connection: &Connection) -> Result<(), StoreError> {
        Ok(())
    }

    /// The version of the materialised state. When it is another one than that of the program
    /// that wrote the database, all of it is made again at start.
    fn state_version(&self) -> u32 {
        1
    }

    /// Accepts an operation, or refuses it; then nothing of it remains.
    fn process(
        &mut self,
        connection: &Connection,
        delivery: &Delivery<'_>,
    ) -> Result<Processed, Refusal>;

    /// Wipes the materialised state of a document; its operations are given again after that. An
    /// application without such state has nothing to do here and in the next two.
    fn wipe(&mut self, _connection: &Connection, _topic: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }

    /// Drops all tables of materialised state, whatever version they are of, and makes them anew.
    fn reset(&mut self, _connection: &Connection) -> Result<(), StoreError> {
        Ok(())
    }

    /// Makes anew what serves to find things in the state of all documents and tells nothing by
    /// itself. `false` where there is no such index.
    fn reindex(&mut self, _connection: &Connection) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// A hash over the materialised state of a document: the same operations give the same.
    fn digest(&self, _connection: &Connection, _topic: &TopicId) -> Result<[u8; 32], StoreError> {
        Ok([0; 32])
    }

    /// A document was added, or more can be done with it than before.
    fn added(&mut self, _connection: &Connection, _topic: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }

    /// A document is being deleted: nothing of it may remain in the application's tables. It
    /// has no default, so that nobody forgets it.
    fn deleted(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError>;

    /// What shortens this installation's logs; without one they only grow.
    fn compactor(&self) -> Option<Arc<dyn Compactor>> {
        None
    }
}

/// What the program on top knows about whole logs. Works beside the writing thread, on what it is
/// given alone.
pub trait Compactor: Send + Sync + 'static {
    /// The body of a compaction: all of `author`'s own changes in these operations, which are all
    /// of a document, and nobody else's. `None` where that cannot be made or would not fit.
    fn compact(
        &self,
        topic: &TopicId,
        author: &AuthorId,
        operations: &[Delivered],
    ) -> Option<Vec<u8>>;

    /// Joins two forms of this installation's log. Everything that either says must be in the
    /// result. `None` where that does not fit one operation. Runs on the writing thread.
    fn mend(&self, branches: &Branches<'_>) -> Option<Joined>;
}

/// A log that goes on in two ways, and what else is in the document.
#[derive(Clone, Copy, Debug)]
pub struct Branches<'a> {
    /// The document.
    pub topic: TopicId,
    /// Whose log it is.
    pub author: AuthorId,
    /// All operations of others.
    pub others: &'a [Delivered],
    /// The log as it is here.
    pub ours: &'a [Delivered],
    /// The log as a peer holds it.
    pub theirs: &'a [Delivered],
    /// Whether others have something of our form that is not in the peer's, and may have built on it.
    pub is_ours_shared: bool,
    /// The first of the incarnations that nobody has written under. The operation that carries the
    /// result is under the one before it, under which nothing is said: by that others know that its
    /// author knows both forms.
    pub incarnation: u64,
}

/// Two forms of a log, joined.
#[derive(Clone)]
pub struct Joined {
    /// The body of a compaction with everything that either says.
    pub body: Vec<u8>,
    /// Whether the peer's form says all that ours says.
    pub is_ours_in_theirs: bool,
    /// Whether ours says all that the peer's says.
    pub is_theirs_in_ours: bool,
}
