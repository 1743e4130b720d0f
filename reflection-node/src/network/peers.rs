// SPDX-License-Identifier: GPL-3.0-or-later
//! Whom to dial and when, and at most one connection to each.
//!
//! An actor: it owns the table of peers; everybody else sends it messages. Dials have a short
//! time-out and are repeated with growing pauses, because a dial of thirty seconds that began
//! before the network was back loses more time than several short ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use iroh::address_lookup::memory::MemoryLookup;
use iroh::endpoint::Connection;
use iroh::{Endpoint, EndpointAddr, EndpointId};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::endpoint::{ALPN, endpoint_addr, is_local};
use super::{Mode, connection};
use crate::access::Hint;
use crate::discovery::bootstrap::{self, Introducer};
use crate::events::{Event, Found, Route};
use crate::gossip::{self, GossipHandle};
use crate::identity::AuthorId;
use crate::shared::Shared;

const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// The same for a peer that is missed: it was connected a while ago, and a network that loses
/// packets in silence does not say when it is whole again.
const MISSED_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long somebody who was connected is missed.
const MISSED_FOR: Duration = Duration::from_hours(1);
/// Until a peer is dialled again with whom nothing was in common. A new document shortens it.
const STRANGER_PAUSE: Duration = Duration::from_hours(1);
/// Until a peer is dialled that is known to be online with something that is not here.
const DIFFERING_PAUSE: Duration = Duration::from_secs(2);
/// Dials under way at once.
const DIALS_MAX: usize = 16;
/// Peers that are remembered while the node runs.
const PEERS_MAX: usize = 4096;
/// Connections at once, both ways.
const CONNECTIONS_MAX: usize = 512;
/// Connections from outside at once that have not said hello yet.
const GREETINGS_MAX: usize = 64;
/// How long a connection has to last before the pauses between dials are short again.
const STEADY: Duration = Duration::from_mins(1);
/// Messages that wait for the actor.
const QUEUE_MAX: usize = 256;
/// Two connections that begin within this time were dialled from both sides at once.
const SIMULTANEOUS: Duration = Duration::from_secs(5);

/// A number drawn at the start of a process, by which a restarted peer is known.
pub(crate) type Boot = [u8; 16];

pub(super) enum Message {
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
    messages: mpsc::Sender<Message>,
    /// Whether some dial has neither succeeded nor failed yet.
    busy: watch::Receiver<bool>,
    /// How many connections stand.
    connections: watch::Receiver<usize>,
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

    pub(super) async fn send(&self, message: Message) {
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

enum State {
    Idle { due: Instant },
    Dialing { cancel: CancellationToken },
    Connected(Connected),
}

struct Connected {
    connection: Connection,
    boot: Boot,
    is_dialer: bool,
    since: Instant,
    keep: CancellationToken,
}

struct Peer {
    state: State,
    pause: Duration,
    /// Neither reached nor failed to be reached since it was added or documents changed.
    is_fresh: bool,
    /// When the last connection ended that had something in common.
    missed_since: Option<Instant>,
    /// How it became known first; known from nothing but its own connection if
    /// [`Found::Incoming`].
    found: Found,
    /// Forgotten when its connection ends.
    is_left: bool,
}

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

    fn next_due(&self) -> Option<Instant> {
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

    fn dial_due(&mut self) {
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
    fn moved(&self) {
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

    fn accept(&self, incoming: iroh::endpoint::Incoming) {
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

impl Peer {
    fn new(found: Found) -> Self {
        Self {
            state: State::Idle {
                due: Instant::now(),
            },
            pause: PAUSE_MIN,
            is_fresh: true,
            missed_since: None,
            found,
            is_left: false,
        }
    }

    /// To be dialled now.
    fn wake(&mut self) {
        self.state = State::Idle {
            due: Instant::now(),
        };
        self.pause = PAUSE_MIN;
        self.is_fresh = true;
    }

    /// To be dialled again after a pause that grows, with some chance in it so that peers that
    /// lost each other do not dial in step.
    fn rest(&mut self) {
        let is_missed = self
            .missed_since
            .is_some_and(|since| since.elapsed() < MISSED_FOR);
        let longest = if is_missed {
            MISSED_PAUSE_MAX
        } else {
            PAUSE_MAX
        };
        let [chance] = crate::random::array::<1>();
        let pause = self.pause.min(longest);
        self.state = State::Idle {
            due: Instant::now() + pause.mul_f64(0.75 + f64::from(chance) / 512.0),
        };
        self.pause = (pause * 2).min(longest);
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
