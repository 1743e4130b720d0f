// SPDX-License-Identifier: GPL-3.0-or-later
//! Which addresses are of the local network.
//!
//! Those that no router carries to the world, and those that this machine reaches without a router:
//! neighbours have addresses of the whole world too, with IPv6 nearly always, and the transport
//! takes whichever answers first.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the networks that were found are believed; asking the system for them takes a while,
/// and strangers decide how often that would be.
const NETWORKS_AGE_MAX: Duration = Duration::from_secs(2);

/// A network that one of this machine's interfaces is in: the interface's address, and how many
/// of its bits are those of the network.
pub(super) type Net = (IpAddr, u8);

/// Whether an address belongs to this machine or the network it is on.
pub(crate) fn is_local(address: &SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    is_private(&ip) || is_within(&ip, &present())
}

/// The networks that this machine's interfaces are in.
pub(super) fn networks() -> Vec<Net> {
    let mut networks = Vec::new();
    for interface in netdev::get_interfaces() {
        let v4 = interface.ipv4.iter();
        networks.extend(v4.map(|net| (IpAddr::V4(net.addr()), net.prefix_len())));
        let v6 = interface.ipv6.iter();
        networks.extend(v6.map(|net| (IpAddr::V6(net.addr()), net.prefix_len())));
    }
    networks
}

/// The networks as they were found lately.
fn present() -> Vec<Net> {
    static FOUND: Mutex<Option<(Instant, Vec<Net>)>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    match &*found {
        Some((when, networks)) if when.elapsed() < NETWORKS_AGE_MAX => networks.clone(),
        _ => {
            let networks = networks();
            *found = Some((Instant::now(), networks.clone()));
            networks
        }
    }
}

/// Whether no router carries it to the world.
fn is_private(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn is_within(ip: &IpAddr, networks: &[Net]) -> bool {
    networks.iter().any(|(own, length)| match (ip, own) {
        (IpAddr::V4(ip), IpAddr::V4(own)) => {
            shares(ip.to_bits().into(), own.to_bits().into(), *length, 32)
        }
        (IpAddr::V6(ip), IpAddr::V6(own)) => shares(ip.to_bits(), own.to_bits(), *length, 128),
        _ => false,
    })
}

/// Whether the first `length` of `width` bits are the same. No bits would be the whole world.
fn shares(one: u128, other: u128, length: u8, width: u8) -> bool {
    let rest = u32::from(width.saturating_sub(length));
    length > 0 && (one ^ other).checked_shr(rest).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse::<SocketAddr>().unwrap().ip().to_canonical()
    }

    #[test]
    fn the_local_network_is_what_no_router_carries_to_the_world() {
        for local in [
            "127.0.0.1:1",
            "10.0.0.7:1",
            "192.168.3.4:1",
            "172.16.0.1:1",
            "169.254.1.1:1",
            "[::1]:1",
            "[fe80::1]:1",
            "[fd00::1]:1",
            "[::ffff:192.168.3.4]:1",
        ] {
            assert!(is_private(&ip(local)), "{local}");
            assert!(is_local(&local.parse().unwrap()), "{local}");
        }
        for public in [
            "203.0.113.1:1",
            "172.32.0.1:1",
            "[2001:db8::1]:1",
            "[::ffff:203.0.113.1]:1",
            "0.0.0.0:1",
        ] {
            assert!(!is_private(&ip(public)), "{public}");
        }
    }

    #[test]
    fn a_neighbour_is_local_by_whatever_address_the_network_gave_it() {
        let networks = [
            (ip("203.0.113.130:1"), 25),
            (ip("[2001:db8:7:9::5]:1"), 64),
            (ip("198.51.100.7:1"), 32),
            (ip("192.0.2.1:1"), 0),
            (ip("[2001:db8:8::1]:1"), 0),
        ];
        for near in [
            "203.0.113.130:1",
            "203.0.113.200:1",
            "[::ffff:203.0.113.200]:1",
            "[2001:db8:7:9:aaaa::1]:1",
            "198.51.100.7:1",
        ] {
            assert!(is_within(&ip(near), &networks), "{near}");
        }
        for far in [
            "203.0.113.1:1",
            "198.51.100.8:1",
            "[2001:db8:7:a::5]:1",
            "192.0.2.1:1",
            "0.0.0.0:1",
        ] {
            assert!(!is_within(&ip(far), &networks), "{far}");
        }
    }

    #[test]
    fn every_address_of_this_machine_is_local() {
        for (own, _) in networks() {
            assert!(is_local(&(own, 1).into()), "{own}");
        }
    }
}
