// SPDX-License-Identifier: GPL-3.0-or-later
//! The gossip connections to peers: dialled here, or taken from peers who dialled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use iroh::Endpoint;
use iroh::endpoint::Connection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ALPN, Message};
use crate::identity::AuthorId;

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long a connection has to last before the pauses between dials are short again.
const STEADY: Duration = Duration::from_secs(10);
/// How long a connection outlives the sessions: last words are on their way when they end.
const GRACE: Duration = Duration::from_secs(1);
/// Connections with one peer: one, or two where both dialled at once. One more takes the place of the
/// oldest, which may be one that gossip has left.
const CONNECTIONS_MAX: usize = 2;
/// How long a connection may stand without a common overlay before another one is tried. Most often
/// the peer has just not opened any document that is open here.
const FRUITLESS: Duration = Duration::from_mins(2);
/// With this QUIC code a connection is refused that no session stands behind.
const REFUSED_CODE: u32 = 4;

struct Link {
    /// Those that stand, each with when it began; the oldest first. Gossip leaves behind those on which it
    /// has ended its last overlay, and neither closes them nor sends on them again.
    connections: VecDeque<(Instant, CancellationToken)>,
    is_dialing: bool,
    due: Instant,
    pause: Duration,
    /// Since when no session has stood behind it.
    unproved: Option<Instant>,
    /// Ends a dial.
    cancel: CancellationToken,
}

/// See the module.
pub(super) struct Links {
    endpoint: Endpoint,
    messages: mpsc::Sender<Message>,
    peers: BTreeMap<AuthorId, Link>,
}

/// Turns a connection away.
pub(super) fn refuse(connection: &Connection) {
    connection.close(REFUSED_CODE.into(), b"no session");
}

impl Links {
    pub(super) fn new(endpoint: Endpoint, messages: mpsc::Sender<Message>) -> Self {
        Self {
            endpoint,
            messages,
            peers: BTreeMap::new(),
        }
    }

    /// Whether a connection with a peer stands.
    pub(super) fn is_up(&self, peer: &AuthorId) -> bool {
        self.peers
            .get(peer)
            .is_some_and(|link| !link.connections.is_empty())
    }

    /// Has another connection made with a peer whom no overlay finds on what there is.
    pub(super) fn renew(&mut self, peer: &AuthorId, now: Instant) {
        let Some(link) = self.peers.get_mut(peer) else {
            return;
        };
        let newest = link.connections.back();
        if newest.is_some_and(|(since, _)| now.duration_since(*since) >= FRUITLESS) {
            link.close();
        }
    }

    /// Dials those who are wanted and closes what no session stands behind any more.
    pub(super) fn keep(
        &mut self,
        wanted: &BTreeSet<AuthorId>,
        now: Instant,
        is_proved: impl Fn(&AuthorId) -> bool,
    ) {
        self.peers.retain(|peer, link| {
            if is_proved(peer) {
                link.unproved = None;
                return true;
            }
            let since = *link.unproved.get_or_insert(now);
            let is_kept = now.duration_since(since) < GRACE;
            if !is_kept {
                link.cancel.cancel();
                link.close();
            }
            is_kept
        });
        for peer in wanted {
            let link = self.peers.entry(*peer).or_insert_with(Link::new);
            if link.connections.is_empty() && !link.is_dialing && link.due <= now {
                link.is_dialing = true;
                let dial = dial(
                    self.endpoint.clone(),
                    *peer,
                    link.cancel.clone(),
                    self.messages.clone(),
                );
                tokio::spawn(dial);
            }
        }
        // Nobody is dialled for a document that is not open any more.
        self.peers
            .retain(|peer, link| wanted.contains(peer) || link.is_in_use());
    }

    /// When the next dial is due, or a connection is to be closed.
    pub(super) fn due(&self) -> Option<Instant> {
        let waiting = self.peers.values().filter(|link| !link.is_in_use());
        let unproved = self.peers.values().filter_map(|link| link.unproved);
        let closing = unproved.map(|since| since + GRACE);
        waiting.map(|link| link.due).chain(closing).min()
    }

    /// A connection stands; tells when it ends.
    pub(super) fn linked(&mut self, peer: AuthorId, connection: Connection) {
        let link = self.peers.entry(peer).or_insert_with(Link::new);
        link.is_dialing = false;
        if link.connections.len() >= CONNECTIONS_MAX
            && let Some((_, oldest)) = link.connections.pop_front()
        {
            oldest.cancel();
        }
        let (since, cancel) = (Instant::now(), CancellationToken::new());
        link.connections.push_back((since, cancel.clone()));
        let messages = self.messages.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => connection.close(0_u32.into(), b"closing"),
                _ = connection.closed() => {}
            }
            let _ = messages.send(Message::Unlinked(peer, since)).await;
        });
    }

    /// A dial failed.
    pub(super) fn failed(&mut self, peer: &AuthorId) {
        if let Some(link) = self.peers.get_mut(peer) {
            link.is_dialing = false;
            link.rest();
        }
    }

    /// A connection ended that had begun at `since`.
    pub(super) fn ended(&mut self, peer: &AuthorId, since: Instant) {
        if let Some(link) = self.peers.get_mut(peer) {
            link.connections.retain(|(known, _)| *known != since);
            if since.elapsed() >= STEADY {
                link.pause = PAUSE_MIN;
            }
            link.rest();
        }
    }

    /// Ends all connections.
    pub(super) fn close_all(&mut self) {
        for link in self.peers.values_mut() {
            link.cancel.cancel();
            link.close();
        }
        self.peers.clear();
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.close_all();
    }
}

impl Link {
    fn new() -> Self {
        Self {
            connections: VecDeque::new(),
            is_dialing: false,
            due: Instant::now(),
            pause: PAUSE_MIN,
            unproved: None,
            cancel: CancellationToken::new(),
        }
    }

    fn is_in_use(&self) -> bool {
        self.is_dialing || !self.connections.is_empty()
    }

    /// Closes what connections there are.
    fn close(&mut self) {
        for (_, cancel) in &self.connections {
            cancel.cancel();
        }
    }

    /// To be dialled again after a pause that grows.
    fn rest(&mut self) {
        self.due = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

async fn dial(
    endpoint: Endpoint,
    peer: AuthorId,
    cancel: CancellationToken,
    messages: mpsc::Sender<Message>,
) {
    let dialled = async {
        let dial = endpoint.connect(peer.endpoint_id()?, ALPN);
        tokio::time::timeout(DIAL_TIMEOUT, dial).await.ok()?.ok()
    };
    let connection = tokio::select! {
        () = cancel.cancelled() => return,
        dialled = dialled => dialled,
    };
    let _ = messages.send(Message::Dialled(peer, connection)).await;
}
