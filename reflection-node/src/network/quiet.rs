// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents of a connection that have no stream: compared in bulk, opened when they differ.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::SendStream;
use tokio::time::Instant;

use super::connection::{Finished, Served, say};
use super::plan::Step;
use crate::access::{DocumentKeys, TopicId};
use crate::replication::progress;
use crate::shared::PeerStatus;
use crate::store::documents::DocumentRow;
use crate::store::operations::Position;
use crate::store::{Durability, StoreError, operations, peers};
use crate::sync::driver::next_number;
use crate::sync::frame::{Frame, Token};
use crate::sync::heights::Heights;
use crate::sync::summary::Mark;

/// How long it is waited for the disk before it is said what is held.
const DISK_TIMEOUT: Duration = Duration::from_secs(5);

/// What is held here of a document, on the disk.
pub(super) struct Held {
    topic: TopicId,
    row: DocumentRow,
    keys: DocumentKeys,
    heights: Heights,
    /// Up to where everything that was committed is in it.
    position: Position,
}

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

    /// Says what is held here.
    pub(super) fn summary(&self, held: &[Held]) -> Frame {
        Frame::Summary {
            marks: held
                .iter()
                .filter_map(|held| {
                    let token = self.matching.token_of(&held.topic)?;
                    Some((token, self.matching.own_mark(&held.keys, &held.heights)))
                })
                .collect(),
        }
    }

    /// Takes a summary of the peer. The side that opens answers with its own for what is equal, so
    /// that the other one knows too.
    pub(super) async fn compare(
        &mut self,
        marks: &[(Token, Mark)],
        send: &mut SendStream,
    ) -> Result<(), String> {
        let named: Vec<(TopicId, Mark)> = marks
            .iter()
            .filter_map(|(token, mark)| Some((self.matching.common_topic_of(token)?, *mark)))
            .collect();
        let topics: Vec<TopicId> = named.iter().map(|(topic, _)| *topic).collect();
        let theirs: std::collections::HashMap<TopicId, Mark> = named.into_iter().collect();
        let (mut equal, now) = (Vec::new(), Instant::now());
        for held in self.held(&topics).await {
            let expected = self.matching.equal_mark(&held.keys, &held.heights);
            if theirs.get(&held.topic) == Some(&expected) {
                equal.push(held);
            } else if self.shared.id < self.peer {
                self.plan.announced(&held.topic, now);
            } else {
                self.plan.news(&held.topic, now);
            }
        }
        equal.retain(|held| self.plan.equal(&held.topic));
        if self.shared.id < self.peer && !equal.is_empty() {
            say(send, &self.summary(&equal)).await?;
        }
        self.note_quiet(equal);
        Ok(())
    }

    /// Takes note that the peer holds the same as is held here.
    fn note_quiet(&mut self, equal: Vec<Held>) {
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
                        peers::confirm(connection, held.row, &peer, held.heights.next(&own))
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
            if !self.plan.news(topic, now) {
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
        if !self.plan.knows(&topic) {
            // Left meanwhile: what the session said of the peer at its end does not hold.
            self.shared.set_status(topic, self.peer, number, None);
            return Ok(());
        }
        let now = Instant::now();
        if self.plan.ended(topic, number, outcome.is_in_step, now) {
            self.quiet.insert(topic, number);
        }
        Ok(())
    }

    /// Does what the plan says.
    pub(super) async fn follow_plan(&mut self, send: &mut SendStream) -> Result<(), String> {
        let (shared, peer) = (Arc::clone(&self.shared), self.peer);
        let is_settled = |topic: &TopicId| {
            shared
                .status_of(topic, &peer)
                .is_some_and(|status| status.is_exchanged && status.is_in_step)
        };
        let steps = self.plan.steps(Instant::now(), is_settled);
        let mut tokens = Vec::new();
        for step in steps {
            match step {
                Step::Open(topic) => {
                    if self.open(topic).await.is_none() {
                        self.plan.failed_to_open(topic, Instant::now());
                    }
                }
                Step::Announce(topic) => tokens.extend(self.matching.token_of(&topic)),
                Step::Close(topic, number) => {
                    if let Some((present, session)) = self.sessions.get(&topic)
                        && *present == number
                    {
                        session.cancel();
                    }
                }
            }
        }
        for chunk in tokens.chunks(crate::sync::frame::MARKS_PER_FRAME_MAX) {
            let tokens = chunk.to_vec();
            say(send, &Frame::Changed { tokens }).await?;
        }
        Ok(())
    }
}
