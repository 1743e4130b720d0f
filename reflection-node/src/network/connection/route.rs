// SPDX-License-Identifier: GPL-3.0-or-later
//! Which way a connection takes.

use std::net::SocketAddr;

use iroh::endpoint::Connection;

use crate::events::Route;

/// How a connection runs, and its round-trip time in milliseconds.
pub(in crate::network) fn route(connection: &Connection) -> (Route, u64) {
    let paths = connection.paths();
    let Some(path) = paths.iter().find(iroh::endpoint::Path::is_selected) else {
        return (Route::Unknown, 0);
    };
    let route = match path.remote_addr() {
        iroh::TransportAddr::Ip(address) => Route::Direct(*address),
        iroh::TransportAddr::Relay(url) => Route::Relayed(url.to_string()),
        _ => Route::Unknown,
    };
    (
        route,
        u64::try_from(path.rtt().as_millis()).unwrap_or(u64::MAX),
    )
}

/// The address at which a peer is seen, or the relay by which it came.
pub(crate) fn seen_at(connection: &Connection) -> (Option<SocketAddr>, Option<iroh::RelayUrl>) {
    match route(connection).0 {
        Route::Direct(address) => (Some(address), None),
        Route::Relayed(url) => (None, url.parse().ok()),
        Route::Unknown => (None, None),
    }
}
