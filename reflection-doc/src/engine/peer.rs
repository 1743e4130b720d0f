// SPDX-License-Identifier: GPL-3.0-or-later
//! The CRDT's name of an author.

use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;

/// The id under which an author's changes stand in the CRDT: the first 8 bytes, big-endian, of
/// BLAKE3(author ‖ topic ‖ incarnation). It follows from the signature on an operation, so that
/// nobody can write under another author's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerId(u64);

impl PeerId {
    /// The id of an author in a document.
    pub fn derive(author: &AuthorId, topic: &TopicId, incarnation: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(author.as_bytes())
            .update(topic.as_bytes())
            .update(&incarnation.to_be_bytes());
        let mut first = [0; 8];
        hasher.finalize_xof().fill(&mut first);
        // The CRDT keeps the largest number for itself.
        Self(u64::from_be_bytes(first).min(u64::MAX - 1))
    }

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0
    }
}
