// SPDX-License-Identifier: GPL-3.0-or-later
//! Everything that touches the network: the endpoint, the connections, and whom to dial.
//!
//! One QUIC connection per pair of peers carries all their common documents. The network as a
//! whole can be stopped and started again in another mode while documents stay open.

mod connection;
mod control;
mod endpoint;
mod locality;
mod peers;
mod plan;
mod relay;
mod release;
mod watch;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use iroh::RelayUrl;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub(crate) use connection::seen_at;
#[cfg(feature = "testing")]
pub(crate) use control::{Action, After, Control, Held, SessionEnd};
#[cfg(feature = "testing")]
pub(crate) use endpoint::ALPN;
pub use endpoint::NetworkError;
pub(crate) use endpoint::own_hint;
pub(crate) use locality::is_local;
pub(crate) use peers::PeersHandle;
pub(crate) use watch::History;

use self::relay::Relay;
use crate::access::Hint;
use crate::discovery::{bootstrap, mdns};
use crate::events::Found;
use crate::replication::{ReplicaOffer, quota};
use crate::shared::Shared;
use crate::store::peers::{last_port, remember_port};
use crate::store::{Durability, StoreError};

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
// Each is a switch of its own.
#[allow(clippy::struct_excessive_bools)]
pub struct NetworkConfig {
    /// How far; without any as far as was chosen last, and at first to the internet.
    pub mode: Option<Mode>,
    /// Addresses to listen at; by default a free port on all interfaces.
    pub bind: Vec<SocketAddr>,
    /// Peers to connect to, beside those in the address book.
    pub peers: Vec<Hint>,
    /// Relays in place of the public ones and of the public lookup.
    pub relays: Vec<RelayUrl>,
    /// Whether the public relays are used where no others are named.
    pub public_relays: bool,
    /// Whether the public address lookup is used, which learns the home relay and no address.
    pub public_lookup: bool,
    /// Nodes that introduce peers to each other.
    pub bootstrap: Vec<Hint>,
    /// Whether to introduce others that ask for it.
    pub serves_bootstrap: bool,
    /// Where to serve a relay for others, if anywhere.
    pub serves_relay: Option<SocketAddr>,
    /// What is offered to those who were given a ticket; nothing by default.
    pub replica: Option<ReplicaOffer>,
    /// Whether to announce and look for peers on the local network by multicast DNS.
    pub mdns: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            mode: None,
            bind: Vec::new(),
            peers: Vec::new(),
            relays: Vec::new(),
            public_relays: true,
            public_lookup: true,
            bootstrap: Vec::new(),
            serves_bootstrap: false,
            serves_relay: None,
            replica: None,
            mdns: true,
        }
    }
}

impl NetworkConfig {
    /// Whether a relay is to be expected in a mode.
    fn has_relays(&self, mode: Mode) -> bool {
        mode == Mode::Internet && (self.public_relays || !self.relays.is_empty())
    }
}

/// How long the tasks of a network may take to end.
const TASKS_TIMEOUT: Duration = Duration::from_millis(500);

/// A running network.
pub(crate) struct Network {
    endpoint: iroh::Endpoint,
    peers: PeersHandle,
    relay: Option<Relay>,
    /// Cancelled by the network itself when it wants to be built anew.
    rebuild: CancellationToken,
    cancel: CancellationToken,
    /// Ends everything when the network is dropped.
    _guard: DropGuard,
    tasks: TaskTracker,
}

impl Network {
    /// Opens the sockets and begins to dial. `None` in offline mode.
    pub(crate) async fn start(
        shared: Arc<Shared>,
        config: &NetworkConfig,
        mode: Mode,
        known: Vec<Hint>,
        history: tokio::sync::watch::Sender<History>,
    ) -> Result<Option<Self>, NetworkError> {
        shared.replication.offer(config.replica.is_some());
        if let Some(offer) = config.replica {
            let kept: Result<(), StoreError> = shared
                .writer
                .run(Durability::Durable, move |connection, _| {
                    quota::write(connection, offer)
                })
                .await;
            if let Err(error) = kept {
                tracing::warn!(%error, "the quota was not kept");
            }
        }
        if mode == Mode::Offline {
            return Ok(None);
        }
        let last = shared.readers.run(last_port).await.unwrap_or_default();
        let relay = match config.serves_relay {
            Some(address) => Some(Relay::serve(address).await?),
            None => None,
        };
        let (endpoint, book) = endpoint::bind(Arc::clone(&shared), config, mode, last).await?;
        if let Some(port) = endpoint::port(&endpoint).filter(|port| Some(*port) != last) {
            note_port(&shared, port).await;
        }
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let rebuild = CancellationToken::new();
        let known = known.into_iter().map(|hint| (hint, Found::AddressBook));
        let configured = config
            .peers
            .iter()
            .map(|hint| (hint.clone(), Found::Configured));
        let peers = peers::spawn(
            Arc::clone(&shared),
            endpoint.clone(),
            book,
            mode,
            config.serves_bootstrap,
            configured.chain(known).collect(),
            cancel.clone(),
            &tasks,
        );
        if config.mdns {
            tasks.spawn(mdns::run(endpoint.clone(), peers.clone(), cancel.clone()));
        }
        let nodes = config.bootstrap.iter();
        for node in nodes.filter_map(|node| endpoint::bootstrap_addr(node, config, mode)) {
            tasks.spawn(bootstrap::run_client(
                Arc::clone(&shared),
                endpoint.clone(),
                peers.clone(),
                node,
                cancel.clone(),
            ));
        }
        tasks.spawn(watch::run(
            shared,
            endpoint.clone(),
            config.has_relays(mode),
            peers.clone(),
            history,
            rebuild.clone(),
            cancel.clone(),
        ));
        Ok(Some(Self {
            endpoint,
            peers,
            relay,
            rebuild,
            _guard: cancel.clone().drop_guard(),
            cancel,
            tasks,
        }))
    }

    pub(crate) fn peers(&self) -> &PeersHandle {
        &self.peers
    }

    /// Runs a task until it is done or the network ends.
    pub(crate) fn tend(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            cancel.run_until_cancelled(task).await;
        });
    }

    /// Cancelled when the network wants to be built anew.
    pub(crate) fn rebuild(&self) -> CancellationToken {
        self.rebuild.clone()
    }

    /// Socket addresses at which others may reach this node.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        endpoint::addresses(&self.endpoint)
    }

    /// The relay that is served here.
    pub(crate) fn relay_url(&self) -> Option<RelayUrl> {
        self.relay.as_ref().and_then(Relay::url)
    }

    /// This node as a hint in a code.
    pub(crate) fn hint(&self) -> Hint {
        own_hint(&self.endpoint)
    }

    /// Ends all sessions and closes the sockets, in bounded time.
    pub(crate) async fn stop(self) {
        let Self {
            endpoint,
            relay,
            cancel,
            tasks,
            ..
        } = self;
        cancel.cancel();
        tasks.close();
        if tokio::time::timeout(TASKS_TIMEOUT, tasks.wait())
            .await
            .is_err()
        {
            tracing::debug!("the tasks of the network did not end in time");
        }
        release::release(endpoint).await;
        if let Some(relay) = relay {
            relay.stop().await;
        }
    }
}

async fn note_port(shared: &Shared, port: u16) {
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
