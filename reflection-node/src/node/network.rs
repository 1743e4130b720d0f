// SPDX-License-Identifier: GPL-3.0-or-later
//! How far the node reaches, and whom it knows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use iroh::RelayUrl;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Inner, NetworkState, Node};
use crate::events::{Event, Found, Route};
use crate::identity::AuthorId;
use crate::network::{History, Mode, Network, NetworkError};
use crate::store::peers::{self, LastSync};
use crate::store::{Durability, StoreError};

/// How long a network waits for its addresses to be free, which may have been its own before.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it looks whether they are.
const ADDRESS_PAUSE: Duration = Duration::from_millis(50);
/// Until a network that could not be had is tried again, at first and at most.
const TRIAL_PAUSE_MIN: Duration = Duration::from_secs(1);
const TRIAL_PAUSE_MAX: Duration = Duration::from_secs(30);

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
    /// How far the node is to reach now.
    pub async fn mode(&self) -> Mode {
        self.inner.network.lock().await.mode
    }

    /// Changes how far the node reaches, now and when it is started again; documents stay open.
    ///
    /// After an error the mode is another one all the same: its network is tried again until it is
    /// there or another mode is chosen, and [`Event::ModeChanged`] tells when it is.
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
        let is_first = network.asked == 0;
        network.asked += 1;
        let asked = network.asked;
        if let Some(running) = network.running.take() {
            running.stop().await;
        }
        if is_change {
            network.mode = mode;
            network.history.send_replace(History::default());
        }
        let patience = if is_first {
            Duration::ZERO
        } else {
            ADDRESS_TIMEOUT
        };
        let started = self.run_within(&mut network, patience).await;
        drop(network);
        if is_change {
            self.inner.shared.events.emit(&Event::ModeChanged { mode });
        }
        if let Err(error) = &started
            && !is_first
        {
            let message = format!("the network did not start and is tried again: {error}");
            self.inner.shared.events.emit(&Event::Error { message });
            let trying = keep_trying(
                Arc::downgrade(&self.inner),
                self.inner.closing.clone(),
                asked,
            );
            self.inner.runtime.spawn(trying);
        }
        started
    }

    /// Starts the network of the mode, more than once where it does not start and there is time.
    async fn run_within(
        &self,
        network: &mut NetworkState,
        patience: Duration,
    ) -> Result<(), NetworkError> {
        let until = Instant::now() + patience;
        loop {
            match self.run_network(network).await {
                Err(error) if Instant::now() < until => {
                    tracing::debug!(%error, "the network does not start yet");
                    tokio::time::sleep(ADDRESS_PAUSE).await;
                }
                ended => return ended,
            }
        }
    }

    async fn run_network(&self, network: &mut NetworkState) -> Result<(), NetworkError> {
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
            network.mode,
            known,
            network.history.clone(),
        )
        .await?;
        if let Some(running) = &network.running {
            let (inner, rebuild) = (Arc::downgrade(&self.inner), running.rebuild());
            running.tend(rebuild_when_asked(inner, rebuild));
        }
        Ok(())
    }

    /// Tries for the network that was asked for once more; whether nothing is left to be tried.
    async fn try_again(&self, asked: u64) -> bool {
        let mut network = self.inner.network.lock().await;
        if network.asked != asked {
            return true;
        }
        if let Err(error) = self.run_network(&mut network).await {
            tracing::debug!(%error, "the network still does not start");
            return false;
        }
        let mode = network.mode;
        drop(network);
        self.inner.shared.events.emit(&Event::ModeChanged { mode });
        true
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
            // What went wrong is told and tried again.
            let _ = node.start_network(mode).await;
        });
    })
}

/// Tries for the network that was asked for until it is there, another one is asked for, or the
/// node ends.
fn keep_trying(
    inner: Weak<Inner>,
    closing: CancellationToken,
    asked: u64,
) -> BoxFuture<'static, ()> {
    let trying = Box::pin(async move {
        let mut pause = TRIAL_PAUSE_MIN;
        loop {
            tokio::time::sleep(pause).await;
            let Some(inner) = inner.upgrade() else {
                return;
            };
            if (Node { inner }).try_again(asked).await {
                return;
            }
            pause = (pause * 2).min(TRIAL_PAUSE_MAX);
        }
    });
    Box::pin(async move {
        closing.run_until_cancelled(trying).await;
    })
}
