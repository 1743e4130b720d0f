// SPDX-License-Identifier: GPL-3.0-or-later
//! Copies of documents at peers that cannot read them.
//!
//! A replica gives out a ticket ([`Ticket`]); whoever has it may assign documents, or the whole
//! library, to that replica. An assignment hands over what a replica code holds: enough to check,
//! store and pass on operations, not to read them. From then on the document is synchronised like
//! any other, so what is left to be copied follows from what the replica confirmed and is no
//! queue of its own.
//!
//! ```text
//! ticket        what a replica gives out           proof        who may speak of assignments
//! frame         what is said on the stream         assigner     ours at other replicas, no I/O
//! host          others' here, no I/O               driver       both over a stream and the store
//! assignments   tables of ours                     hosting      tables of others'
//! quota         how much is kept for others        progress     what replicas have confirmed
//! ```
//!
//! Invariants: nothing is said, and nothing stored, before both sides have proved the ticket; an
//! assignment is answered after its commit is on the disk; what is kept for others stays below a
//! quota and leaves room on the disk; a replica never holds a key to read with.

mod assigner;
pub(crate) mod assignments;
pub(crate) mod driver;
mod frame;
mod host;
pub(crate) mod hosting;
pub(crate) mod progress;
mod proof;
pub(crate) mod quota;
#[cfg(all(test, feature = "testing"))]
mod talk_tests;
#[cfg(test)]
mod tests;
mod ticket;

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use rusqlite::Connection;
use tokio::sync::watch;

use crate::identity::AuthorId;
use crate::store::StoreError;
pub use assignments::{Assignment, AssignmentState, ReplicaInfo};
#[cfg(feature = "testing")]
pub(crate) use frame::DECODER as ASSIGNMENTS_DECODER;
pub use frame::Shortage;
pub use hosting::{GrantError, HostedFor};
use progress::Progress;
#[cfg(test)]
pub(crate) use proof::Ends;
pub use quota::ReplicaOffer;
#[cfg(feature = "testing")]
pub(crate) use ticket::DECODER as TICKET_DECODER;
#[cfg(test)]
pub(crate) use ticket::GrantSecret;
pub use ticket::{Ticket, TicketError};

/// What a running node knows of replication without asking the store.
pub(crate) struct Replication {
    /// Peers to which something is, or is still to be, said of assignments.
    replicas: RwLock<BTreeSet<AuthorId>>,
    /// Counts changes of our assignments.
    changed: watch::Sender<u64>,
    /// Whether this node takes assignments.
    offering: watch::Sender<bool>,
    /// Counts changes of the room that there is for others' documents.
    storage: watch::Sender<u64>,
    pub(crate) progress: Progress,
}

impl Replication {
    /// What the store says at the start of a node.
    pub(crate) fn load(connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self {
            replicas: RwLock::new(assignments::replicas(connection)?),
            changed: watch::channel(0).0,
            offering: watch::channel(false).0,
            storage: watch::channel(0).0,
            progress: Progress::default(),
        })
    }

    /// Whether there is something to be said to a peer about assignments.
    pub(crate) fn is_replica(&self, peer: &AuthorId) -> bool {
        self.replicas
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(peer)
    }

    pub(crate) fn insert(&self, replica: AuthorId) {
        self.replicas
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(replica);
        self.assignments_changed();
    }

    pub(crate) fn remove(&self, replica: &AuthorId) {
        self.replicas
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(replica);
        self.assignments_changed();
    }

    /// Tells those who speak with replicas that there is something new to say.
    pub(crate) fn assignments_changed(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn watch_assignments(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Begins or ends to take assignments.
    pub(crate) fn offer(&self, is_offering: bool) {
        self.offering.send_replace(is_offering);
    }

    pub(crate) fn is_offering(&self) -> bool {
        *self.offering.borrow()
    }

    /// Tells those who keep documents for others that there is less or more room.
    pub(crate) fn storage_changed(&self) {
        self.storage.send_modify(|count| *count += 1);
    }

    pub(crate) fn watch_storage(&self) -> watch::Receiver<u64> {
        self.storage.subscribe()
    }
}
