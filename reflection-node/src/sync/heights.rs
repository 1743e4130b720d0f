// SPDX-License-Identifier: GPL-3.0-or-later
//! What somebody holds of a document: for every author how far the log reaches.

use std::collections::BTreeMap;

use crate::identity::AuthorId;
use crate::operation::OperationId;

/// Most authors whose logs are exchanged for one document.
pub(crate) const AUTHORS_MAX: usize = 4096;

/// The end of one author's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The first sequence number that is not there.
    pub(crate) next: u64,
    /// The operation before it. Two heads of equal height that differ show a fork.
    pub(crate) id: OperationId,
    /// The first sequence number that is kept here: 0, or a compaction's. Never told to a peer;
    /// 0 in what a peer tells.
    pub(crate) base: u64,
}

/// The ends of all logs of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heights(BTreeMap<AuthorId, Head>);

impl Heights {
    /// The first sequence number of `author` that is not there.
    pub(crate) fn next(&self, author: &AuthorId) -> u64 {
        self.0.get(author).map_or(0, |head| head.next)
    }

    /// The end of `author`'s log.
    pub(crate) fn get(&self, author: &AuthorId) -> Option<&Head> {
        self.0.get(author)
    }

    /// Takes the higher of the known and the given head. `false` where there would be too many
    /// authors.
    pub(crate) fn raise(&mut self, author: AuthorId, head: Head) -> bool {
        if let Some(known) = self.0.get_mut(&author) {
            if head.next > known.next {
                *known = head;
            }
            return true;
        }
        if self.0.len() >= AUTHORS_MAX {
            return false;
        }
        self.0.insert(author, head);
        true
    }

    /// Takes what its holder says of a log, which may have been replaced by another one of the same
    /// height. `false` where there would be too many authors.
    pub(crate) fn hear(&mut self, author: AuthorId, head: Head) -> bool {
        match self.0.get_mut(&author) {
            Some(known) if known.next == head.next => {
                *known = head;
                true
            }
            _ => self.raise(author, head),
        }
    }

    /// Takes what is committed here: as high as the known head or higher, but perhaps another
    /// operation, where a log was replaced.
    pub(crate) fn set(&mut self, author: AuthorId, head: Head) {
        if self.next(&author) <= head.next {
            self.0.insert(author, head);
        }
    }

    /// The authors whose logs end otherwise than before. None of them goes away.
    pub(crate) fn changed_since(&self, before: &Self) -> impl Iterator<Item = AuthorId> {
        // Both are in the same order.
        let mut before = before.0.iter().peekable();
        self.0.iter().filter_map(move |(author, head)| {
            while before.next_if(|(known, _)| *known < author).is_some() {}
            let known = before.next_if(|(known, _)| *known == author);
            (known.map(|(_, known)| known) != Some(head)).then_some(*author)
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&AuthorId, &Head)> {
        self.0.iter()
    }

    /// Whether everything in one log is here too, as far as can be told: a log of equal height
    /// has to end with the same operation.
    pub(crate) fn agrees_with(&self, author: &AuthorId, head: &Head) -> bool {
        self.0.get(author).is_some_and(|known| {
            known.next > head.next || (known.next == head.next && known.id == head.id)
        })
    }

    /// A hash of all heads: equal digests mean equal logs.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("app.reflection heights digest v1");
        for (author, head) in &self.0 {
            hasher.update(author.as_bytes());
            hasher.update(&head.next.to_be_bytes());
            hasher.update(head.id.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

impl FromIterator<(AuthorId, Head)> for Heights {
    fn from_iter<I: IntoIterator<Item = (AuthorId, Head)>>(heads: I) -> Self {
        Self(heads.into_iter().collect())
    }
}
