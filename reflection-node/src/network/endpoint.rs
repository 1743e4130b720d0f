// SPDX-License-Identifier: GPL-3.0-or-later
//! The iroh endpoint for each mode.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use iroh::address_lookup::memory::MemoryLookup;
use iroh::address_lookup::{AddrFilter, DnsAddressLookup, PkarrPublisher, PkarrResolver};
use iroh::endpoint::{BindOpts, QuicTransportConfig, VarInt, presets};
use iroh::{Endpoint, EndpointAddr, RelayMap, RelayMode, TransportAddr};

use super::locality::{Net, is_local, networks};
use super::{Mode, NetworkConfig};
use crate::access::Hint;
use crate::discovery::bootstrap;
use crate::gossip::{self, Gate};
use crate::migration::PROTOCOL_VERSION;
use crate::shared::Shared;

/// Protocol version and network in one: nodes that differ in it never talk.
pub(crate) const ALPN: &[u8] = b"app.reflection/sync/1";
const _: () = assert!(
    ALPN[ALPN.len() - 1] == b'0' + PROTOCOL_VERSION,
    "a new protocol has a network of its own"
);
/// Document streams that a peer may have open at once on a connection.
const STREAMS_MAX: u32 = 1024;
/// Bytes that a peer may send on one stream before they are read here.
const STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// After this silence a connection is over, in milliseconds. A silent peer keeps it for five
/// seconds more on the side that still sends, which is still less than the thirty after which
/// nobody may be shown as online any more.
const IDLE_TIMEOUT_MS: u32 = 20_000;

/// Bytes that a peer may send on all its streams before they are read here.
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// Why the network could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A socket could not be bound.
    #[error("cannot listen at {addresses}: {reason}")]
    Bind {
        /// Where.
        addresses: String,
        /// What the system said.
        reason: String,
    },
    /// The relay that is to be served could not be started.
    #[error("cannot serve a relay at {address}: {reason}")]
    Relay {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

/// Opens an endpoint; also gives the table in which it finds peers' addresses.
///
/// Where a free port is asked for, `port` is tried first: a node that comes back at the port it
/// had is found by the addresses that others remember and that codes carry.
pub(super) async fn bind(
    shared: Arc<Shared>,
    config: &NetworkConfig,
    mode: Mode,
    port: Option<u16>,
) -> Result<(Endpoint, MemoryLookup), NetworkError> {
    let is_free = config.bind.iter().all(|address| address.port() == 0);
    if let Some(port) = port.filter(|_| is_free) {
        let mut again = config.clone();
        if again.bind.is_empty() {
            again.bind = vec![
                (Ipv4Addr::UNSPECIFIED, 0).into(),
                (Ipv6Addr::UNSPECIFIED, 0).into(),
            ];
        }
        for address in &mut again.bind {
            address.set_port(port);
        }
        match bind_at(Arc::clone(&shared), &again, mode).await {
            Ok(bound) => return Ok(bound),
            Err(error) => tracing::debug!(%error, "the port of last time is not free"),
        }
    }
    bind_at(shared, config, mode).await
}

/// The port to come back to.
pub(super) fn port(endpoint: &Endpoint) -> Option<u16> {
    endpoint.bound_sockets().first().map(SocketAddr::port)
}

async fn bind_at(
    shared: Arc<Shared>,
    config: &NetworkConfig,
    mode: Mode,
) -> Result<(Endpoint, MemoryLookup), NetworkError> {
    let book = MemoryLookup::new();
    let builder = reach(config, mode);
    let transport = QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        // Gossip connections alone have some; they are allowed where such a one is accepted.
        .max_concurrent_uni_streams(0_u32.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(CONNECTION_WINDOW_BYTES.into())
        .keep_alive_interval(Duration::from_secs(5))
        .max_idle_timeout(Some(VarInt::from(IDLE_TIMEOUT_MS).into()))
        .build();
    let mut builder = builder
        .secret_key(shared.key.iroh_secret())
        .alpns(alpns(config))
        .hooks(Gate(shared))
        .transport_config(transport)
        .address_lookup(book.clone());
    let bind_error = |reason: String| NetworkError::Bind {
        addresses: if config.bind.is_empty() {
            "any address".into()
        } else {
            config
                .bind
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        },
        reason,
    };
    if !config.bind.is_empty() {
        builder = builder.clear_ip_transports();
        for (address, options) in sockets(&config.bind, &networks()) {
            builder = builder
                .bind_addr_with_opts(address, options)
                .map_err(|error| bind_error(error.to_string()))?;
        }
    }
    let endpoint = builder
        .bind()
        .await
        .map_err(|error| bind_error(bind_reason(&error)))?;
    Ok((endpoint, book))
}

/// How to listen at these addresses. Of each family one socket reaches out wherever no other one's
/// network is: the one that is open to all addresses, or the first. It has to be bound last.
fn sockets(bind: &[SocketAddr], networks: &[Net]) -> Vec<(SocketAddr, BindOpts)> {
    let mut sockets = Vec::new();
    for is_v6 in [false, true] {
        let family = bind.iter().filter(|address| address.is_ipv6() == is_v6);
        let mut family: Vec<SocketAddr> = family.copied().collect();
        family.dedup();
        family.sort_by_key(|address| !address.ip().is_unspecified());
        let Some((first, others)) = family.split_first() else {
            continue;
        };
        for address in others {
            let known = networks.iter().find(|(ip, _)| *ip == address.ip());
            let alone = if is_v6 { 128 } else { 32 };
            let options = BindOpts::default()
                .set_prefix_len(known.map_or(alone, |(_, length)| *length))
                .set_is_default_route(false);
            sockets.push((*address, options));
        }
        // A system without IPv6 is no reason not to listen.
        let is_required = *first != unspecified_v6(first.port());
        sockets.push((*first, BindOpts::default().set_is_required(is_required)));
    }
    sockets
}

/// The protocols that are answered.
fn alpns(config: &NetworkConfig) -> Vec<Vec<u8>> {
    let mut alpns = vec![ALPN.to_vec(), gossip::ALPN.to_vec()];
    if config.serves_bootstrap {
        alpns.push(bootstrap::ALPN.to_vec());
    }
    alpns
}

/// Relays and address lookup, as far as the mode and the configuration allow.
///
/// The preset that names nothing outside this machine is the ground, so that what is switched off
/// is not there. Relays of one's own replace the public ones and the public lookup too: whoever
/// keeps to their own servers is not published at others'.
fn reach(config: &NetworkConfig, mode: Mode) -> iroh::endpoint::Builder {
    let builder = Endpoint::builder(presets::Minimal);
    if mode != Mode::Internet {
        return builder;
    }
    if !config.relays.is_empty() {
        let relays = config.relays.iter().cloned().collect::<RelayMap>();
        return builder.relay_mode(RelayMode::Custom(relays));
    }
    let builder = if config.public_relays {
        builder.relay_mode(iroh::endpoint::default_relay_mode())
    } else {
        builder
    };
    if !config.public_lookup {
        return builder;
    }
    builder
        .address_lookup(PkarrPublisher::n0_dns().addr_filter(home_relay_only()))
        .address_lookup(PkarrResolver::n0_dns())
        .address_lookup(DnsAddressLookup::n0_dns())
}

/// What is published where everybody can read it: the home relay, never an address.
fn home_relay_only() -> AddrFilter {
    AddrFilter::new(|addresses| {
        std::borrow::Cow::Owned(
            addresses
                .iter()
                .filter(|address| matches!(address, TransportAddr::Relay(_)))
                .cloned()
                .collect(),
        )
    })
}

fn unspecified_v6(port: u16) -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, port).into()
}

