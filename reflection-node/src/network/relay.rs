// SPDX-License-Identifier: GPL-3.0-or-later
//! A relay in this process: it passes on sealed packets between peers that cannot reach each other.
//!
//! It speaks plain HTTP; what it carries is encrypted between the peers, and whoever wants HTTPS
//! puts a web server before it. It sees who talks to whom, how much and when, and nothing else.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use iroh::RelayUrl;
use iroh_relay::server::{ClientRateLimit, RelayConfig, Server, ServerConfig};

use super::NetworkError;

/// Bytes a second that one client may send on average.
const CLIENT_BYTES_PER_SECOND: NonZeroU32 = NonZeroU32::new(4 * 1024 * 1024).unwrap();
/// Bytes that one client may send at once.
const CLIENT_BURST_BYTES: NonZeroU32 = NonZeroU32::new(16 * 1024 * 1024).unwrap();
/// Clients whose keys are kept decoded.
const KEYS_KEPT: usize = 1024;
/// How long clients have to be let go.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// A relay that is being served.
pub(super) struct Relay {
    server: Server,
}

impl Relay {
    pub(super) async fn serve(address: SocketAddr) -> Result<Self, NetworkError> {
        let mut limit = ClientRateLimit::new(CLIENT_BYTES_PER_SECOND);
        limit.max_burst_bytes = Some(CLIENT_BURST_BYTES);
        let mut relay = RelayConfig::new(address);
        relay.limits.client_rx = Some(limit);
        relay.key_cache_capacity = Some(KEYS_KEPT);
        let mut config = ServerConfig::default();
        config.relay = Some(relay);
        let server = Server::spawn(config)
            .await
            .map_err(|error| NetworkError::Relay {
                address,
                reason: format!("{error:#}"),
            })?;
        Ok(Self { server })
    }

    /// Where clients find it.
    pub(super) fn url(&self) -> Option<RelayUrl> {
        let address = self.server.http_addr()?;
        format!("http://{address}").parse().ok()
    }

    pub(super) async fn stop(self) {
        if tokio::time::timeout(CLOSE_TIMEOUT, self.server.shutdown())
            .await
            .is_err()
        {
            tracing::debug!("the relay did not close in time");
        }
    }
}
