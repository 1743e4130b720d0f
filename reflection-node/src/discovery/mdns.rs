// SPDX-License-Identifier: GPL-3.0-or-later
//! Peers on the local network, by multicast DNS.
//!
//! A service that was started without a usable interface answers but never discovers (measured
//! with iroh-mdns-address-lookup 0.6), so another one is added whenever the endpoint gets addresses
//! that it did not have. What cannot be helped: without a default route the system gives the
//! service no interface to join, and it hears nothing; a code with a hint, or an address given by
//! hand, works there all the same.
//!
//! Anybody on the network can announce anything, so of what is announced only addresses of the
//! local network are taken, and no relay.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::Pin;

use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{Stream, StreamExt};
use iroh::address_lookup::{
    AddrFilter, AddressLookup, EndpointData, EndpointInfo, Error as LookupError, Item,
};
use iroh::{Endpoint, EndpointId, TransportAddr, Watcher};
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use tokio_util::sync::CancellationToken;

use crate::access::Hint;
use crate::events::Found;
use crate::network::{PeersHandle, is_local};

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
                // Addresses that went and come again may be on another interface.
                known = present;
                if (is_new || services == 0) && services < SERVICES_MAX {
                    services += 1;
                    start(&endpoint, &mut discoveries).await;
                }
            }
            Some(event) = discoveries.next() => {
                if let DiscoveryEvent::Discovered { endpoint_info, .. } = event {
                    let hint = Hint {
                        endpoint: endpoint_info.endpoint_id.into(),
                        addresses: endpoint_info
                            .ip_addrs()
                            .filter(|address| is_local(address))
                            .copied()
                            .collect(),
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
        .addr_filter(AddrFilter::new(|addresses| {
            std::borrow::Cow::Owned(local_only(addresses))
        }))
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
        services.add(LocalLookup(service));
    }
}

fn local_only(addresses: &[TransportAddr]) -> Vec<TransportAddr> {
    addresses
        .iter()
        .filter(|address| matches!(address, TransportAddr::Ip(address) if is_local(address)))
        .cloned()
        .collect()
}

/// The service as the endpoint asks it for addresses: it answers with local ones alone.
#[derive(Debug)]
struct LocalLookup(MdnsAddressLookup);

impl AddressLookup for LocalLookup {
    fn publish(&self, data: &EndpointData) {
        self.0.publish(data);
    }

    fn resolve(
        &self,
        endpoint_id: EndpointId,
    ) -> Option<BoxStream<'static, Result<Item, LookupError>>> {
        let items = self.0.resolve(endpoint_id)?;
        Some(Box::pin(
            items.map(|item| item.map(|item| only_local(&item))),
        ))
    }
}

/// An announcement without what does not belong to the local network.
fn only_local(item: &Item) -> Item {
    let addresses = item.to_endpoint_addr();
    let kept: Vec<TransportAddr> = addresses.addrs.into_iter().collect();
    let data = EndpointData::new(local_only(&kept));
    Item::new(
        EndpointInfo::from_parts(item.endpoint_id(), data),
        item.provenance(),
        item.last_updated(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_neighbour_that_announces_public_addresses_and_relays_is_heard_without_them() {
        let id = crate::identity::AuthorKey::generate()
            .id()
            .endpoint_id()
            .unwrap();
        let announced = [
            TransportAddr::Ip("192.168.1.7:4000".parse().unwrap()),
            TransportAddr::Ip("203.0.113.9:4000".parse().unwrap()),
            TransportAddr::Ip("[2001:db8::9]:4000".parse().unwrap()),
            TransportAddr::Relay("https://relay.example".parse().unwrap()),
        ];
        let info = EndpointInfo::from_parts(id, EndpointData::new(announced.to_vec()));
        let heard = only_local(&Item::new(info, "mdns", None)).into_endpoint_addr();
        assert_eq!(heard.id, id);
        assert_eq!(
            heard.addrs.into_iter().collect::<Vec<_>>(),
            [TransportAddr::Ip("192.168.1.7:4000".parse().unwrap())]
        );
    }
}
