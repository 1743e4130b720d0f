// SPDX-License-Identifier: GPL-3.0-or-later
//! The documents in which `run` listens to who is there, and passes it on to others.
//!
//! Nobody sits before this process, so it is shown nowhere as having a document open. An overlay
//! costs some messages a minute; those of the documents that changed last are kept.

use std::collections::VecDeque;

use reflection_node::access::TopicId;
use reflection_node::{Event, Node, Presence};

/// Most documents that are followed at once.
const FOLLOWED_MAX: usize = 32;

/// See the module.
pub(crate) struct Followed {
    node: Node,
    /// The one that changed last is the last.
    documents: VecDeque<Presence>,
}

impl Followed {
    /// Follows the documents that came last.
    pub(crate) async fn begin(node: Node) -> Self {
        let mut followed = Self {
            node,
            documents: VecDeque::new(),
        };
        // Without the list, documents are followed as they change.
        let documents = followed.node.documents().await.unwrap_or_default();
        let oldest = documents.len().saturating_sub(FOLLOWED_MAX);
        for document in documents.into_iter().skip(oldest) {
            followed.note(document.topic).await;
        }
        followed
    }

    /// Takes note of what happens.
    pub(crate) async fn heard(&mut self, event: &Event) {
        match event {
            Event::DocumentAdded { topic } | Event::DocumentChanged { topic, .. } => {
                self.note(*topic).await;
            }
            Event::DocumentDeleted { topic } => {
                self.documents.retain(|known| known.topic() != *topic);
            }
            _ => {}
        }
    }

    async fn note(&mut self, topic: TopicId) {
        let known = self
            .documents
            .iter()
            .position(|known| known.topic() == topic)
            .and_then(|index| self.documents.remove(index));
        let presence = match known {
            Some(presence) => Some(presence),
            // One that cannot be read, or is gone, is not followed.
            None => self.node.follow(&topic).await.ok(),
        };
        self.documents.extend(presence);
        if self.documents.len() > FOLLOWED_MAX {
            self.documents.pop_front();
        }
    }
}
