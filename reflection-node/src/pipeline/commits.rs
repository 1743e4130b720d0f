// SPDX-License-Identifier: GPL-3.0-or-later
//! Who waits for commits: per document the newest position and the heights.
//!
//! A watch channel holds the newest state alone, so a slow listener costs nothing and misses
//! nothing: it reads from the store what lies between.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::store::operations::Position;
use crate::sync::heights::{Head, Heights};

/// The newest committed state of a document. Both parts only ever grow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commit {
    pub(crate) position: Position,
    pub(crate) heights: Arc<Heights>,
}

/// The documents that somebody listens to.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    topics: Mutex<HashMap<TopicId, watch::Sender<Commit>>>,
}

impl Commits {
    /// Listens to a document. The state is empty until [`Commits::load`] has given what the store
    /// holds; commits that come in between are merged.
    pub(crate) fn subscribe(&self, topic: TopicId) -> watch::Receiver<Commit> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.retain(|known, sender| *known == topic || sender.receiver_count() > 0);
        topics.entry(topic).or_default().subscribe()
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
                heights.raise(author, head);
            }
        });
    }

    /// Ends the listeners of a document that is no more.
    pub(crate) fn remove(&self, topic: &TopicId) {
        self.topics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(topic);
    }
}
