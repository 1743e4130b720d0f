// SPDX-License-Identifier: GPL-3.0-or-later
//! The overlay of each open document: who passes presence on to whom.
//!
//! iroh-gossip does the passing on; this actor keeps it on the rails. Invariants: a gossip
//! connection is made to and taken from such peers alone with whom a session stands, which proves
//! a common document, and outlives those sessions by a moment only; the node dials and hands the
//! connection over, because gossip never dials a peer again whom it once failed to reach, and each
//! connection for gossip has streams in one direction, also those that gossip makes by itself; peers
//! are joined again after every reconnect, and with growing pauses while an overlay has no
//! neighbour, because gossip does not heal a pair by itself; nothing larger than the bound is
//! ever handed to gossip, which would stop for good; where gossip stops all the same it is
//! replaced.
//!
//! Nothing that must arrive goes this way. A receiver that was too slow has lost presence, which
//! the next heartbeat brings again; operations are read from the store by the sessions, so there
//! is nothing to catch up on.

mod links;
mod overlay;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use iroh::Endpoint;
use iroh::endpoint::{AfterHandshakeOutcome, BeforeConnectOutcome, Connection, EndpointHooks};
use iroh_gossip::net::Gossip;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::links::Links;
use self::overlay::Overlay;
use crate::access::TopicId;
use crate::events::Event;
use crate::identity::AuthorId;
use crate::presence::{Change, MESSAGE_BYTES_MAX, Message as Said, Now, Refusal, Room};
use crate::shared::Shared;
use crate::store::{Durability, StoreError, participants};

/// Version of the overlay's protocol.
pub(crate) const ALPN: &[u8] = b"app.reflection/gossip/1";
/// Streams that a peer may have open; gossip uses one for each overlay.
const STREAMS_MAX: u32 = 1024;
/// What gossip is set up for; the same at all peers.
const GOSSIP_BYTES_MAX: usize = 4096;
/// What gossip puts around a message.
const GOSSIP_FRAME_BYTES: usize = 64;
const _: () = assert!(MESSAGE_BYTES_MAX + GOSSIP_FRAME_BYTES <= GOSSIP_BYTES_MAX);
/// Messages that wait for the actor.
const QUEUE_MAX: usize = 256;
/// Gossip that has not taken a command for this long does not work any more.
const FROZEN_AFTER: Duration = Duration::from_secs(2);
/// How often last-seen times are stored while people are here.
const STORE_INTERVAL: Duration = Duration::from_secs(30);
/// How long the last words have to get out before gossip ends.
const FAREWELL_TIME: Duration = Duration::from_millis(50);
/// How long gossip may take to end.
const END_TIMEOUT: Duration = Duration::from_millis(250);

enum Message {
    /// A peer opened a gossip connection.
    Incoming(Connection),
    /// Our own dial came to an end.
    Dialled(AuthorId, Option<Connection>),
    /// A gossip connection ended.
    Unlinked(AuthorId, Instant),
    /// Gossip tells something of an overlay, known by its number; `None` at its end.
    Overlay(TopicId, u64, Option<iroh_gossip::api::Event>),
}

/// The way to the actor.
#[derive(Clone)]
pub(crate) struct GossipHandle {
    messages: mpsc::Sender<Message>,
}

impl GossipHandle {
    /// Hands over a connection that a peer opened for gossip.
    pub(crate) fn accept(&self, connection: Connection) {
        // A peer that is not heard in the crowd tries again.
        if let Err(error) = self.messages.try_send(Message::Incoming(connection))
            && let Message::Incoming(connection) = error.into_inner()
        {
            links::refuse(&connection);
        }
    }
}

/// Keeps gossip from dialling by itself anybody with whom no session stands.
pub(crate) struct Gate(pub(crate) Arc<Shared>);

impl std::fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Gate")
    }
}

impl EndpointHooks for Gate {
    async fn before_connect<'a>(
        &'a self,
        remote: &'a iroh::EndpointAddr,
        alpn: &'a [u8],
    ) -> BeforeConnectOutcome {
        if alpn == ALPN && !self.0.is_with(&remote.id.into()) {
            BeforeConnectOutcome::Reject
        } else {
            BeforeConnectOutcome::Accept
        }
    }

    /// Gossip sends on streams in one direction, which no other connection has; and it dials by itself,
    /// too, once it has ended an overlay.
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        if connection.alpn() == ALPN {
            connection.set_max_concurrent_uni_streams(STREAMS_MAX.into());
        }
        AfterHandshakeOutcome::accept()
    }
}

