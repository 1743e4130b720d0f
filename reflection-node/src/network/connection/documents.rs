// SPDX-License-Identifier: GPL-3.0-or-later
//! The talk about common documents, on the control stream.

use std::collections::HashSet;
use std::sync::Arc;

use iroh::endpoint::SendStream;
use tokio::time::Instant;

use super::{Served, say, seen_at};
use crate::access::{Hint, TopicId};
use crate::identity::AuthorId;
use crate::shared::{Shared, now_us};
use crate::store::{Durability, StoreError, peers};
use crate::sync::frame::{Frame, MARKS_PER_FRAME_MAX, TOKENS_PER_FRAME_MAX};

impl Served {
    pub(super) async fn offer(
        &self,
        send: &mut SendStream,
        topics: &[TopicId],
    ) -> Result<(), String> {
        for frame in self.matching.offer(topics, crate::random::array) {
            say(send, &frame).await?;
        }
        Ok(())
    }

    /// These documents were added or removed.
    pub(super) async fn documents_changed(
        &mut self,
        topics: &HashSet<TopicId>,
        send: &mut SendStream,
    ) -> Result<(), String> {
        let (mut present, mut gone) = (Vec::new(), Vec::new());
        for topic in topics {
            if let Some(document) = self.shared.document(topic) {
                present.push(document.keys);
            } else if self.matching.knows(topic) {
                gone.extend(self.matching.common_token_of(topic));
                self.matching.remove(topic);
                self.leave(topic);
            }
        }
        for tokens in gone.chunks(TOKENS_PER_FRAME_MAX) {
            let tokens = tokens.to_vec();
            say(send, &Frame::Gone { tokens }).await?;
        }
        let added = self.matching.add(&present);
        if added.is_empty() {
            Ok(())
        } else {
            self.offer(send, &added).await
        }
    }

    /// A document is not common any more.
    fn leave(&mut self, topic: &TopicId) {
        self.plan.remove(topic);
        if let Some((_, session)) = self.sessions.remove(topic) {
            session.cancel();
        }
        if let Some(number) = self.quiet.remove(topic) {
            self.shared.set_status(*topic, self.peer, number, None);
        }
    }

    pub(super) async fn control(
        &mut self,
        frame: Frame,
        send: &mut SendStream,
    ) -> Result<(), String> {
        let frame = match frame {
            Frame::Summary { marks } => return self.compare(&marks, send).await,
            Frame::Changed { tokens } => {
                for topic in tokens
                    .iter()
                    .filter_map(|token| self.matching.common_topic_of(token))
                {
                    self.plan.announced(&topic, Instant::now());
                }
                return Ok(());
            }
            Frame::Gone { tokens } => {
                for token in &tokens {
                    if let Some(topic) = self.matching.gone(token) {
                        self.leave(&topic);
                    }
                }
                return Ok(());
            }
            frame => frame,
        };
        let matched = self
            .matching
            .receive(frame)
            .map_err(|error| error.to_string())?;
        if let Some(answer) = matched.answer {
            say(send, &answer).await?;
        }
        if matched.topics.is_empty() {
            return Ok(());
        }
        self.has_common = true;
        self.remember_peer();
        for topic in &matched.topics {
            self.plan.common(*topic);
        }
        // The side that opens streams is told what the other one holds, and opens where it must.
        if self.shared.id > self.peer {
            for topics in matched.topics.chunks(MARKS_PER_FRAME_MAX) {
                let held = self.held(topics).await;
                say(send, &self.summary(&held)).await?;
            }
        }
        Ok(())
    }

    /// Keeps a peer with whom documents are shared in the address book.
    fn remember_peer(&self) {
        let (shared, peer) = (Arc::clone(&self.shared), self.peer);
        let (address, relay) = seen_at(&self.connection);
        tokio::spawn(async move {
            let hint = Hint {
                endpoint: peer,
                addresses: address.into_iter().collect(),
                relay,
            };
            let noted: Result<(), StoreError> = shared
                .writer
                .run(Durability::Refetchable, move |connection, _| {
                    peers::remember(connection, &hint)?;
                    peers::met(connection, &peer, now_us())
                })
                .await;
            if let Err(error) = noted {
                tracing::debug!(%error, "a peer was not noted");
            }
        });
    }
}

/// Notes when a peer was there last.
pub(super) fn note_meeting(shared: &Arc<Shared>, peer: AuthorId) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let noted: Result<(), StoreError> = shared
            .writer
            .run(Durability::Refetchable, move |connection, _| {
                peers::met(connection, &peer, now_us())
            })
            .await;
        if let Err(error) = noted {
            tracing::debug!(%error, "a meeting was not noted");
        }
    });
}
