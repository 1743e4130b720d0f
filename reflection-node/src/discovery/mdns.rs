// SPDX-License-Identifier: GPL-3.0-or-later
//! Peers on the local network, by multicast DNS.
//!
//! An mDNS service that was started without a usable interface answers but never discovers
//! (measured with iroh-mdns-address-lookup 0.6), so another one is added whenever the endpoint
//! gets addresses that it did not have.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::Pin;

use futures_util::{Stream, StreamExt, stream::SelectAll};
use iroh::{Endpoint, Watcher};
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use tokio_util::sync::CancellationToken;

use crate::access::Hint;
use crate::events::Found;
use crate::network::PeersHandle;

/// The name of the service on the local network.
const SERVICE_NAME: &str = "reflection";
/// Services started over the life of an endpoint; a network that changes more often than that is
/// served by those that run.
const SERVICES_MAX: usize = 16;

type Discoveries = SelectAll<Pin<Box<dyn Stream<Item = DiscoveryEvent> + Send>>>;

/// Announces this node and hands on the peers that are found, until cancelled.
pub(crate) async fn run(endpoint: Endpoint, peers: PeersHandle, cancel: CancellationToken) {
    let mut discoveries = Discoveries::new();
    let mut known: BTreeSet<SocketAddr> = BTreeSet::new();
    let mut services = 0;
    let mut addresses = endpoint.watch_addr().stream();
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            Some(address) = addresses.next() => {
                let present: BTreeSet<SocketAddr> = address
                    .ip_addrs()
                    .filter(|address| !address.ip().is_loopback())
                    .copied()
                    .collect();
                let is_new = present.difference(&known).next().is_some();
                known.extend(present);
                if (is_new || services == 0) && services < SERVICES_MAX {
                    services += 1;
                    start(&endpoint, &mut discoveries).await;
                }
            }
            Some(event) = discoveries.next() => {
                if let DiscoveryEvent::Discovered { endpoint_info, .. } = event {
                    let hint = Hint {
                        endpoint: endpoint_info.endpoint_id.into(),
                        addresses: endpoint_info.ip_addrs().copied().collect(),
                        relay: None,
                    };
                    peers.add(hint, Found::LocalNetwork);
                }
            }
            else => return,
        }
    }
}

async fn start(endpoint: &Endpoint, discoveries: &mut Discoveries) {
    let service = match MdnsAddressLookup::builder()
        .service_name(SERVICE_NAME)
        .build(endpoint.id())
    {
        Ok(service) => service,
        Err(error) => {
            tracing::debug!(%error, "multicast DNS is not available");
            return;
        }
    };
    discoveries.push(Box::pin(service.subscribe().await));
    if let Ok(services) = endpoint.address_lookup() {
        services.add(service);
    }
}