/// Gossip did not take a command in time.
struct Frozen;

struct Actor {
    shared: Arc<Shared>,
    gossip: Gossip,
    endpoint: Endpoint,
    links: Links,
    overlays: HashMap<TopicId, Overlay>,
    messages: mpsc::Sender<Message>,
    /// Counts overlays, so that late news of an earlier one is known as such.
    number: u64,
    stored: Instant,
    /// When the last words in a document were handed to gossip.
    farewell: Option<Instant>,
    cancel: CancellationToken,
}

/// Starts gossip on an endpoint.
pub(crate) fn spawn(
    shared: Arc<Shared>,
    endpoint: Endpoint,
    cancel: CancellationToken,
    tasks: &TaskTracker,
) -> GossipHandle {
    let (messages, queue) = mpsc::channel(QUEUE_MAX);
    let handle = GossipHandle {
        messages: messages.clone(),
    };
    tasks.spawn(async move {
        let actor = Actor {
            gossip: start(&endpoint),
            links: Links::new(endpoint.clone(), messages.clone()),
            endpoint,
            shared,
            overlays: HashMap::new(),
            messages,
            number: 0,
            stored: Instant::now(),
            farewell: None,
            cancel,
        };
        actor.run(queue).await;
    });
    handle
}

fn start(endpoint: &Endpoint) -> Gossip {
    Gossip::builder()
        .alpn(ALPN)
        .max_message_size(GOSSIP_BYTES_MAX)
        .spawn(endpoint.clone())
}

