// SPDX-License-Identifier: GPL-3.0-or-later
//! One document's overlay.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use iroh_gossip::api::{GossipReceiver, GossipSender};
use iroh_gossip::net::Gossip;
use iroh_gossip::proto::TopicId as OverlayId;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::links::Links;
use super::{Frozen, Message, in_time};
use crate::access::TopicId;
use crate::identity::{AuthorId, AuthorKey};
use crate::pipeline::Commit;
use crate::presence::{MESSAGE_BYTES_MAX, Message as Presence, Said};
use crate::shared::KnownDocument;

/// Peers that are joined at once. Gossip finds the others through them.
const JOINED_MAX: usize = 8;
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// See the module.
pub(super) struct Overlay {
    pub(super) number: u64,
    pub(super) document: KnownDocument,
    pub(super) neighbours: BTreeSet<AuthorId>,
    commits: watch::Receiver<Commit>,
    sender: GossipSender,
    _reader: AbortOnDropHandle<()>,
    /// Peers with a session in the document that were joined since it began.
    joined: BTreeSet<AuthorId>,
    /// Whether there is anybody to be joined.
    has_peers: bool,
    /// When to try again to find a neighbour.
    retry: Instant,
    pause: Duration,
}

impl Overlay {
    pub(super) async fn open(
        gossip: &Gossip,
        topic: TopicId,
        number: u64,
        document: KnownDocument,
        commits: watch::Receiver<Commit>,
        messages: mpsc::Sender<Message>,
    ) -> Result<Self, Frozen> {
        let id = OverlayId::from_bytes(document.keys.overlay());
        let opened = in_time(gossip.subscribe(id, Vec::new())).await?;
        let (sender, receiver) = opened.split();
        let reader = tokio::spawn(read(receiver, topic, number, messages));
        Ok(Self {
            number,
            document,
            neighbours: BTreeSet::new(),
            commits,
            sender,
            _reader: AbortOnDropHandle::new(reader),
            joined: BTreeSet::new(),
            has_peers: false,
            retry: Instant::now(),
            pause: PAUSE_MIN,
        })
    }

    /// Joins peers whose session has just begun, and all of them now and then while there is no
    /// neighbour.
    pub(super) async fn meet(
        &mut self,
        peers: BTreeSet<AuthorId>,
        links: &Links,
        now: Instant,
    ) -> Result<(), Frozen> {
        self.joined.retain(|peer| peers.contains(peer));
        let reachable: BTreeSet<AuthorId> =
            peers.into_iter().filter(|peer| links.is_up(peer)).collect();
        self.has_peers = !reachable.is_empty();
        if self.neighbours.is_empty() && self.has_peers && self.retry <= now {
            self.retry = now + self.pause;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
            self.joined.clear();
        }
        let new: Vec<AuthorId> = reachable
            .difference(&self.joined)
            .take(JOINED_MAX)
            .copied()
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        self.joined.extend(reachable);
        self.join(&new).await
    }

    /// Asks peers to become neighbours. They must be connected.
    pub(super) async fn join(&mut self, peers: &[AuthorId]) -> Result<(), Frozen> {
        let ids: Vec<iroh::EndpointId> = peers.iter().filter_map(AuthorId::endpoint_id).collect();
        self.joined.extend(peers);
        in_time(self.sender.join_peers(ids)).await
    }

    /// A peer's gossip connection is gone: it is to be joined again when there is another.
    pub(super) fn forget(&mut self, peer: &AuthorId) {
        self.joined.remove(peer);
    }

    pub(super) fn neighbour_up(&mut self, peer: AuthorId) {
        self.neighbours.insert(peer);
        self.pause = PAUSE_MIN;
    }

    pub(super) fn neighbour_down(&mut self, peer: &AuthorId) {
        self.neighbours.remove(peer);
        self.joined.remove(peer);
        self.retry = Instant::now() + self.pause;
    }

    /// When to look for a neighbour again.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.neighbours.is_empty() && self.has_peers).then_some(self.retry)
    }

    /// Hands a message to gossip, if it is not too large for it.
    pub(super) async fn send(&self, message: &Presence, key: &AuthorKey) -> Result<(), Frozen> {
        let Ok(bytes) = message.seal(&self.document.keys, key) else {
            return Ok(());
        };
        // One message above gossip's own bound would stop it for good.
        if bytes.len() > MESSAGE_BYTES_MAX {
            tracing::warn!(bytes = bytes.len(), "presence is too large and is not sent");
            return Ok(());
        }
        in_time(self.sender.broadcast(bytes.into())).await
    }

    /// A hash of all that is held here.
    pub(super) fn digest(&self) -> [u8; 32] {
        Arc::clone(&self.commits.borrow().heights).digest()
    }

    /// Whether a message tells that its author holds something else.
    pub(super) fn differs(&self, message: &Presence) -> bool {
        matches!(&message.said, Said::Here { digest, .. } if *digest != self.digest())
    }

    /// Whether somebody has written in the document.
    pub(super) fn is_author(&self, author: &AuthorId) -> bool {
        self.commits.borrow().heights.get(author).is_some()
    }
}

async fn read(
    mut receiver: GossipReceiver,
    topic: TopicId,
    number: u64,
    messages: mpsc::Sender<Message>,
) {
    while let Some(Ok(event)) = receiver.next().await {
        let message = Message::Overlay(topic, number, Some(event));
        if messages.send(message).await.is_err() {
            return;
        }
    }
    let _ = messages.send(Message::Overlay(topic, number, None)).await;
}
