// SPDX-License-Identifier: GPL-3.0-or-later
//! The path that every operation takes, our own and those received.
//!
//! ```text
//! bytes ─> decode, limits ─> signature, proof ─> order ─> begin
//!            store ─> application processes ─> acknowledge
//!          commit ─> event
//! ```
//!
//! Invariants: an operation is stored, processed and acknowledged in one transaction, or nothing
//! of it remains; nobody hears of it before the commit; an own operation is on the disk by then.

mod application;
mod commits;
mod forks;
mod ingest;
mod mend;
mod publish;
mod rebuild;
mod recent;
mod steps;
mod stream;
mod waiting_room;

pub(crate) use application::read_all;
pub use application::{
    Application, Branches, Compactor, Delivery, History, Joined, Processed, Refusal,
};
pub(crate) use commits::{Commit, Commits};
pub(crate) use forks::{Evidence, examine};
pub(crate) use ingest::{Ingested, Verified, ingest, process_waiting, verify_batch};
pub(crate) use mend::{Mended, mend};
pub(crate) use publish::{NewOperation, publish};
pub use publish::{PublishError, Published};
pub use rebuild::Rebuilt;
pub(crate) use rebuild::{check_state_version, process_all_waiting, rebuild};
pub(crate) use stream::open_operation;
pub use stream::{Delivered, DocumentStream, StreamError, StreamStart};

use crate::identity::AuthorKey;
pub(crate) use waiting_room::WaitingRoom;

#[cfg(test)]
mod tests;

/// What the writing thread has besides the database.
pub(crate) struct Processor {
    pub(crate) key: AuthorKey,
    pub(crate) application: Box<dyn Application>,
    /// Operations that came before their predecessors.
    pub(crate) early: WaitingRoom,
}
