// SPDX-License-Identifier: GPL-3.0-or-later
//! Everything that touches the network: the endpoint, the connections, and whom to dial.
//!
//! One QUIC connection per pair of peers carries all their common documents. The network as a
//! whole can be stopped and started again in another mode while documents stay open.

mod connection;
mod endpoint;
mod peers;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use iroh::RelayUrl;

pub use endpoint::NetworkError;
pub(crate) use peers::PeersHandle;

use crate::access::Hint;
use crate::discovery::mdns;
use crate::events::Found;
use crate::shared::Shared;
use crate::store::peers::{last_port, remember_port};
use crate::store::{Durability, StoreError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How far the node reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// No socket is open.
    Offline,
    /// Addresses of the local network alone.
    Local,
    /// Relays and address lookup on the internet too.
    #[default]
    Internet,
}

impl Mode {
    /// The word for it on the command line and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Local => "local",
            Self::Internet => "internet",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no mode.
#[derive(Debug, thiserror::Error)]
#[error("a mode is offline, local or internet")]
pub struct ParseModeError;

impl FromStr for Mode {
    type Err = ParseModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Offline, Self::Local, Self::Internet]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or(ParseModeError)
    }
}

/// How the node reaches others.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// How far.
    pub mode: Mode,
    /// Addresses to listen at; by default a free port on all interfaces.
    pub bind: Vec<SocketAddr>,
    /// Peers to connect to, beside those in the address book.
    pub peers: Vec<Hint>,
    /// Relays in place of the public ones.
    pub relays: Vec<RelayUrl>,
    /// Whether to announce and look for peers on the local network by multicast DNS.
    pub mdns: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            bind: Vec::new(),
            peers: Vec::new(),
            relays: Vec::new(),
            mdns: true,
        }
    }
}

/// How long closing the endpoint may take; peers that are not told time out by themselves.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// A running network.
pub(crate) struct Network {
    endpoint: iroh::Endpoint,
    peers: PeersHandle,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Network {
    /// Opens the sockets and begins to dial. `None` in offline mode.
    pub(crate) async fn start(
        shared: Arc<Shared>,
        config: &NetworkConfig,
        known: Vec<Hint>,
    ) -> Result<Option<Self>, NetworkError> {
        if config.mode == Mode::Offline {
            return Ok(None);
        }
        let last = shared.readers.run(last_port).await.unwrap_or_default();
        let (endpoint, book) = endpoint::bind(&shared.key, config, last).await?;
        if let Some(port) = endpoint::port(&endpoint).filter(|port| Some(*port) != last) {
            let noted: Result<(), StoreError> = shared
                .writer
                .run(Durability::Refetchable, move |connection, _| {
                    remember_port(connection, port)
                })
                .await;
            if let Err(error) = noted {
                tracing::debug!(%error, "the port was not noted");
            }
        }
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let known = known.into_iter().map(|hint| (hint, Found::AddressBook));
        let configured = config
            .peers
            .iter()
            .map(|hint| (hint.clone(), Found::Configured));
        let peers = peers::spawn(
            shared,
            endpoint.clone(),
            book,
            config.mode,
            configured.chain(known).collect(),
            cancel.clone(),
            &tasks,
        );
        if config.mdns {
            tasks.spawn(mdns::run(endpoint.clone(), peers.clone(), cancel.clone()));
        }
        Ok(Some(Self {
            endpoint,
            peers,
            cancel,
            tasks,
        }))
    }

    pub(crate) fn peers(&self) -> &PeersHandle {
        &self.peers
    }

    /// Socket addresses at which others may reach this node.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        endpoint::addresses(&self.endpoint)
    }

    /// This node as a hint in a code.
    pub(crate) fn hint(&self) -> Hint {
        let address = self.endpoint.addr();
        Hint {
            endpoint: self.endpoint.id().into(),
            addresses: self.addresses(),
            relay: address.relay_urls().next().cloned(),
        }
    }

    /// Ends all sessions and closes the sockets, in bounded time.
    pub(crate) async fn stop(self) {
        self.cancel.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.tasks.wait()).await;
        if tokio::time::timeout(CLOSE_TIMEOUT, self.endpoint.close())
            .await
            .is_err()
        {
            tracing::debug!("the endpoint did not close in time");
        }
    }
}
