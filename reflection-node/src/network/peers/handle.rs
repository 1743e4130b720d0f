// SPDX-License-Identifier: GPL-3.0-or-later
//! The way to the actor, and what it is told.

use iroh::endpoint::Connection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::access::Hint;
use crate::events::{Found, Route};
use crate::identity::AuthorId;

/// A number drawn at the start of a process, by which a restarted peer is known.
pub(crate) type Boot = [u8; 16];

pub(in crate::network) enum Message {
    Add(Hint, Found),
    /// A connection whose hello is done. The answer is a token that ends it; none if it is not
    /// to be kept.
    Greeted {
        connection: Connection,
        boot: Boot,
        is_dialer: bool,
        answer: oneshot::Sender<CancellationToken>,
    },
    /// A connection ended; `is_stranger` if nothing was in common.
    Ended {
        peer: AuthorId,
        stable_id: usize,
        is_stranger: bool,
    },
    DialFailed {
        peer: AuthorId,
    },
    /// The set of documents grew: every peer may share one now.
    DocumentsChanged,
    /// A peer is online and has something that is not here.
    Differing(AuthorId),
    /// This machine has addresses that it did not have: everybody may be reachable now.
    Returned,
    /// An address of this machine is gone and others are there.
    Moved,
    /// Asks how the peers that are known stand.
    Links(oneshot::Sender<Vec<PeerLink>>),
    /// Nothing is left to be done with a peer: it is not dialled any more. A connection to it is
    /// closed, or left to its end.
    Forget {
        peer: AuthorId,
        is_closed: bool,
    },
}

/// How a peer that is known stands.
#[derive(Clone, Debug)]
pub(crate) struct PeerLink {
    pub(crate) peer: AuthorId,
    pub(crate) found: Found,
    /// Route and round-trip time in milliseconds of a connection that stands.
    pub(crate) route: Option<(Route, u64)>,
}

/// The way to the actor.
#[derive(Clone)]
pub(crate) struct PeersHandle {
    pub(super) messages: mpsc::Sender<Message>,
    /// Whether some dial has neither succeeded nor failed yet.
    pub(super) busy: watch::Receiver<bool>,
    /// How many connections stand.
    pub(super) connections: watch::Receiver<usize>,
}

impl PeersHandle {
    /// Makes a peer known. Dropped where too much waits; it is found again or dialled later.
    pub(crate) fn add(&self, hint: Hint, found: Found) {
        let _ = self.messages.try_send(Message::Add(hint, found));
    }

    /// Closes the connection to a peer and dials it no more.
    pub(crate) async fn forget(&self, peer: AuthorId) {
        self.send(Message::Forget {
            peer,
            is_closed: true,
        })
        .await;
    }

    /// Dials a peer no more, once the connection to it has ended.
    pub(crate) async fn leave(&self, peer: AuthorId) {
        self.send(Message::Forget {
            peer,
            is_closed: false,
        })
        .await;
    }

    pub(in crate::network) async fn send(&self, message: Message) {
        let _ = self.messages.send(message).await;
    }

    /// How the peers that are known stand.
    pub(crate) async fn links(&self) -> Vec<PeerLink> {
        let (answer, links) = oneshot::channel();
        self.send(Message::Links(answer)).await;
        links.await.unwrap_or_default()
    }

    /// How many connections stand.
    pub(crate) fn watch_connections(&self) -> watch::Receiver<usize> {
        self.connections.clone()
    }

    /// Whether peers are being dialled for the first time.
    pub(crate) fn watch_busy(&self) -> watch::Receiver<bool> {
        self.busy.clone()
    }
}
