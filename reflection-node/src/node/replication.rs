// SPDX-License-Identifier: GPL-3.0-or-later
//! Copies at replicas, and keeping copies for others.

use std::sync::Arc;

use super::Node;
use crate::access::{Hint, TopicId};
use crate::events::Found;
use crate::identity::AuthorId;
use crate::network::Network;
use crate::replication::hosting::{self, GrantError, HostedFor};
use crate::replication::{ReplicaInfo, Ticket, assignments, driver};
use crate::shared::now_us;
use crate::store::{Durability, StoreError, documents, peers};

/// Most replicas that a code names beside this device, and most addresses of each.
const KEEPERS_MAX: usize = 2;
const KEEPER_ADDRESSES_MAX: usize = 2;

/// Why something about replicas could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The ticket is this node's own.
    #[error("the ticket is this device's own")]
    Own,
    /// Nothing is assigned to that peer.
    #[error("no such replica is known here")]
    Unknown,
    /// The document is not here.
    #[error("there is no such document here")]
    NoDocument,
    /// There is a bound.
    #[error("so many documents cannot be assigned to one replica")]
    TooMany,
    /// No ticket could be made.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Node {
    /// A ticket for this node as a replica: the one given out last, or another one.
    pub async fn ticket(&self, is_new: bool) -> Result<Ticket, ReplicaError> {
        let grant = self
            .inner
            .shared
            .writer
            .run::<_, GrantError, _>(Durability::Durable, move |connection, _| {
                match hosting::grants(connection)?.pop() {
                    Some(grant) if !is_new => Ok(grant),
                    _ => hosting::grant(connection, now_us()),
                }
            })
            .await?;
        let network = self.inner.network.lock().await;
        let hint = network.running.as_ref().map_or_else(
            || Hint {
                endpoint: self.id(),
                addresses: Vec::new(),
                relay: None,
            },
            Network::hint,
        );
        Ok(Ticket::new(grant.secret, hint))
    }

    /// Ends a ticket that this node gave out, and what was assigned by it.
    pub async fn revoke(&self, ticket: &Ticket) -> Result<(), ReplicaError> {
        let (secret, shared) = (ticket.secret().clone(), Arc::clone(&self.inner.shared));
        let is_known = self
            .inner
            .shared
            .writer
            .run_then::<_, StoreError, _, _>(
                Durability::Durable,
                move |connection, processor| hosting::revoke(connection, processor, &secret),
                move |deleted: &Option<Vec<TopicId>>| {
                    for topic in deleted.iter().flatten() {
                        shared.remove_document(topic);
                    }
                },
            )
            .await?;
        is_known.map(drop).ok_or(ReplicaError::Unknown)?;
        self.inner.shared.writer.checkpoint().await?;
        Ok(())
    }

    /// Assigns documents, or without any the whole library with what comes later, to the replica
    /// that gave out `ticket`. What is assigned is handed over when the replica is reached.
    pub async fn assign(
        &self,
        ticket: &Ticket,
        name: &str,
        topics: Option<Vec<TopicId>>,
    ) -> Result<(), ReplicaError> {
        let replica = ticket.replica();
        if replica == self.id() {
            return Err(ReplicaError::Own);
        }
        let (given, name) = (ticket.clone(), name.to_owned());
        self.inner
            .shared
            .writer
            .run::<_, ReplicaError, _>(Durability::Durable, move |connection, _| {
                assignments::add_replica(connection, &given, &name)?;
                let more = match &topics {
                    Some(topics) => topics.len(),
                    None => documents::all(connection)?.len(),
                };
                if !assignments::has_room(connection, &replica, more)? {
                    return Err(ReplicaError::TooMany);
                }
                let Some(topics) = topics else {
                    return Ok(assignments::assign_library(connection, &replica)?);
                };
                for topic in topics {
                    if documents::find(connection, &topic)?.is_none() {
                        return Err(ReplicaError::NoDocument);
                    }
                    assignments::assign(connection, &replica, &topic)?;
                }
                Ok(())
            })
            .await?;
        self.inner.shared.replication.insert(replica);
        let network = self.inner.network.lock().await;
        if let Some(running) = &network.running {
            running.peers().add(ticket.hint().clone(), Found::Code);
        }
        Ok(())
    }

    /// Withdraws documents, or without any everything, from a replica. It is told when it is
    /// reached or comes by; nobody dials it for that alone.
    pub async fn withdraw(
        &self,
        replica: &AuthorId,
        topics: Option<Vec<TopicId>>,
    ) -> Result<(), ReplicaError> {
        if !self.inner.shared.replication.is_replica(replica) {
            return Err(ReplicaError::Unknown);
        }
        let replica = *replica;
        let is_finished = self
            .inner
            .shared
            .writer
            .run::<_, StoreError, _>(Durability::Durable, move |connection, _| {
                assignments::withdraw(connection, &replica, topics.as_deref())
            })
            .await?;
        if is_finished {
            self.inner.shared.replication.remove(&replica);
        } else {
            self.inner.shared.replication.assignments_changed();
        }
        let network = self.inner.network.lock().await;
        if let Some(running) = &network.running {
            driver::leave(&self.inner.shared, running.peers(), replica).await;
        } else {
            driver::forget_stored(&self.inner.shared, replica).await;
        }
        Ok(())
    }

    /// All replicas, what they keep, and how far they have come.
    pub async fn replicas(&self) -> Result<Vec<ReplicaInfo>, StoreError> {
        self.inner.shared.readers.run(assignments::all).await
    }

    /// What this node keeps for others.
    pub async fn hosted(&self) -> Result<Vec<HostedFor>, StoreError> {
        self.inner.shared.readers.run(hosting::all).await
    }

    /// Where the replicas that keep a document may be reached.
    pub(super) async fn keepers(&self, topic: &TopicId) -> Result<Vec<Hint>, StoreError> {
        let topic = *topic;
        self.inner
            .shared
            .readers
            .run(move |connection| {
                let keepers = assignments::keepers(connection, &topic, KEEPERS_MAX)?;
                let mut hints = peers::all(connection)?;
                hints.retain(|hint| keepers.contains(&hint.endpoint));
                for hint in &mut hints {
                    hint.addresses.truncate(KEEPER_ADDRESSES_MAX);
                }
                Ok(hints)
            })
            .await
    }
}
