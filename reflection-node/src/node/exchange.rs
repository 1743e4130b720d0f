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
use crate::replication::progress;
use crate::shared::Shared;
use crate::store::documents;

/// How long peers on the local network have to be found before a document counts as alone.
const DISCOVERY_TIME: Duration = Duration::from_millis(2_500);
/// How long a new connection has for each document to find out whether it is common.
const MATCHING_TIME: Duration = Duration::from_millis(1);

/// What a [`Node::sync`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Documents that are equal with at least one peer now.
    pub complete: Vec<TopicId>,
    /// Documents that some peer has with whom they did not become equal in time.
    pub incomplete: Vec<TopicId>,
    /// Documents for which no peer was found.
    pub missing: Vec<TopicId>,
    /// Documents that were made here and that nobody else has ever had: nothing of them is missing
    /// anywhere.
    pub alone: Vec<TopicId>,
    /// What went over the wire.
    pub counts: SyncCounts,
}

impl Node {
    /// Exchanges `topics` with whoever can be reached until both sides are equal, at most for
    /// `timeout`.
    pub async fn sync(&self, topics: &[TopicId], timeout: Duration) -> SyncReport {
        let (node, topics) = (self.clone(), topics.to_vec());
        self.inside(async move {
            let shared = &node.inner.shared;
            let mut report = run(shared, node.busy().await, &topics, timeout).await;
            progress::settle(shared).await;
            let unshared = shared.readers.run(documents::unshared).await;
            let unshared: HashSet<TopicId> = unshared.unwrap_or_default().into_iter().collect();
            (report.alone, report.missing) = report
                .missing
                .iter()
                .partition(|topic| unshared.contains(*topic));
            report
        })
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

/// How the documents stand that are being exchanged. Only those are looked at again in which
/// something has happened: all of ten thousand at each event would take longer than the exchange.
struct Progress<'a> {
    shared: &'a Shared,
    topics: HashSet<TopicId>,
    /// Equal with all peers that were there.
    equal: HashSet<TopicId>,
    /// Still to be waited for.
    open: HashSet<TopicId>,
    /// With some peer now.
    met: HashSet<TopicId>,
}

impl<'a> Progress<'a> {
    fn new(shared: &'a Shared, topics: &[TopicId]) -> Self {
        let mut progress = Self {
            shared,
            topics: topics.iter().copied().collect(),
            equal: HashSet::new(),
            open: HashSet::new(),
            met: HashSet::new(),
        };
        progress.look(topics);
        progress
    }

    fn look<'t>(&mut self, topics: impl IntoIterator<Item = &'t TopicId>) {
        for topic in topics {
            if !self.topics.contains(topic) {
                continue;
            }
            let peers = self.shared.peers_of(topic);
            let is_alone = peers.is_empty();
            let is_equal = peers
                .values()
                .all(|peer| peer.is_exchanged && peer.is_in_step);
            if is_equal && !is_alone {
                self.equal.insert(*topic);
            }
            let is_done = is_equal && self.equal.contains(topic);
            keep(&mut self.open, topic, !is_done);
            keep(&mut self.met, topic, !is_alone);
        }
    }
}

fn keep(set: &mut HashSet<TopicId>, topic: &TopicId, is_in: bool) {
    if is_in {
        set.insert(*topic);
    } else {
        set.remove(topic);
    }
}

/// Waits until every document that a connected peer has is equal with all of those, and until nobody
/// is being dialled any more.
async fn run(
    shared: &Arc<Shared>,
    busy: Option<watch::Receiver<bool>>,
    topics: &[TopicId],
    timeout: Duration,
) -> SyncReport {
    let started = Instant::now();
    let deadline = started + timeout;
    // A connection that was just made has yet to find out what is common.
    let patience = DISCOVERY_TIME + MATCHING_TIME * u32::try_from(topics.len()).unwrap_or(u32::MAX);
    let mut quiet_at = started + DISCOVERY_TIME;
    let mut events = shared.events.subscribe();
    let status = shared.follow_status();
    let mut busy = busy;
    let mut counts = SyncCounts::default();
    let mut progress = Progress::new(shared, topics);
    loop {
        let is_dialing = busy.as_ref().is_some_and(|busy| *busy.borrow());
        let is_quiet = Instant::now() >= quiet_at;
        let is_all_equal = progress.open.is_empty();
        let is_nobody_left = is_quiet && progress.open.is_disjoint(&progress.met);
        if !is_dialing && (is_all_equal || is_nobody_left) || busy.is_none() {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep_until(deadline) => break,
            () = tokio::time::sleep_until(quiet_at), if !is_quiet => {}
            touched = status.next() => progress.look(&touched),
            () = changed(busy.as_mut()) => {}
            event = events.next() => match event {
                Some(event) => {
                    if matches!(event, Event::Connected { .. }) {
                        quiet_at = quiet_at.max(Instant::now() + patience);
                    }
                    add(&mut counts, &event);
                }
                // The node is being shut down.
                None => break,
            },
        }
    }
    while let Some(event) = events.try_next() {
        add(&mut counts, &event);
    }
    let is_equal = |topic: &&TopicId| progress.equal.contains(*topic);
    let (complete, others): (Vec<TopicId>, Vec<TopicId>) = topics.iter().partition(is_equal);
    let is_met = |topic: &TopicId| progress.met.contains(topic);
    let (incomplete, missing) = others.into_iter().partition(is_met);
    SyncReport {
        complete,
        incomplete,
        missing,
        alone: Vec::new(),
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
