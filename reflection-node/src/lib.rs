// SPDX-License-Identifier: GPL-3.0-or-later
//! The peer-to-peer node of Reflection: signed operations, their storage, and their exchange.
//!
//! The node knows bytes, never what they mean. A program hands it an [`pipeline::Application`],
//! which processes every operation inside the transaction that stores it, and drives it through
//! [`Node`].
//!
//! ```text
//! identity   who speaks                 access     what one may do with a document
//! operation  signed log entries         store      the database
//! pipeline   the path of an operation   sync       exchanging a document with a peer
//! network    connections                discovery  finding peers
//! presence   who is in a document       gossip     the overlay that tells it
//! migration  data of older versions   maintenance  checking and mending the store
//! replication  copies at peers that cannot read them
//! ```

pub mod access;
mod discovery;
mod events;
mod followers;
mod gossip;
mod hex;
pub mod identity;
mod maintenance;
pub mod migration;
mod network;
mod node;
pub mod operation;
pub mod pipeline;
mod presence;
mod random;
pub mod replication;
#[cfg(test)]
mod secrets;
mod shared;
pub mod store;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod vectors;
mod wire;

pub use events::{Event, Events, Found, Route, SyncCounts};
pub use iroh::RelayUrl;
pub use maintenance::{CheckReport, Finding, Problem};
pub use network::{Mode, NetworkConfig, NetworkError, ParseModeError};
pub use node::{
    CompactError, Compacted, DocumentError, DocumentInfo, DocumentStatus, LogSize, Node, PeerInfo,
    ReplicaError, StartError, SyncReport,
};
pub use presence::{PRESENCE_BYTES_MAX, Person, Presence, PresenceError, TooMuchSaid};
pub use rusqlite;
pub use store::operations::{DocumentStatistics, Position};
pub use store::peers::LastSync;
pub use store::storage::StorageStatistics;
