// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents of a connection that have no stream: what is held of them, and how their sessions ended.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Finished, Served};
use crate::access::{DocumentKeys, TopicId};
use crate::network::control::{After, Held, SessionEnd};
use crate::replication::progress;
use crate::shared::PeerStatus;
use crate::store::documents::DocumentRow;
use crate::store::operations::Position;
use crate::store::peers::Confirmed;
use crate::store::{Durability, StoreError, operations, peers};
use crate::sync::driver::next_number;

/// How long it is waited for the disk before it is said what is held.
const DISK_TIMEOUT: Duration = Duration::from_secs(5);

impl Served {
    /// What is held of documents now; those that cannot be read are left out. All of it is on the
    /// disk, because the peer counts it as a copy.
    pub(super) async fn held(&self, topics: &[TopicId]) -> Vec<Held> {
        let documents: Vec<(TopicId, DocumentRow, DocumentKeys)> = topics
            .iter()
            .filter_map(|topic| {
                let document = self.shared.document(topic)?;
                Some((*topic, document.row, document.keys))
            })
            .collect();
        let read = self.shared.readers.run(move |connection| {
            // One moment for all.
            let connection = &connection.unchecked_transaction()?;
            let position = operations::newest_position(connection)?;
            let held: Result<Vec<Held>, StoreError> = documents
                .into_iter()
                .map(|(topic, row, keys)| {
                    Ok(Held {
                        topic,
                        row,
                        keys,
                        heights: operations::heights(connection, row)?,
                        position,
                    })
                })
                .collect();
            Ok((held?, position))
        });
        match read.await {
            Ok((held, newest)) => {
                let on_disk = self.shared.commits.until_durable(newest);
                if tokio::time::timeout(DISK_TIMEOUT, on_disk).await.is_err() {
                    tracing::warn!("what is held does not get onto the disk");
                    return Vec::new();
                }
                held
            }
            Err(error) => {
                tracing::warn!(%error, "what is held cannot be read");
                Vec::new()
            }
        }
    }

    /// Takes note that the peer holds the same as is held here.
    pub(super) fn note_quiet(&mut self, equal: Vec<Held>) {
        if equal.is_empty() {
            return;
        }
        let number = next_number();
        let numbered: Vec<(TopicId, u64)> = equal.iter().map(|held| (held.topic, number)).collect();
        self.quiet.extend(numbered.iter().copied());
        let status = PeerStatus {
            is_exchanged: true,
            is_in_step: true,
            // News of the document says otherwise by itself.
            position: equal.first().map_or(0, |held| held.position),
        };
        self.shared.set_statuses(self.peer, &numbered, Some(status));
        for held in &equal {
            progress::confirmed(&self.shared, self.peer, held.topic, || {
                Some(held.heights.iter().map(|(_, head)| head.next).sum())
            });
        }
        let (shared, peer, own) = (Arc::clone(&self.shared), self.peer, self.shared.id);
        tokio::spawn(async move {
            let noted: Result<(), StoreError> = shared
                .writer
                .run(Durability::Refetchable, move |connection, _| {
                    equal.iter().try_for_each(|held| {
                        let confirmed = Confirmed {
                            own: held.heights.next(&own),
                            held: held.heights.iter().map(|(_, head)| head.next).sum(),
                        };
                        peers::confirm(connection, held.row, &peer, confirmed)
                    })
                })
                .await;
            if let Err(error) = noted {
                tracing::debug!(%error, "what a peer holds was not noted");
            }
        });
    }

    /// Something was committed to these documents.
    pub(super) fn grew(&mut self, topics: &HashSet<TopicId>) {
        let now = Instant::now();
        for topic in topics {
            if !self.control.grew(topic, now) {
                continue;
            }
            // Until a session has said otherwise the peer lacks what is new.
            let number = next_number();
            self.quiet.insert(*topic, number);
            let status = PeerStatus {
                is_exchanged: true,
                is_in_step: false,
                position: Position::MAX,
            };
            self.shared
                .set_status(*topic, self.peer, number, Some(status));
        }
    }

    /// A session ended, for whatever reason; the others go on.
    pub(super) fn session_ended(&mut self, finished: Finished) -> Result<(), String> {
        let (topic, number, outcome) = finished;
        if self
            .sessions
            .get(&topic)
            .is_some_and(|(present, _)| *present == number)
        {
            self.sessions.remove(&topic);
        }
        if outcome.is_breach {
            return Err("the peer broke the rules".into());
        }
        let now = Instant::now();
        let end = SessionEnd {
            is_in_step: outcome.is_in_step,
            is_overtaken: outcome.commits.has_changed().unwrap_or(false),
        };
        match self.control.ended(topic, number, end, now) {
            After::Left => self.shared.set_status(topic, self.peer, number, None),
            After::Quiet => {
                self.quiet.insert(topic, number);
            }
            After::Unsettled => {}
        }
        Ok(())
    }
}
