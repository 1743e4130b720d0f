// SPDX-License-Identifier: GPL-3.0-or-later
//! Carries out what follows from the talk about common documents.

use std::collections::HashSet;
use std::sync::Arc;

use iroh::endpoint::SendStream;
use tokio::time::Instant;

use super::{Served, say, seen_at};
use crate::access::{Hint, TopicId};
use crate::identity::AuthorId;
use crate::network::control::Action;
use crate::shared::{Shared, now_us};
use crate::store::{Durability, StoreError, peers};
use crate::sync::frame::Frame;

impl Served {
    /// These documents were added or removed.
    pub(super) async fn documents_changed(
        &mut self,
        topics: &HashSet<TopicId>,
        send: &mut SendStream,
    ) -> Result<(), String> {
        let (mut present, mut removed) = (Vec::new(), Vec::new());
        for topic in topics {
            match self.shared.document(topic) {
                Some(document) => present.push(document.keys),
                None => removed.push(*topic),
            }
        }
        let random = crate::random::array;
        let actions = self.control.documents_changed(&present, &removed, random);
        self.carry_out(actions, send).await
    }

    /// Takes a frame of the control stream.
    pub(super) async fn heard(
        &mut self,
        frame: Frame,
        send: &mut SendStream,
    ) -> Result<(), String> {
        let actions = self.control.receive(frame, Instant::now());
        let actions = actions.map_err(|error| error.to_string())?;
        self.carry_out(actions, send).await
    }

    /// Does what is due.
    pub(super) async fn go_on(&mut self, send: &mut SendStream) -> Result<(), String> {
        let (shared, peer) = (Arc::clone(&self.shared), self.peer);
        let is_settled = |topic: &TopicId| {
            shared
                .status_of(topic, &peer)
                .is_some_and(|status| status.is_exchanged && status.is_in_step)
        };
        let actions = self.control.steps(Instant::now(), is_settled);
        self.carry_out(actions, send).await
    }

    pub(super) async fn carry_out(
        &mut self,
        actions: Vec<Action>,
        send: &mut SendStream,
    ) -> Result<(), String> {
        for action in actions {
            match action {
                Action::Say(frame) => say(send, &frame).await?,
                Action::Remember => {
                    self.has_common = true;
                    self.remember_peer();
                }
                Action::Tell(topics) => {
                    let held = self.held(&topics).await;
                    let frame = self.control.tell(&topics, &held, Instant::now());
                    say(send, &frame).await?;
                }
                Action::Compare(theirs) => {
                    let topics: Vec<TopicId> = theirs.iter().map(|(topic, _)| *topic).collect();
                    let held = self.held(&topics).await;
                    let (equal, answer) = self.control.compare(&theirs, held, Instant::now());
                    if let Some(answer) = answer {
                        say(send, &answer).await?;
                    }
                    self.note_quiet(equal);
                }
                Action::Open(topic) => {
                    if self.open(topic).await.is_none() {
                        self.control.failed_to_open(topic, Instant::now());
                    }
                }
                Action::Close(topic, number) => {
                    if let Some((present, session)) = self.sessions.get(&topic)
                        && *present == number
                    {
                        session.cancel();
                    }
                }
                Action::Leave(topic) => self.leave(&topic),
            }
        }
        Ok(())
    }

    /// A document is not common any more.
    fn leave(&mut self, topic: &TopicId) {
        if let Some((_, session)) = self.sessions.remove(topic) {
            session.cancel();
        }
        if let Some(number) = self.quiet.remove(topic) {
            self.shared.set_status(*topic, self.peer, number, None);
        }
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
