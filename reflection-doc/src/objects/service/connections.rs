// SPDX-License-Identifier: GPL-3.0-or-later
//! How the people of a document are reached, and where copies of it are: for those who want to
//! know.

use std::net::SocketAddr;

use reflection_node::Route;
use reflection_node::replication::AssignmentState;

use super::{Service, ServiceError};
use crate::objects::{Author, Document};

/// How a person's device is reached.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whose device.
    pub author: Author,
    /// The connection that stands, and its round-trip time in milliseconds.
    pub route: Option<(Route, u64)>,
    /// Whether an exchange goes on, in which everything is handed on as it is written.
    pub is_live: bool,
    /// When the last exchange ended, microseconds since 1970; 0 for never.
    pub synced_us: u64,
    /// Bytes that it brought.
    pub bytes_in: u64,
    /// Bytes that it took away.
    pub bytes_out: u64,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
}

/// A copy of a document at somebody who cannot read it.
#[derive(Clone, Debug)]
pub struct KeptCopy {
    /// What the keeper was called here.
    pub name: String,
    /// How far it is.
    pub state: AssignmentState,
    /// When it last answered, microseconds since 1970; 0 for never.
    pub contact_us: u64,
}

/// All of that for one document.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    /// The others, in the order of the list of people.
    pub people: Vec<Connection>,
    /// Copies on replicas.
    pub copies: Vec<KeptCopy>,
    /// How many devices have confirmed to hold all that was written here.
    pub holders: u64,
    /// Where this device may be reached.
    pub addresses: Vec<SocketAddr>,
}

impl Service {
    /// How many other devices are known here, by codes or by having met them.
    pub async fn known_devices(&self) -> Result<u32, ServiceError> {
        let peers = self.library()?.node().peers().await?;
        Ok(u32::try_from(peers.len()).unwrap_or(u32::MAX))
    }

    /// How the people of a document are reached at this moment.
    pub async fn connections(&self, document: &Document) -> Result<Connections, ServiceError> {
        let library = self.library()?;
        let node = library.node();
        let peers = node.peers().await?;
        let others = document.authors().to_vec();
        let topic = document.topic();
        let status = topic.map(|topic| node.status(&topic)).unwrap_or_default();
        let people = others
            .into_iter()
            .filter(|author| !author.is_this_device())
            .map(|author| {
                let peer = peers.iter().find(|peer| peer.peer == author.id());
                let sync = peer.and_then(|peer| peer.last_sync.clone());
                let sync = sync.unwrap_or_default();
                Connection {
                    route: peer.and_then(|peer| peer.connected.clone()),
                    is_live: status.connected.contains(&author.id()),
                    author,
                    synced_us: sync.time_us,
                    bytes_in: sync.counts.bytes_in,
                    bytes_out: sync.counts.bytes_out,
                    duration_ms: sync.duration_ms,
                }
            })
            .collect();
        let mut copies = Vec::new();
        for replica in node.replicas().await? {
            let kept = replica
                .assignments
                .iter()
                .find(|assignment| Some(assignment.topic) == topic);
            if let Some(kept) = kept {
                copies.push(KeptCopy {
                    name: replica.name.clone(),
                    state: kept.state,
                    contact_us: replica.last_contact_us.unwrap_or(0),
                });
            }
        }
        let info = match &topic {
            Some(topic) => node.document(topic).await?,
            None => None,
        };
        Ok(Connections {
            people,
            copies,
            holders: info.map_or(0, |info| info.copies),
            addresses: node.addresses().await,
        })
    }
}
