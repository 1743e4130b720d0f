// SPDX-License-Identifier: GPL-3.0-or-later
//! Whom to dial and when, and at most one connection to each.
//!
//! An actor: it owns the table of peers; everybody else sends it messages. Dials have a short
//! time-out and are repeated with growing pauses, because a dial of thirty seconds that began
//! before the network was back loses more time than several short ones.

mod dialling;
mod handle;
mod peer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use iroh::address_lookup::memory::MemoryLookup;
use iroh::endpoint::Connection;
use iroh::{Endpoint, EndpointAddr};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) use self::handle::Message;
pub(crate) use self::handle::{Boot, PeerLink, PeersHandle};
use self::peer::{Connected, PAUSE_MIN, Peer, State};
use super::endpoint::endpoint_addr;
use super::{Mode, connection};
use crate::access::Hint;
use crate::discovery::bootstrap::Introducer;
use crate::events::{Event, Found};
use crate::gossip::{self, GossipHandle};
use crate::identity::AuthorId;
use crate::shared::Shared;

/// Until a peer is dialled again with whom nothing was in common. A new document shortens it.
const STRANGER_PAUSE: Duration = Duration::from_hours(1);
/// Until a peer is dialled that is known to be online with something that is not here.
const DIFFERING_PAUSE: Duration = Duration::from_secs(2);
/// Peers that are remembered while the node runs.
const PEERS_MAX: usize = 4096;
/// Connections from outside at once that have not said hello yet.
const GREETINGS_MAX: usize = 64;
/// How long a connection has to last before the pauses between dials are short again.
const STEADY: Duration = Duration::from_mins(1);
/// Messages that wait for the actor.
const QUEUE_MAX: usize = 256;
/// Two connections that begin within this time were dialled from both sides at once.
const SIMULTANEOUS: Duration = Duration::from_secs(5);