impl Actor {
    async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut rooms = self.shared.rooms.watch();
        let mut peers = self.shared.watch_peers();
        let cancel = self.cancel.clone();
        loop {
            let turned = self.turn().await;
            if turned.is_err() {
                self.restart();
                continue;
            }
            let due = self.due();
            let handled = tokio::select! {
                () = cancel.cancelled() => break,
                message = queue.recv() => match message {
                    Some(message) => self.handle(message).await,
                    None => break,
                },
                _ = rooms.changed() => Ok(()),
                _ = peers.changed() => Ok(()),
                () = sleep_until(due) => Ok(()),
            };
            if handled.is_err() {
                self.restart();
            }
        }
        self.end().await;
    }

    /// When something is to be done though nothing happens.
    fn due(&self) -> Option<Instant> {
        let rooms = &self.shared.rooms;
        let topics = rooms.topics();
        let spoken = topics
            .iter()
            .filter_map(|topic| rooms.with(topic, |room| room.due()).flatten());
        let lonely = self.overlays.values().filter_map(Overlay::due);
        spoken.chain(lonely).chain(self.links.due()).min()
    }

    /// Brings everything in line with who is here, who is connected and what time it is.
    async fn turn(&mut self) -> Result<(), Frozen> {
        let now = Now::read();
        self.open_and_close().await?;
        let (mut wanted, mut neighbours) = (BTreeSet::new(), BTreeSet::new());
        for (topic, overlay) in &mut self.overlays {
            let peers: BTreeSet<AuthorId> = self.shared.peers_of(topic).into_keys().collect();
            wanted.extend(peers.iter().copied());
            neighbours.extend(overlay.neighbours.iter().copied());
            overlay.meet(peers, &self.links, now.instant).await?;
        }
        if neighbours.is_empty() {
            for peer in &wanted {
                self.links.renew(peer, now.instant);
            }
        }
        let shared = Arc::clone(&self.shared);
        self.links
            .keep(&wanted, now.instant, |peer| shared.is_with(peer));
        let mut has_gone = false;
        for topic in self.shared.rooms.topics() {
            self.speak(&topic, now).await?;
            let expired = self.shared.rooms.with(&topic, |room| room.expire(now));
            has_gone |= self.tell(topic, &expired.unwrap_or_default());
        }
        if has_gone || self.stored.elapsed() >= STORE_INTERVAL {
            self.store();
        }
        Ok(())
    }

    /// Overlays for the documents that are wanted, and no others.
    async fn open_and_close(&mut self) -> Result<(), Frozen> {
        let rooms = &self.shared.rooms;
        let wanted: BTreeSet<TopicId> = rooms
            .topics()
            .into_iter()
            .filter(|topic| {
                rooms
                    .with(topic, |room| room.is_wanted())
                    .unwrap_or_default()
            })
            .collect();
        for topic in &wanted {
            if self.overlays.contains_key(topic) {
                continue;
            }
            let Some(document) = self.shared.document(topic) else {
                continue;
            };
            let Ok(commits) = self.shared.watch_commits(*topic, document.row).await else {
                continue;
            };
            self.number += 1;
            let opened = Overlay::open(
                &self.gossip,
                *topic,
                self.number,
                document,
                commits,
                self.messages.clone(),
            );
            self.overlays.insert(*topic, opened.await?);
        }
        let unwanted: Vec<TopicId> = self
            .overlays
            .keys()
            .filter(|topic| !wanted.contains(topic))
            .copied()
            .collect();
        for topic in unwanted {
            self.speak(&topic, Now::read()).await?;
            self.farewell = Some(Instant::now());
            self.store();
            self.shared.rooms.remove_idle(&topic);
            if let Some(overlay) = self.overlays.remove(&topic) {
                for peer in overlay.neighbours {
                    let event = Event::NeighborDown { topic, peer };
                    self.shared.events.emit(&event);
                }
            }
        }
        Ok(())
    }

    /// Says what is due in a document.
    async fn speak(&mut self, topic: &TopicId, now: Now) -> Result<(), Frozen> {
        let Some(overlay) = self.overlays.get(topic) else {
            return Ok(());
        };
        let digest = overlay.digest();
        let message = self
            .shared
            .rooms
            .with(topic, |room| room.next(now, digest))
            .flatten();
        match message {
            Some(message) => overlay.send(&message, &self.shared.key).await,
            None => Ok(()),
        }
    }

    async fn handle(&mut self, message: Message) -> Result<(), Frozen> {
        match message {
            Message::Incoming(connection) => {
                let peer = AuthorId::from(connection.remote_id());
                if !self.shared.is_with(&peer) {
                    links::refuse(&connection);
                    return Ok(());
                }
                self.link(peer, connection).await
            }
            Message::Dialled(peer, Some(connection)) => self.link(peer, connection).await,
            Message::Dialled(peer, None) => {
                self.links.failed(&peer);
                Ok(())
            }
            Message::Unlinked(peer, since) => {
                self.links.ended(&peer, since);
                for overlay in self.overlays.values_mut() {
                    overlay.forget(&peer);
                }
                Ok(())
            }
            Message::Overlay(topic, number, event) => {
                self.overlay_event(topic, number, event);
                Ok(())
            }
        }
    }

    async fn link(&mut self, peer: AuthorId, connection: Connection) -> Result<(), Frozen> {
        self.links.linked(peer, connection.clone());
        let handed = self.gossip.handle_connection(connection);
        in_time(handed).await?;
        for overlay in self.overlays.values_mut() {
            overlay.join(&[peer]).await?;
        }
        Ok(())
    }

    fn overlay_event(
        &mut self,
        topic: TopicId,
        number: u64,
        event: Option<iroh_gossip::api::Event>,
    ) {
        let known = self.overlays.get_mut(&topic);
        let Some(overlay) = known.filter(|overlay| overlay.number == number) else {
            return;
        };
        match event {
            Some(iroh_gossip::api::Event::NeighborUp(peer)) => {
                let peer = AuthorId::from(peer);
                overlay.neighbour_up(peer);
                self.shared
                    .rooms
                    .with(&topic, |room| room.greet(Now::read()));
                self.shared.events.emit(&Event::NeighborUp { topic, peer });
            }
            Some(iroh_gossip::api::Event::NeighborDown(peer)) => {
                let peer = AuthorId::from(peer);
                overlay.neighbour_down(&peer);
                self.shared
                    .events
                    .emit(&Event::NeighborDown { topic, peer });
            }
            Some(iroh_gossip::api::Event::Received(message)) => {
                self.receive(topic, &message.content);
            }
            // See the module: there is nothing to catch up on.
            Some(iroh_gossip::api::Event::Lagged) => {
                tracing::debug!(?topic, "presence was lost to a slow reader");
            }
            // Opened again by the next turn.
            None => {
                self.overlays.remove(&topic);
            }
        }
    }

    fn receive(&mut self, topic: TopicId, bytes: &[u8]) {
        #[cfg(feature = "testing")]
        crate::testing::tape::heard(bytes);
        let Some(overlay) = self.overlays.get(&topic) else {
            return;
        };
        let now = Now::read();
        let taken = self.shared.rooms.with(&topic, |room| {
            let message = if room.admits(now) {
                Said::open(&overlay.document.keys, bytes)
            } else {
                Err(Refusal::Crowded)
            };
            let taken = message.and_then(|message| {
                let differing = overlay.differs(&message).then_some(message.author);
                let is_author = |author: &AuthorId| overlay.is_author(author);
                Ok((room.receive(message, now, is_author)?, differing))
            });
            if taken.is_err() {
                room.refuse();
            }
            taken
        });
        match taken {
            Some(Ok((changes, differing))) => {
                self.tell(topic, &changes);
                if let Some(author) = differing.filter(|author| !self.shared.is_with(author)) {
                    self.shared.rooms.hint_differing(author);
                }
            }
            Some(Err(error)) => tracing::debug!(?topic, %error, "presence was refused"),
            None => {}
        }
    }

    /// Tells changes; whether somebody went.
    fn tell(&self, topic: TopicId, changes: &[Change]) -> bool {
        let mut has_gone = false;
        for change in changes {
            let author = match *change {
                Change::Said(author) | Change::Seen(author) => author,
                Change::Came(author) | Change::Went(author) => {
                    self.shared.note_online(topic, author);
                    author
                }
            };
            has_gone |= matches!(change, Change::Went(_));
            let event = Event::PresenceChanged { topic, author };
            self.shared.events.emit(&event);
        }
        has_gone
    }

    /// Stores when people were last seen. It need not survive a power cut.
    fn store(&mut self) {
        self.stored = Instant::now();
        for (topic, overlay) in &self.overlays {
            let seen = self.shared.rooms.with(topic, Room::take_new_seen);
            let seen = seen.unwrap_or_default();
            if seen.is_empty() {
                continue;
            }
            let (shared, row) = (Arc::clone(&self.shared), overlay.document.row);
            tokio::spawn(async move {
                let noted: Result<(), StoreError> = shared
                    .writer
                    .run(Durability::Refetchable, move |connection, _| {
                        participants::note(connection, row, &seen)
                    })
                    .await;
                if let Err(error) = noted {
                    tracing::debug!(%error, "last-seen times were not stored");
                }
            });
        }
    }

    /// Puts a new gossip in the place of one that has stopped working.
    fn restart(&mut self) {
        tracing::warn!("gossip stopped working and is started again");
        self.gossip = start(&self.endpoint);
        self.links.close_all();
        for (topic, overlay) in self.overlays.drain() {
            for peer in overlay.neighbours {
                self.shared
                    .events
                    .emit(&Event::NeighborDown { topic, peer });
            }
        }
    }

    /// Says good-bye in all documents and ends gossip, in bounded time.
    async fn end(mut self) {
        let now = Now::read();
        for topic in self.shared.rooms.topics() {
            let farewell = self.shared.rooms.with(&topic, |room| room.farewell(now));
            if let (Some(message), Some(overlay)) = (farewell.flatten(), self.overlays.get(&topic))
            {
                let sent = overlay.send(&message, &self.shared.key).await;
                self.farewell = sent.is_ok().then(Instant::now).or(self.farewell);
            }
            let lost = self.shared.rooms.with(&topic, Room::lose_all);
            self.tell(topic, &lost.unwrap_or_default());
        }
        self.store();
        if let Some(said) = self.farewell {
            sleep_until(Some(said + FAREWELL_TIME)).await;
        }
        for topic in self.shared.rooms.topics() {
            self.shared.rooms.remove_idle(&topic);
        }
        if tokio::time::timeout(END_TIMEOUT, self.gossip.shutdown())
            .await
            .is_err()
        {
            tracing::debug!("gossip did not end in time");
        }
        self.links.close_all();
    }
}

/// Waits for gossip to take a command.
async fn in_time<T, E>(command: impl Future<Output = Result<T, E>>) -> Result<T, Frozen> {
    match tokio::time::timeout(FROZEN_AFTER, command).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) | Err(_) => Err(Frozen),
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
