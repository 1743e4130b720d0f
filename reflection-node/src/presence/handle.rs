// SPDX-License-Identifier: GPL-3.0-or-later
//! What a program holds of a document that it has entered, and what it is told of the people.

use std::sync::Arc;

use super::room::{Now, TooMuchSaid};
use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::shared::Shared;
use crate::store::StoreError;

/// Why a document could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// This installation does not take part in it.
    #[error("there is no such document here")]
    NotFound,
    /// Whoever cannot read a document cannot be met in it.
    #[error("this device keeps the document but cannot read it")]
    NotReadable,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody who takes part in a document.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub author: AuthorId,
    /// Has the document open.
    pub is_here: bool,
    /// Their device is connected, and exchanges the document with this one.
    pub is_reachable: bool,
    /// When they were last known to be online, microseconds since 1970 by this device's clock.
    pub last_seen_us: Option<u64>,
    /// What their program says about them while they are here.
    pub said: Vec<u8>,
}

impl Person {
    /// Has the document open, or is connected.
    pub fn is_online(&self) -> bool {
        self.is_here || self.is_reachable
    }
}

impl std::fmt::Debug for Person {
    /// Never what is said.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Person({:?}, here: {}, reachable: {})",
            self.author, self.is_here, self.is_reachable
        )
    }
}

/// A document that is entered or followed. It is left when the last of its handles is dropped.
pub struct Presence {
    shared: Arc<Shared>,
    topic: TopicId,
    /// Shows this device as here.
    is_shown: bool,
}

impl Presence {
    pub(crate) fn new(
        shared: Arc<Shared>,
        topic: TopicId,
        is_shown: bool,
        seen: Vec<(AuthorId, u64)>,
    ) -> Self {
        shared.rooms.open(&topic, |room| {
            room.remember(seen);
            if is_shown {
                room.enter(Now::read());
            } else {
                room.following += 1;
            }
        });
        Self {
            shared,
            topic,
            is_shown,
        }
    }

    /// The document.
    pub fn topic(&self) -> TopicId {
        self.topic
    }

    /// Says something to everybody who has the document open, and to those who come later. It
    /// replaces what was said before; of many in a short time the last one is sent.
    ///
    /// What it means is the program's business; at most [`super::PRESENCE_BYTES_MAX`] bytes.
    pub fn say(&self, body: Vec<u8>) -> Result<(), TooMuchSaid> {
        self.shared
            .rooms
            .change(&self.topic, |room| room.say(body, Now::read()))
            // Nobody listens in a document that is deleted.
            .unwrap_or(Ok(()))
    }

    /// Leaves; the others are told if this was the last handle.
    pub fn leave(self) {}
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.shared.rooms.change(&self.topic, |room| {
            if self.is_shown {
                room.leave();
            } else {
                room.following = room.following.saturating_sub(1);
            }
        });
    }
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Presence({:?})", self.topic)
    }
}
