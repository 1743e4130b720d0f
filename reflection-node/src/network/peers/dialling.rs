// SPDX-License-Identifier: GPL-3.0-or-later
//! Connections begin: those that are dialled when their time has come, and those from outside.

use std::sync::Arc;
use std::time::Duration;

use iroh::{EndpointAddr, EndpointId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::peer::State;
use super::{Actor, Message};
use crate::discovery::bootstrap;
use crate::events::Route;
use crate::gossip;
use crate::identity::AuthorId;
use crate::network::endpoint::ALPN;
use crate::network::locality::is_local;
use crate::network::{Mode, connection};

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Dials under way at once.
const DIALS_MAX: usize = 16;

/// Connections at once, both ways.
const CONNECTIONS_MAX: usize = 512;

impl Actor {
    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.dials() >= DIALS_MAX {
            return None;
        }
        let due = self.peers.values().filter_map(|peer| match peer.state {
            State::Idle { due } => Some(due),
            _ => None,
        });
        due.min()
    }

    fn dials(&self) -> usize {
        self.peers
            .values()
            .filter(|peer| matches!(peer.state, State::Dialing { .. }))
            .count()
    }

    pub(super) fn dial_due(&mut self) {
        let now = Instant::now();
        let mut room = DIALS_MAX.saturating_sub(self.dials());
        let mut dials = Vec::new();
        for (id, peer) in &mut self.peers {
            let is_due = matches!(peer.state, State::Idle { due } if due <= now);
            let Some(endpoint_id) = id.endpoint_id() else {
                continue;
            };
            if !is_due || room == 0 {
                continue;
            }
            room -= 1;
            let dial_cancel = self.cancel.child_token();
            peer.state = State::Dialing {
                cancel: dial_cancel.clone(),
            };
            dials.push((*id, endpoint_id, dial_cancel));
        }
        for (id, endpoint_id, dial_cancel) in dials {
            self.dial(id, endpoint_id, dial_cancel);
        }
    }

    fn dial(&self, id: AuthorId, endpoint_id: EndpointId, dial_cancel: CancellationToken) {
        let (endpoint, handle) = (self.endpoint.clone(), self.handle.clone());
        let (shared, cancel, boot) = (Arc::clone(&self.shared), self.cancel.clone(), self.boot);
        let is_local_only = self.mode == Mode::Local;
        self.tasks.spawn(async move {
            let dial = tokio::time::timeout(DIAL_TIMEOUT, endpoint.connect(endpoint_id, ALPN));
            let dialled = tokio::select! {
                () = dial_cancel.cancelled() => return,
                dialled = dial => dialled,
            };
            match dialled {
                Ok(Ok(connection)) => {
                    let dialled = connection::Dialled {
                        connection,
                        boot,
                        is_dialer: true,
                        is_local_only,
                    };
                    connection::run(shared, handle, dialled, None, cancel).await;
                }
                Ok(Err(error)) => {
                    tracing::debug!(peer = ?id, %error, "dialling failed");
                    handle.send(Message::DialFailed { peer: id }).await;
                }
                Err(_) => {
                    tracing::debug!(peer = ?id, "dialling took too long");
                    handle.send(Message::DialFailed { peer: id }).await;
                }
            }
        });
    }

    /// Packets may still go to where this machine was, and nothing tells that before a connection
    /// has been silent for long. So a new connection is made; it takes the place of the older one
    /// once it stands.
    pub(super) fn moved(&self) {
        let mut room = DIALS_MAX.saturating_sub(self.dials());
        for (id, peer) in &self.peers {
            let State::Connected(connected) = &peer.state else {
                continue;
            };
            let Some(endpoint_id) = id.endpoint_id().filter(|_| room > 0) else {
                continue;
            };
            if let (Route::Direct(address), _) = connection::route(&connected.connection) {
                room -= 1;
                self.book
                    .add_endpoint_info(EndpointAddr::new(endpoint_id).with_ip_addr(address));
                self.dial(*id, endpoint_id, self.cancel.child_token());
            }
        }
    }

    pub(super) fn accept(&self, incoming: iroh::endpoint::Incoming) {
        if self.mode == Mode::Local
            && let iroh::endpoint::IncomingAddr::Ip(address) = incoming.remote_addr()
            && !is_local(&address)
        {
            // Not even a refusal leaves the local network.
            incoming.ignore();
            return;
        }
        let greeting = Arc::clone(&self.greetings).try_acquire_owned();
        let Ok(greeting) = greeting else {
            incoming.refuse();
            return;
        };
        if self.connections() >= CONNECTIONS_MAX {
            incoming.refuse();
            return;
        }
        let (shared, handle, overlays, cancel, boot) = (
            Arc::clone(&self.shared),
            self.handle.clone(),
            self.overlays.clone(),
            self.cancel.clone(),
            self.boot,
        );
        let (introducer, mode) = (self.introducer.clone(), self.mode);
        self.tasks.spawn(async move {
            let accepted = async {
                tokio::time::timeout(DIAL_TIMEOUT, incoming.accept().ok()?)
                    .await
                    .ok()?
                    .ok()
            };
            let connection = tokio::select! {
                () = cancel.cancelled() => return,
                connection = accepted => connection,
            };
            let Some(connection) = connection else {
                return;
            };
            if connection.alpn() == bootstrap::ALPN {
                drop(greeting);
                if let Some(introducer) = introducer {
                    introducer.serve(connection, cancel).await;
                }
                return;
            }
            if connection.alpn() == gossip::ALPN {
                overlays.accept(connection);
                return;
            }
            let dialled = connection::Dialled {
                connection,
                boot,
                is_dialer: false,
                is_local_only: mode == Mode::Local,
            };
            connection::run(shared, handle, dialled, Some(greeting), cancel).await;
        });
    }
}
