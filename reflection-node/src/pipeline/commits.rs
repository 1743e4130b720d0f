// SPDX-License-Identifier: GPL-3.0-or-later
//! Who waits for commits: per document the newest position and the heights.
//!
//! A watch channel holds the newest state alone, so a slow listener costs nothing and misses
//! nothing: it reads from the store what lies between.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use super::recent::Recent;
use crate::access::TopicId;
use crate::followers::{Followers, Touched};
use crate::identity::AuthorId;
use crate::operation::{ForkProof, Operation};
use crate::store::Durability;
use crate::store::operations::Position;
use crate::sync::heights::{Head, Heights};
use crate::sync::session::Request;

/// The newest committed state of a document. All parts only ever grow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commit {
    pub(crate) position: Position,
    /// What is committed: a crash of the process does not lose it.
    pub(crate) heights: Arc<Heights>,
    /// What is on the disk: a power cut does not lose it either. Only this is told to peers as
    /// held, because they count it as a copy.
    pub(crate) durable: Arc<Heights>,
    /// Proofs of forks that became known since somebody listens, one of each author at most.
    pub(crate) proofs: Arc<Vec<ForkProof>>,
}

/// The documents that somebody listens to.
///
/// Commits are announced on the writing thread, in their order. A commit that waits for the disk
/// makes everything before it durable too, since all of them go through one write-ahead log.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    topics: Mutex<HashMap<TopicId, watch::Sender<Commit>>>,
    /// Those who are told which documents grow, whichever they are.
    followers: Followers,
    /// Operations that were just committed.
    recent: Mutex<Recent>,
    /// The newest position of each document that has grown since the start.
    newest: Mutex<HashMap<TopicId, Position>>,
    /// Operations up to this position are on the disk.
    durable: watch::Sender<Position>,
    /// Wakes whoever sees to it that what is committed gets onto the disk.
    lagging: Notify,
}

impl Commits {
    /// Listens to a document. The state is empty until [`Commits::load`] has given what the store
    /// holds; commits that come in between are merged.
    pub(crate) fn subscribe(&self, topic: TopicId) -> watch::Receiver<Commit> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.retain(|known, sender| *known == topic || sender.receiver_count() > 0);
        topics.entry(topic).or_default().subscribe()
    }

    /// Listens to which documents grow from now on.
    pub(crate) fn follow(&self) -> Arc<Touched> {
        self.followers.follow()
    }

    /// Whether somebody listens to a document.
    pub(crate) fn is_listened_to(&self, topic: &TopicId) -> bool {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics
            .get(topic)
            .is_some_and(|sender| sender.receiver_count() > 0)
    }

    /// Merges what the store held at some time after the subscription; `newest` is the last
    /// position of all documents at that time.
    pub(crate) fn load(
        &self,
        topic: TopicId,
        position: Position,
        newest: Position,
        heights: &Heights,
    ) {
        let is_durable = newest <= *self.durable.borrow();
        self.update(topic, |commit| {
            commit.position = commit.position.max(position);
            merge(
                &mut commit.heights,
                heights.iter().map(|(author, head)| (*author, *head)),
            );
            if is_durable {
                merge(
                    &mut commit.durable,
                    heights.iter().map(|(author, head)| (*author, *head)),
                );
            }
        });
        if !is_durable {
            self.lagging.notify_one();
        }
    }

    /// Takes note of a commit; called on the writing thread.
    pub(crate) fn committed(
        &self,
        topic: TopicId,
        position: Position,
        heads: impl IntoIterator<Item = (AuthorId, Head)>,
        durability: Durability,
    ) {
        self.newest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(topic, position);
        self.update(topic, |commit| {
            commit.position = commit.position.max(position);
            merge(&mut commit.heights, heads);
            if durability == Durability::Durable {
                commit.durable = Arc::clone(&commit.heights);
            }
        });
        match durability {
            Durability::Durable => self.raise_durable(position),
            Durability::Refetchable => self.lagging.notify_one(),
        }
        self.followers.tell(&[topic]);
    }

    /// The newest position of a document that has grown since the start, else 0.
    pub(crate) fn position(&self, topic: &TopicId) -> Position {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.get(topic).copied().unwrap_or(0)
    }

    /// Takes note that everything up to a position is on the disk; called on the writing thread.
    pub(crate) fn durable(&self, position: Position) {
        self.raise_durable(position);
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in topics.values() {
            sender.send_if_modified(|commit| {
                let is_behind = commit.durable != commit.heights;
                commit.durable = Arc::clone(&commit.heights);
                is_behind
            });
        }
    }

    fn raise_durable(&self, position: Position) {
        self.durable.send_if_modified(|durable| {
            let is_news = *durable < position;
            *durable = position.max(*durable);
            is_news
        });
    }

    /// Waits until everything up to a position is on the disk.
    pub(crate) async fn until_durable(&self, position: Position) {
        let mut durable = self.durable.subscribe();
        if *durable.borrow() < position {
            self.lagging.notify_one();
            // The sender lives as long as this does.
            let _ = durable.wait_for(|durable| *durable >= position).await;
        }
    }

    /// What is committed could not be brought onto the disk: it is tried again.
    pub(crate) fn lag_again(&self) {
        self.lagging.notify_one();
    }

    /// Waits until something is committed that is not known to be on the disk.
    pub(crate) async fn lag(&self) {
        self.lagging.notified().await;
    }

    fn update(&self, topic: TopicId, change: impl FnOnce(&mut Commit)) {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = topics.get(&topic) {
            sender.send_modify(change);
        }
    }

    /// Takes note of proofs that are new.
    pub(crate) fn forked(&self, topic: TopicId, new: &[ForkProof]) {
        if new.is_empty() {
            return;
        }
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = topics.get(&topic) {
            sender.send_modify(|commit| {
                let proofs = Arc::make_mut(&mut commit.proofs);
                proofs.retain(|known| new.iter().all(|new| new.author() != known.author()));
                proofs.extend_from_slice(new);
            });
        }
    }

    /// Takes note of operations that were committed, for those who send them on; before their heights
    /// are told. Where a log was opened anew nothing is left of what was known before.
    pub(crate) fn remember(&self, topic: TopicId, operations: &[Arc<Operation>], is_anew: bool) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if is_anew {
            recent.forget(&topic);
        } else {
            for operation in operations {
                recent.add(topic, operation);
            }
        }
    }

    /// Operations that a session is to send, if all of them were committed just now.
    pub(crate) fn recent(&self, topic: &TopicId, requests: &[Request]) -> Option<Vec<Operation>> {
        if requests.iter().any(|request| request.is_answer) {
            return None;
        }
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.find(topic, requests)
    }

    /// Ends the listeners of a document that is no more.
    pub(crate) fn remove(&self, topic: &TopicId) {
        self.remember(*topic, &[], true);
        self.newest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(topic);
        self.topics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(topic);
    }
}