struct Actor {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    book: MemoryLookup,
    overlays: GossipHandle,
    mode: Mode,
    peers: HashMap<AuthorId, Peer>,
    handle: PeersHandle,
    busy: watch::Sender<bool>,
    connected: watch::Sender<usize>,
    /// Serves those that ask to be introduced to each other.
    introducer: Option<Arc<Introducer>>,
    boot: Boot,
    /// Room for connections from outside that have not said hello yet.
    greetings: Arc<Semaphore>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

/// Starts the actor.
#[allow(clippy::too_many_arguments)]
pub(super) fn spawn(
    shared: Arc<Shared>,
    endpoint: Endpoint,
    book: MemoryLookup,
    mode: Mode,
    serves_bootstrap: bool,
    known: Vec<(Hint, Found)>,
    cancel: CancellationToken,
    tasks: &TaskTracker,
) -> PeersHandle {
    let (messages, queue) = mpsc::channel(QUEUE_MAX);
    let (busy_sender, busy) = watch::channel(false);
    let (connected, connections) = watch::channel(0);
    let handle = PeersHandle {
        messages,
        busy,
        connections,
    };
    let introducer = serves_bootstrap.then(|| {
        Arc::new(Introducer::new(
            Arc::clone(&shared),
            endpoint.clone(),
            handle.clone(),
        ))
    });
    let overlays = gossip::spawn(Arc::clone(&shared), endpoint.clone(), cancel.clone(), tasks);
    let mut actor = Actor {
        shared,
        endpoint,
        book,
        overlays,
        mode,
        peers: HashMap::new(),
        handle: handle.clone(),
        busy: busy_sender,
        connected,
        introducer,
        boot: crate::random::array(),
        greetings: Arc::new(Semaphore::new(GREETINGS_MAX)),
        cancel,
        tasks: tasks.clone(),
    };
    for (hint, found) in known {
        actor.add(&hint, found);
    }
    tasks.spawn(actor.run(queue));
    handle
}

impl Actor {
    async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let endpoint = self.endpoint.clone();
        let mut documents = self.shared.watch_documents();
        let differing = self.shared.rooms.differing();
        loop {
            let due = self.next_due();
            tokio::select! {
                () = self.cancel.cancelled() => break,
                message = queue.recv() => match message {
                    Some(message) => self.handle(message),
                    None => break,
                },
                incoming = endpoint.accept() => match incoming {
                    Some(incoming) => self.accept(incoming),
                    None => break,
                },
                changed = documents.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.handle(Message::DocumentsChanged);
                }
                Ok(peer) = differing.recv() => self.handle(Message::Differing(peer)),
                () = sleep_until(due) => {}
            }
            self.dial_due();
            let is_busy = self.peers.values().any(|peer| peer.is_fresh);
            self.busy
                .send_if_modified(|busy| std::mem::replace(busy, is_busy) != is_busy);
            let connections = self.connections();
            self.connected
                .send_if_modified(|count| std::mem::replace(count, connections) != connections);
        }
        for peer in self.peers.values() {
            if let State::Connected(connected) = &peer.state {
                connected
                    .connection
                    .close(connection::LEAVING_CODE.into(), b"closing");
            }
        }
    }

    fn connections(&self) -> usize {
        self.peers
            .values()
            .filter(|peer| matches!(peer.state, State::Connected(_)))
            .count()
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Add(hint, found) => self.add(&hint, found),
            Message::Greeted {
                connection,
                boot,
                is_dialer,
                answer,
            } => {
                self.greeted(connection, boot, is_dialer, answer);
            }
            Message::Ended {
                peer,
                stable_id,
                is_stranger,
            } => {
                self.ended(&peer, stable_id, is_stranger);
            }
            Message::DialFailed { peer } => {
                if let Some(known) = self.peers.get_mut(&peer)
                    && matches!(known.state, State::Dialing { .. })
                {
                    known.rest();
                    known.is_fresh = false;
                }
            }
            Message::Differing(peer) => self.differing(&peer),
            Message::Links(answer) => {
                let _ = answer.send(self.links());
            }
            Message::Forget { peer, is_closed } => self.forget(&peer, is_closed),
            Message::Moved => self.moved(),
            Message::DocumentsChanged | Message::Returned => {
                for peer in self.peers.values_mut() {
                    if matches!(peer.state, State::Idle { .. }) {
                        peer.wake();
                    }
                }
            }
        }
    }

    fn links(&self) -> Vec<PeerLink> {
        self.peers
            .iter()
            .map(|(id, peer)| PeerLink {
                peer: *id,
                found: peer.found,
                route: match &peer.state {
                    State::Connected(connected) => Some(connection::route(&connected.connection)),
                    _ => None,
                },
            })
            .collect()
    }

    /// Dials a peer soon that has something which is not here.
    fn differing(&mut self, peer: &AuthorId) {
        if let Some(known) = self.peers.get_mut(peer)
            && let State::Idle { due } = &mut known.state
        {
            *due = (*due).min(Instant::now() + DIFFERING_PAUSE);
        }
    }

    fn forget(&mut self, peer: &AuthorId, is_closed: bool) {
        let Some(known) = self.peers.get_mut(peer) else {
            return;
        };
        match &known.state {
            State::Connected(_) if !is_closed => {
                known.is_left = true;
                return;
            }
            State::Connected(connected) => connected.keep.cancel(),
            State::Dialing { cancel } => cancel.cancel(),
            State::Idle { .. } => {}
        }
        self.peers.remove(peer);
    }

    fn add(&mut self, hint: &Hint, found: Found) {
        if hint.endpoint == self.shared.id {
            return;
        }
        let Some(address) = endpoint_addr(hint, self.mode) else {
            return;
        };
        let is_known = self.peers.contains_key(&hint.endpoint);
        if !is_known && self.peers.len() >= PEERS_MAX {
            return;
        }
        let is_news = self.is_news(&address);
        if !address.addrs.is_empty() {
            self.book.add_endpoint_info(address);
        }
        let peer = self
            .peers
            .entry(hint.endpoint)
            .or_insert_with(|| Peer::new(found));
        if peer.found == Found::Incoming {
            peer.found = found;
        }
        peer.is_left = false;
        match &peer.state {
            State::Idle { .. } => peer.wake(),
            // A dial goes to the addresses that were known when it began.
            State::Dialing { cancel } if is_news => {
                cancel.cancel();
                peer.wake();
            }
            State::Dialing { .. } | State::Connected(_) => {}
        }
        if !is_known {
            self.shared.events.emit(&Event::PeerFound {
                peer: hint.endpoint,
                found,
            });
        }
    }

    /// Whether an address was not known before.
    fn is_news(&self, address: &EndpointAddr) -> bool {
        let known = self
            .book
            .get_endpoint_info(address.id)
            .map(EndpointAddr::from);
        known.map_or(!address.addrs.is_empty(), |known| {
            !address.addrs.is_subset(&known.addrs)
        })
    }

    /// Keeps the connection, unless the peer is connected already and that one is to be kept.
    fn greeted(
        &mut self,
        connection: Connection,
        boot: Boot,
        is_dialer: bool,
        answer: oneshot::Sender<CancellationToken>,
    ) {
        let id = AuthorId::from(connection.remote_id());
        if !self.peers.contains_key(&id) && self.peers.len() >= PEERS_MAX {
            return;
        }
        let own = self.shared.id;
        let known = self.peers.contains_key(&id);
        let peer = self
            .peers
            .entry(id)
            .or_insert_with(|| Peer::new(Found::Incoming));
        if let State::Connected(present) = &peer.state {
            let is_same_run = present.boot == boot;
            let is_simultaneous = present.since.elapsed() < SIMULTANEOUS;
            // Both dialled at once: both keep the connection that the lower id dialled. In all
            // other cases the peer dialled because the older connection is gone at its end.
            let is_better = is_dialer == (own < id);
            if is_same_run && is_simultaneous && present.is_dialer != is_dialer && !is_better {
                return;
            }
            present.connection.close(1_u32.into(), b"replaced");
            present.keep.cancel();
        }
        let keep = self.cancel.child_token();
        if answer.send(keep.clone()).is_err() {
            peer.rest();
            return;
        }
        peer.state = State::Connected(Connected {
            connection,
            boot,
            is_dialer,
            since: Instant::now(),
            keep,
        });
        peer.is_fresh = false;
        if !known {
            self.shared.events.emit(&Event::PeerFound {
                peer: id,
                found: Found::Incoming,
            });
        }
    }

    fn ended(&mut self, peer: &AuthorId, stable_id: usize, is_stranger: bool) {
        if let Some(known) = self.peers.get_mut(peer)
            && let State::Connected(connected) = &known.state
            && connected.connection.stable_id() == stable_id
        {
            if connected.since.elapsed() >= STEADY {
                known.pause = PAUSE_MIN;
            }
            known.missed_since = (!is_stranger).then(Instant::now);
            known.rest();
            if known.is_left || is_stranger && known.found == Found::Incoming {
                // Whoever came by itself and has nothing in common is nobody to remember.
                self.peers.remove(peer);
            } else if is_stranger && !self.shared.replication.is_replica(peer) {
                known.state = State::Idle {
                    due: Instant::now() + STRANGER_PAUSE,
                };
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
