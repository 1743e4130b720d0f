// SPDX-License-Identifier: GPL-3.0-or-later
//! Listeners that are told in which documents something happened.
//!
//! What happens while a listener is busy is joined for it: it misses nothing, costs nobody a wait,
//! and holds at most the number of documents.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use crate::access::TopicId;

/// Those who listen; whoever drops what it was given is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    listeners: Mutex<Vec<Weak<Touched>>>,
}

/// Documents in which something has happened since somebody looked.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    topics: Mutex<HashSet<TopicId>>,
    notify: Notify,
}

impl Followers {
    /// Listens from now on.
    pub(crate) fn follow(&self) -> Arc<Touched> {
        let touched = Arc::new(Touched::default());
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(&touched));
        touched
    }

    /// Something happened in these documents.
    pub(crate) fn tell(&self, topics: &[TopicId]) {
        let listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for touched in listeners.iter().filter_map(Weak::upgrade) {
            touched.lock().extend(topics);
            touched.notify.notify_one();
        }
    }
}

impl Touched {
    /// Waits until there are some, and takes them. Cancelling loses nothing.
    pub(crate) async fn next(&self) -> HashSet<TopicId> {
        loop {
            let topics = std::mem::take(&mut *self.lock());
            if !topics.is_empty() {
                return topics;
            }
            self.notify.notified().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<TopicId>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