fn merge(heights: &mut Arc<Heights>, heads: impl IntoIterator<Item = (AuthorId, Head)>) {
    let heights = Arc::make_mut(heights);
    for (author, head) in heads {
        heights.set(author, head);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::identity::AuthorKey;
    use crate::operation::OperationId;

    fn head(next: u64) -> Head {
        Head {
            next,
            id: OperationId::from_bytes([1; 32]),
            base: 0,
        }
    }

    #[test]
    fn what_did_not_wait_for_the_disk_counts_when_a_later_commit_has() {
        let (commits, author) = (Commits::default(), AuthorKey::generate().id());
        let [topic, other] = [1, 2].map(|byte| TopicId::from_bytes([byte; 32]));
        let listener = commits.subscribe(topic);
        commits.committed(topic, 1, [(author, head(1))], Durability::Refetchable);
        assert_eq!(listener.borrow().heights.next(&author), 1);
        assert_eq!(listener.borrow().durable.next(&author), 0);
        // Who comes now finds it in the store, and on the disk no more than the others do.
        let mut stored = Heights::default();
        stored.raise(author, head(1));
        let late = commits.subscribe(topic);
        commits.load(topic, 1, 1, &stored);
        assert_eq!(late.borrow().durable.next(&author), 0);
        commits.durable(1);
        assert_eq!(listener.borrow().durable.next(&author), 1);
        commits.committed(topic, 2, [(author, head(2))], Durability::Refetchable);
        commits.committed(topic, 3, [(author, head(3))], Durability::Durable);
        assert_eq!(listener.borrow().durable.next(&author), 3);
        // What another document holds was on the disk before that.
        let early = commits.subscribe(other);
        commits.load(other, 1, 3, &stored);
        assert_eq!(early.borrow().durable.next(&author), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_disk_is_woken_by_the_commit_that_waited_for_it() {
        let commits = Commits::default();
        let waiting = commits.until_durable(7);
        tokio::pin!(waiting);
        let short = Duration::from_secs(1);
        assert!(tokio::time::timeout(short, &mut waiting).await.is_err());
        commits.durable(6);
        assert!(tokio::time::timeout(short, &mut waiting).await.is_err());
        commits.durable(7);
        waiting.await;
        // Whoever brings things onto the disk was told that it is waited for.
        commits.lag().await;
    }
}
