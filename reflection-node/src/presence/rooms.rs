// SPDX-License-Identifier: GPL-3.0-or-later
//! The documents that somebody here has entered or follows.
//!
//! They outlive the network, which comes and goes with the connection mode. The lock is held for
//! short steps in memory only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::room::{Now, Room};
use crate::access::TopicId;
use crate::identity::AuthorId;

/// Hints that wait to be looked at.
const HINTS_MAX: usize = 64;

/// See the module.
pub(crate) struct Rooms {
    own: AuthorId,
    documents: Mutex<HashMap<TopicId, Room>>,
    /// Counts what should be looked at soon.
    changed: watch::Sender<u64>,
    /// People who are online and hold something else than we do.
    differing: (
        async_channel::Sender<AuthorId>,
        async_channel::Receiver<AuthorId>,
    ),
}

impl Rooms {
    pub(crate) fn new(own: AuthorId) -> Self {
        Self {
            own,
            documents: Mutex::default(),
            changed: watch::channel(0).0,
            differing: async_channel::bounded(HINTS_MAX),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TopicId, Room>> {
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a room, which is made if it is not there, and wakes whoever serves it.
    pub(super) fn open(&self, topic: &TopicId, change: impl FnOnce(&mut Room)) {
        let mut rooms = self.lock();
        let room = rooms
            .entry(*topic)
            .or_insert_with(|| Room::new(self.own, Now::read()));
        change(room);
        drop(rooms);
        self.wake();
    }

    /// Changes a room and wakes whoever serves it; `None` where there is none.
    pub(super) fn change<T>(
        &self,
        topic: &TopicId,
        change: impl FnOnce(&mut Room) -> T,
    ) -> Option<T> {
        let result = self.with(topic, change);
        self.wake();
        result
    }

    fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Looks at a room or changes it without waking anybody; `None` where there is none.
    pub(crate) fn with<T>(&self, topic: &TopicId, look: impl FnOnce(&mut Room) -> T) -> Option<T> {
        self.lock().get_mut(topic).map(look)
    }

    /// The documents that have a room.
    pub(crate) fn topics(&self) -> Vec<TopicId> {
        self.lock().keys().copied().collect()
    }

    /// Removes a room that nobody wants and that owes nothing.
    pub(crate) fn remove_idle(&self, topic: &TopicId) {
        let mut rooms = self.lock();
        if rooms.get(topic).is_some_and(|room| !room.is_wanted()) {
            rooms.remove(topic);
        }
    }

    /// Forgets a document that is deleted.
    pub(crate) fn remove(&self, topic: &TopicId) {
        self.lock().remove(topic);
        self.wake();
    }

    /// Somebody can be heard no more; the documents in which they were.
    pub(crate) fn lose(&self, author: &AuthorId) -> Vec<TopicId> {
        let mut rooms = self.lock();
        let left = rooms.iter_mut().filter_map(|(topic, room)| {
            let went = room.lose(author);
            went.then_some(*topic)
        });
        let left: Vec<TopicId> = left.collect();
        drop(rooms);
        self.wake();
        left
    }

    /// Whether somebody else has the document open.
    pub(crate) fn is_here(&self, topic: &TopicId, author: &AuthorId) -> bool {
        self.with(topic, |room| room.is_here(author))
            .unwrap_or_default()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Somebody online holds something else than we do and no session with them stands. Dropped
    /// where many wait: it saves time, and nothing depends on it.
    pub(crate) fn hint_differing(&self, author: AuthorId) {
        let _ = self.differing.0.try_send(author);
    }

    pub(crate) fn differing(&self) -> async_channel::Receiver<AuthorId> {
        self.differing.1.clone()
    }
}
