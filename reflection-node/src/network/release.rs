// SPDX-License-Identifier: GPL-3.0-or-later
//! Letting an endpoint go, with its sockets.
//!
//! The transport's own way to close waits until every peer has confirmed that its connection ends,
//! or for three probe timeouts. Those are three seconds for a connection whose handshake is not
//! done, which is what every dial to somebody who is away looks like, and the sockets stay open for as
//! long: once begun it cannot be cut short, not even by dropping the endpoint (measured with iroh
//! 1.4). An endpoint that is dropped unclosed takes its sockets with it at once. So connections
//! are closed one by one, what tells their peers is given time to get out, and the rest is dropped.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use iroh::Endpoint;
use tracing::subscriber::{NoSubscriber, with_default};

/// How long peers are told that their connections end: at once, and again where they go on sending.
const FAREWELL_TIME: Duration = Duration::from_millis(150);
/// How long sockets may take to be gone.
const RELEASE_TIMEOUT: Duration = Duration::from_millis(500);
/// How often it is looked whether they are.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Drops an endpoint of which nobody else has any part, and waits until its sockets are closed.
pub(super) async fn release(endpoint: Endpoint) {
    let sockets = endpoint.bound_sockets();
    tokio::time::sleep(FAREWELL_TIME).await;
    // The transport takes it for a mistake that the endpoint was not closed, and would say so.
    with_default(NoSubscriber::default(), || drop(endpoint));
    let released = async {
        while sockets.iter().any(is_taken) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    if tokio::time::timeout(RELEASE_TIMEOUT, released)
        .await
        .is_err()
    {
        tracing::warn!("the sockets of the network are not closed in time");
    }
}

fn is_taken(address: &SocketAddr) -> bool {
    UdpSocket::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