/// The innermost cause, which is the system's.
fn bind_reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind)
    {
        Some(std::io::ErrorKind::AddrInUse) => "the address is in use".into(),
        _ => innermost.to_string(),
    }
}

/// Where an endpoint can be reached: what it knows of itself, or else what it is bound to.
pub(super) fn addresses(endpoint: &Endpoint) -> Vec<SocketAddr> {
    let known: Vec<SocketAddr> = endpoint.addr().ip_addrs().copied().collect();
    if !known.is_empty() {
        return known;
    }
    endpoint
        .bound_sockets()
        .into_iter()
        .filter(|address| !address.ip().is_unspecified())
        .collect()
}

/// This endpoint as others may be told of it.
pub(crate) fn own_hint(endpoint: &Endpoint) -> Hint {
    Hint {
        endpoint: endpoint.id().into(),
        addresses: addresses(endpoint),
        relay: endpoint.addr().relay_urls().next().cloned(),
    }
}

/// A hint as the transport takes it, with what the mode allows to be dialled; `None` if it names
/// nobody.
pub(super) fn endpoint_addr(hint: &Hint, mode: Mode) -> Option<EndpointAddr> {
    let addresses = hint
        .addresses
        .iter()
        .filter(|address| mode == Mode::Internet || is_local(address))
        .map(|address| TransportAddr::Ip(*address));
    let relay = hint
        .relay
        .iter()
        .filter(|_| mode == Mode::Internet)
        .map(|relay| TransportAddr::Relay(relay.clone()));
    Some(EndpointAddr {
        id: hint.endpoint.endpoint_id()?,
        addrs: addresses.chain(relay).collect(),
    })
}

/// A bootstrap node as it is dialled. Where no relay is said to be its own, it is looked for at all
/// that are configured: with relays of one's own nobody else tells.
pub(super) fn bootstrap_addr(
    hint: &Hint,
    config: &NetworkConfig,
    mode: Mode,
) -> Option<EndpointAddr> {
    let mut address = endpoint_addr(hint, mode)?;
    if mode == Mode::Internet && hint.relay.is_none() {
        let relays = config.relays.iter().cloned();
        address.addrs.extend(relays.map(TransportAddr::Relay));
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::IpAddr;

    use super::*;

    #[tokio::test]
    async fn several_addresses_of_a_family_are_listened_at() {
        let bind: Vec<SocketAddr> = ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"]
            .map(|address| address.parse().unwrap())
            .into();
        let networks = [("127.0.0.1".parse().unwrap(), 8)];
        let mut builder = Endpoint::builder(presets::Minimal).clear_ip_transports();
        for (address, options) in sockets(&bind, &networks) {
            builder = builder.bind_addr_with_opts(address, options).unwrap();
        }
        let endpoint = builder
            .relay_mode(RelayMode::Disabled)
            .bind()
            .await
            .unwrap();
        let bound: Vec<IpAddr> = endpoint
            .bound_sockets()
            .iter()
            .map(SocketAddr::ip)
            .collect();
        for address in bind {
            assert!(bound.contains(&address.ip()), "{bound:?}");
        }
        endpoint.close().await;
    }

    #[test]
    fn no_address_is_published_where_everybody_reads() {
        let relay = TransportAddr::Relay("https://relay.example".parse().unwrap());
        let known = vec![
            TransportAddr::Ip("192.168.3.4:1".parse().unwrap()),
            relay.clone(),
            TransportAddr::Ip("203.0.113.1:1".parse().unwrap()),
        ];
        assert_eq!(home_relay_only().apply(&known).into_owned(), [relay]);
    }
}
