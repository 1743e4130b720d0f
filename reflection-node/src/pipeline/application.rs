// SPDX-License-Identifier: GPL-3.0-or-later
//! What a program builds on top of the node: it processes operations inside their transaction.

use rusqlite::Connection;

use crate::access::TopicId;
use crate::operation::Operation;
use crate::store::StoreError;

/// An operation on its way into the store, as the application sees it.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The document.
    pub topic: TopicId,
    /// The verified operation; its body is sealed.
    pub operation: &'a Operation,
    /// The opened body; `None` on a device that keeps the document without reading it.
    pub body: Option<&'a [u8]>,
    /// Whether it was made by this installation.
    pub is_own: bool,
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
/// All methods run on the writing thread inside the transaction at hand, which may still be
/// rolled back: state that matters belongs into the database, and what is kept in memory must be
/// no more than a cache that such a rollback cannot make wrong.
pub trait Application: Send + 'static {
    /// Makes the application's own tables.
    fn prepare(&mut self, connection: &Connection) -> Result<(), StoreError>;

    /// Accepts an operation, or refuses it; then nothing of it remains.
    fn process(&mut self, connection: &Connection, delivery: &Delivery<'_>) -> Result<(), Refusal>;

    /// A document was added, or more can be done with it than before.
    fn added(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError>;

    /// A document is being deleted: nothing of it may remain in the application's tables.
    fn deleted(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError>;
}
