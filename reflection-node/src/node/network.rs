// SPDX-License-Identifier: GPL-3.0-or-later
//! How far the node reaches.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Node;
use crate::events::Event;
use crate::network::{Mode, Network, NetworkError};
use crate::store::peers;

impl Node {
    /// How far the node reaches now.
    pub async fn mode(&self) -> Mode {
        self.inner.network.lock().await.config.mode
    }

    /// Changes how far the node reaches; documents stay open.
    pub async fn set_mode(&self, mode: Mode) -> Result<(), NetworkError> {
        let node = self.clone();
        self.inside(async move { node.start_network(mode).await })
            .await
    }

    pub(super) async fn start_network(&self, mode: Mode) -> Result<(), NetworkError> {
        let mut network = self.inner.network.lock().await;
        let is_change = network.config.mode != mode;
        if let Some(running) = network.running.take() {
            running.stop().await;
        }
        network.config.mode = mode;
        let known = self
            .inner
            .shared
            .readers
            .run(peers::all)
            .await
            .unwrap_or_default();
        network.running =
            Network::start(Arc::clone(&self.inner.shared), &network.config, known).await?;
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
}
