// SPDX-License-Identifier: GPL-3.0-or-later
//! `peers`: whom this installation knows.

use clap::Args;
use reflection_doc::library::Library;
use reflection_node::{LastSync, PeerInfo, RelayUrl};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CommandError, Results, give};
use crate::output::{event, time};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peers {}

impl Peers {
    #[allow(clippy::unused_self)]
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        for info in library.node().peers().await? {
            give(results, line(&info)).await;
        }
        Ok(())
    }
}

fn line(info: &PeerInfo) -> Value {
    let (route, address, rtt_ms) = match &info.connected {
        Some((route, rtt_ms)) => {
            let (route, address) = event::route(route);
            (Some(route), address, Some(rtt_ms))
        }
        None => (None, None, None),
    };
    json!({
        "peer": info.peer.to_string(),
        "how": info.found.map(event::how),
        "connected": info.connected.is_some(),
        "route": route,
        "address": address,
        "rtt_ms": rtt_ms,
        "addresses": info.addresses,
        "relay": info.relay.as_ref().map(RelayUrl::to_string),
        "last_seen": info.last_seen_us.map(time),
        "last_sync": info.last_sync.as_ref().map(last_sync),
    })
}

fn last_sync(sync: &LastSync) -> Value {
    json!({
        "time": time(sync.time_us),
        "operations_in": sync.counts.operations_in,
        "operations_out": sync.counts.operations_out,
        "bytes_in": sync.counts.bytes_in,
        "bytes_out": sync.counts.bytes_out,
        "duration_ms": sync.duration_ms,
    })
}
