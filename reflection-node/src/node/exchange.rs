// SPDX-License-Identifier: GPL-3.0-or-later
//! Synchronising once and coming to an end: what a command does that does not stay online.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Node;
use crate::access::TopicId;
use crate::events::{Event, SyncCounts};
use crate::shared::Shared;

/// How long peers on the local network have to be found before a document counts as alone.
const DISCOVERY_TIME: Duration = Duration::from_millis(2_500);

/// What a [`Node::sync`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Documents that are equal with at least one peer now.
    pub complete: Vec<TopicId>,
    /// Documents for which no peer was found, or none in time.
    pub missing: Vec<TopicId>,
    /// What went over the wire.
    pub counts: SyncCounts,
}

impl Node {
    /// Exchanges `topics` with whoever can be reached until both sides are equal, at most for
    /// `timeout`.
    pub async fn sync(&self, topics: &[TopicId], timeout: Duration) -> SyncReport {
        let (node, topics) = (self.clone(), topics.to_vec());
        self.inside(
            async move { run(&node.inner.shared, node.busy().await, &topics, timeout).await },
        )
        .await
    }

    async fn busy(&self) -> Option<watch::Receiver<bool>> {
        let network = self.inner.network.lock().await;
        network
            .running
            .as_ref()
            .map(|running| running.peers().watch_busy())
    }
}

/// Waits until every document is equal with all peers that are connected, and until nobody is
/// being dialled any more.
async fn run(
    shared: &Arc<Shared>,
    busy: Option<watch::Receiver<bool>>,
    topics: &[TopicId],
    timeout: Duration,
) -> SyncReport {
    let started = Instant::now();
    let deadline = started + timeout;
    let mut events = shared.events.subscribe();
    let mut status = shared.watch_status();
    let mut busy = busy;
    let mut counts = SyncCounts::default();
    let mut equal: HashSet<TopicId> = HashSet::new();
    loop {
        let mut is_all_equal = true;
        for topic in topics {
            let peers = shared.peers_of(topic);
            let is_equal = !peers.is_empty()
                && peers
                    .values()
                    .all(|peer| peer.is_exchanged && peer.is_in_step);
            if is_equal {
                equal.insert(*topic);
            } else if !peers.is_empty() || !equal.contains(topic) {
                is_all_equal = false;
            }
        }
        let is_dialing = busy.as_ref().is_some_and(|busy| *busy.borrow());
        let is_quiet = started.elapsed() >= DISCOVERY_TIME;
        let is_nobody_left =
            is_quiet && topics.iter().all(|topic| shared.peers_of(topic).is_empty());
        if !is_dialing && (is_all_equal || is_nobody_left) || busy.is_none() {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep_until(deadline) => break,
            () = tokio::time::sleep_until(started + DISCOVERY_TIME), if !is_quiet => {}
            _ = status.changed() => {}
            () = changed(busy.as_mut()) => {}
            event = events.next() => match event {
                Some(event) => add(&mut counts, &event),
                // The node is being shut down.
                None => break,
            },
        }
    }
    while let Some(event) = events.try_next() {
        add(&mut counts, &event);
    }
    let (complete, missing) = topics.iter().partition(|topic| equal.contains(*topic));
    SyncReport {
        complete,
        missing,
        counts,
    }
}

async fn changed(busy: Option<&mut watch::Receiver<bool>>) {
    let is_changed = match busy {
        Some(busy) => busy.changed().await.is_ok(),
        None => false,
    };
    if !is_changed {
        std::future::pending::<()>().await;
    }
}

fn add(counts: &mut SyncCounts, event: &Event) {
    if let Event::SyncFinished { counts: one, .. } = event {
        counts.add(one);
    }
}
