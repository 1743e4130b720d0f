// SPDX-License-Identifier: GPL-3.0-or-later
//! Who waits for commits: per document the newest position and the heights.
//!
//! A watch channel holds the newest state alone, so a slow listener costs nothing and misses
//! nothing: it reads from the store what lies between.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Notify, watch};

use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::operation::ForkProof;
use crate::store::operations::Position;
use crate::sync::heights::{Head, Heights};

/// The newest committed state of a document. All parts only ever grow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commit {
    pub(crate) position: Position,
    pub(crate) heights: Arc<Heights>,
    /// Proofs of forks that became known since somebody listens, one of each author at most.
    pub(crate) proofs: Arc<Vec<ForkProof>>,
}

/// The documents that somebody listens to.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    topics: Mutex<HashMap<TopicId, watch::Sender<Commit>>>,
    /// Those who are told which documents grow, whichever they are.
    followers: Mutex<Vec<Weak<Grown>>>,
}

/// Documents that have grown since somebody looked; at most all there are.
#[derive(Debug, Default)]
pub(crate) struct Grown {
    topics: Mutex<HashSet<TopicId>>,
    notify: Notify,
}

impl Grown {
    /// Waits until some have grown, and takes them.
    pub(crate) async fn next(&self) -> HashSet<TopicId> {
        loop {
            let topics =
                std::mem::take(&mut *self.topics.lock().unwrap_or_else(PoisonError::into_inner));
            if !topics.is_empty() {
                return topics;
            }
            self.notify.notified().await;
        }
    }
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
    pub(crate) fn follow(&self) -> Arc<Grown> {
        let grown = Arc::new(Grown::default());
        let mut followers = self
            .followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        followers.retain(|follower| follower.strong_count() > 0);
        followers.push(Arc::downgrade(&grown));
        grown
    }

    /// Whether somebody listens to a document.
    pub(crate) fn is_listened_to(&self, topic: &TopicId) -> bool {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics
            .get(topic)
            .is_some_and(|sender| sender.receiver_count() > 0)
    }

    /// Merges what the store held at some time after the subscription.
    pub(crate) fn load(&self, topic: TopicId, position: Position, heights: &Heights) {
        self.merge(
            topic,
            position,
            heights.iter().map(|(author, head)| (*author, *head)),
        );
    }

    /// Takes note of a commit.
    pub(crate) fn committed(
        &self,
        topic: TopicId,
        position: Position,
        heads: impl IntoIterator<Item = (AuthorId, Head)>,
    ) {
        self.merge(topic, position, heads);
        let followers = self
            .followers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for grown in followers.iter().filter_map(Weak::upgrade) {
            grown
                .topics
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(topic);
            grown.notify.notify_one();
        }
    }

    /// The newest position of a document that somebody listens to; 0 where nobody does.
    pub(crate) fn position(&self, topic: &TopicId) -> Position {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics
            .get(topic)
            .map_or(0, |commit| commit.borrow().position)
    }

    fn merge(
        &self,
        topic: TopicId,
        position: Position,
        heads: impl IntoIterator<Item = (AuthorId, Head)>,
    ) {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = topics.get(&topic) else {
            return;
        };
        sender.send_modify(|commit| {
            commit.position = commit.position.max(position);
            let heights = Arc::make_mut(&mut commit.heights);
            for (author, head) in heads {
                heights.set(author, head);
            }
        });
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

    /// Ends the listeners of a document that is no more.
    pub(crate) fn remove(&self, topic: &TopicId) {
        self.topics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(topic);
    }
}
