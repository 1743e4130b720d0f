// SPDX-License-Identifier: GPL-3.0-or-later
//! How far the node reaches, and whom it knows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;
use iroh::RelayUrl;
use tokio_util::sync::CancellationToken;

use super::{Inner, Node};
use crate::events::{Event, Found, Route};
use crate::identity::AuthorId;
use crate::network::{History, Mode, Network, NetworkError};
use crate::store::peers::{self, LastSync};
use crate::store::{Durability, StoreError};

/// A peer that is or was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Which.
    pub peer: AuthorId,
    /// How it became known to this run of the program.
    pub found: Option<Found>,
    /// The connection that stands, and its round-trip time in milliseconds.
    pub connected: Option<(Route, u64)>,
    /// Where it was reached before, or said to be.
    pub addresses: Vec<SocketAddr>,
    /// Its relay.
    pub relay: Option<RelayUrl>,
    /// When it was connected last, microseconds since 1970.
    pub last_seen_us: Option<u64>,
    /// The last exchange with it.
    pub last_sync: Option<LastSync>,
}

impl Node {
    /// How far the node reaches now.
    pub async fn mode(&self) -> Mode {
        self.inner.network.lock().await.mode
    }

    /// Changes how far the node reaches, now and when it is started again; documents stay open.
    pub async fn set_mode(&self, mode: Mode) -> Result<(), NetworkError> {
        if let Err(error) = self.remember_mode(mode).await {
            tracing::warn!(%error, "the mode was not noted");
        }
        let node = self.clone();
        self.inside(async move { node.start_network(mode).await })
            .await
    }

    /// How far the node is to reach when it is started and not told.
    pub async fn remembered_mode(&self) -> Result<Mode, StoreError> {
        let mode = self.inner.shared.readers.run(peers::last_mode).await?;
        Ok(mode.unwrap_or_default())
    }

    /// Sets how far the node is to reach when it is started and not told.
    pub async fn remember_mode(&self, mode: Mode) -> Result<(), StoreError> {
        self.inner
            .shared
            .writer
            .run(Durability::Durable, move |connection, _| {
                peers::remember_mode(connection, mode)
            })
            .await
    }

    pub(super) async fn start_network(&self, mode: Mode) -> Result<(), NetworkError> {
        let closing = self.inner.closing.clone();
        tokio::select! {
            biased;
            // Whoever shuts down wants no network any more.
            () = closing.cancelled() => Ok(()),
            started = self.replace_network(mode) => started,
        }
    }

    async fn replace_network(&self, mode: Mode) -> Result<(), NetworkError> {
        let mut network = self.inner.network.lock().await;
        let is_change = network.mode != mode;
        if let Some(running) = network.running.take() {
            running.stop().await;
        }
        if is_change {
            network.mode = mode;
            network.history.send_replace(History::default());
        }
        let known = self
            .inner
            .shared
            .readers
            .run(peers::all)
            .await
            .unwrap_or_default();
        network.running = Network::start(
            Arc::clone(&self.inner.shared),
            &network.config,
            mode,
            known,
            network.history.clone(),
        )
        .await?;
        if let Some(running) = &network.running {
            let (inner, rebuild) = (Arc::downgrade(&self.inner), running.rebuild());
            running.tend(rebuild_when_asked(inner, rebuild));
        }
        drop(network);
        if is_change {
            self.inner.shared.events.emit(&Event::ModeChanged { mode });
        }
        Ok(())
    }

    /// Socket addresses at which others may reach this node.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        let network = self.inner.network.lock().await;
        network
            .running
            .as_ref()
            .map(Network::addresses)
            .unwrap_or_default()
    }

    /// The relay that this node serves for others.
    pub async fn served_relay(&self) -> Option<RelayUrl> {
        let network = self.inner.network.lock().await;
        network.running.as_ref().and_then(Network::relay_url)
    }

    /// All peers that are known: those of the address book and those met since the start.
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, StoreError> {
        let book = self.inner.shared.readers.run(peers::book).await?;
        let handle = {
            let network = self.inner.network.lock().await;
            network
                .running
                .as_ref()
                .map(|running| running.peers().clone())
        };
        let mut all: BTreeMap<AuthorId, PeerInfo> = book
            .into_iter()
            .map(|known| {
                let info = PeerInfo {
                    peer: known.hint.endpoint,
                    found: None,
                    connected: None,
                    addresses: known.hint.addresses,
                    relay: known.hint.relay,
                    last_seen_us: known.last_seen_us,
                    last_sync: known.last_sync,
                };
                (info.peer, info)
            })
            .collect();
        let links = match handle {
            Some(handle) => handle.links().await,
            None => Vec::new(),
        };
        for link in links {
            let info = all.entry(link.peer).or_insert_with(|| PeerInfo {
                peer: link.peer,
                found: None,
                connected: None,
                addresses: Vec::new(),
                relay: None,
                last_seen_us: None,
                last_sync: None,
            });
            info.found = Some(link.found);
            info.connected = link.route;
        }
        Ok(all.into_values().collect())
    }
}

/// Builds the network anew in the mode that it has, once it asks for that.
fn rebuild_when_asked(inner: Weak<Inner>, rebuild: CancellationToken) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        rebuild.cancelled().await;
        // In a task of its own: the network that this one belongs to is about to end.
        tokio::spawn(async move {
            let Some(inner) = inner.upgrade() else {
                return;
            };
            let node = Node { inner };
            let mode = node.mode().await;
            tracing::info!("the network is built anew because its relay does not answer");
            if let Err(error) = node.start_network(mode).await {
                let message = format!("the network did not start again: {error}");
                node.inner.shared.events.emit(&Event::Error { message });
            }
        });
    })
}
