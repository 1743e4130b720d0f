// SPDX-License-Identifier: GPL-3.0-or-later
//! What replicas have confirmed, told and written down at most so often.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::assignments;
use crate::access::TopicId;
use crate::events::Event;
use crate::identity::AuthorId;
use crate::shared::{Shared, now_us};
use crate::store::{Durability, StoreError};

/// How often at most progress with one document at one replica is told.
const TELL_INTERVAL: Duration = Duration::from_millis(500);

struct Entry {
    /// Operations that the replica has confirmed, as heard last.
    heard: u64,
    told: Option<u64>,
    told_at: Option<Instant>,
    is_due: bool,
}

/// The newest counts, until they are told.
#[derive(Default)]
pub(crate) struct Progress {
    entries: Mutex<HashMap<(AuthorId, TopicId), Entry>>,
}

impl Progress {
    /// Takes note of a count; `Some` where it is to be told after that time.
    fn hear(&self, replica: AuthorId, topic: TopicId, confirmed: u64) -> Option<Duration> {
        let mut entries = self.lock();
        let entry = entries.entry((replica, topic)).or_insert(Entry {
            heard: confirmed,
            told: None,
            told_at: None,
            is_due: false,
        });
        entry.heard = confirmed;
        if entry.is_due || entry.told == Some(confirmed) {
            return None;
        }
        entry.is_due = true;
        let since = entry.told_at.map(|when| when.elapsed());
        Some(since.map_or(Duration::ZERO, |since| TELL_INTERVAL.saturating_sub(since)))
    }

    /// The count to tell now.
    fn tell(&self, replica: AuthorId, topic: TopicId) -> Option<u64> {
        let mut entries = self.lock();
        let entry = entries.get_mut(&(replica, topic))?;
        entry.is_due = false;
        entry.told = Some(entry.heard);
        entry.told_at = Some(Instant::now());
        Some(entry.heard)
    }

    /// What was heard and is not told yet.
    fn due(&self) -> Vec<(AuthorId, TopicId)> {
        let entries = self.lock();
        let due = entries.iter().filter(|(_, entry)| entry.is_due);
        due.map(|(key, _)| *key).collect()
    }

    /// Forgets what was told of a document at a replica, so that it is told anew.
    pub(super) fn forget(&self, replica: AuthorId, topic: TopicId) {
        self.lock().remove(&(replica, topic));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(AuthorId, TopicId), Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears from a session how many of our operations a peer has confirmed. Cheap where the peer is
/// no replica of ours.
pub(crate) fn confirmed(
    shared: &Arc<Shared>,
    peer: AuthorId,
    topic: TopicId,
    count: impl FnOnce() -> Option<u64>,
) {
    if !shared.replication.is_replica(&peer) {
        return;
    }
    let Some(count) = count() else {
        return;
    };
    let Some(pause) = shared.replication.progress.hear(peer, topic, count) else {
        return;
    };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        tokio::time::sleep(pause).await;
        tell(&shared, peer, topic).await;
    });
}

/// Tells at once what is to be told a little later.
pub(crate) async fn settle(shared: &Shared) {
    for (replica, topic) in shared.replication.progress.due() {
        tell(shared, replica, topic).await;
    }
}

/// Writes down and tells how a document stands at a replica.
async fn tell(shared: &Shared, replica: AuthorId, topic: TopicId) {
    let Some(acknowledged) = shared.replication.progress.tell(replica, topic) else {
        return;
    };
    let noted: Result<Option<u64>, StoreError> = shared
        .writer
        .run(Durability::Refetchable, move |connection, _| {
            let is_assigned =
                assignments::acknowledged(connection, &replica, &topic, acknowledged, now_us())?;
            if is_assigned {
                assignments::operations_here(connection, &topic).map(Some)
            } else {
                Ok(None)
            }
        })
        .await;
    match noted {
        Ok(Some(here)) => shared.events.emit(&Event::ReplicaProgress {
            replica,
            topic,
            acknowledged,
            pending: here.saturating_sub(acknowledged),
        }),
        Ok(None) => shared.replication.progress.forget(replica, topic),
        Err(error) => tracing::debug!(%error, "what a replica confirmed was not noted"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn many_counts_are_told_as_one_and_the_last_is_never_lost() {
        let progress = Progress::default();
        let (replica, topic) = (AuthorId::from_bytes([1; 32]), TopicId::from_bytes([2; 32]));
        assert_eq!(progress.hear(replica, topic, 1), Some(Duration::ZERO));
        for count in 2..100 {
            assert_eq!(progress.hear(replica, topic, count), None);
        }
        assert_eq!(progress.tell(replica, topic), Some(99));
        // Nothing new is not news; something new waits its time.
        assert_eq!(progress.hear(replica, topic, 99), None);
        let pause = progress.hear(replica, topic, 100).unwrap();
        assert!(pause > Duration::ZERO && pause <= TELL_INTERVAL);
        assert_eq!(progress.tell(replica, topic), Some(100));
    }
}
