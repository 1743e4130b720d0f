// SPDX-License-Identifier: GPL-3.0-or-later
//! The documents that a node takes part in.

use std::sync::Arc;

use rusqlite::Connection;

use super::Node;
use crate::access::{Access, Code, DocumentKeys, DocumentSecret, Hint, TopicId};
use crate::events::Found;
use crate::identity::AuthorId;
use crate::migration::remove_backups;
use crate::network::Network;
use crate::pipeline::process_waiting;
use crate::replication::{assignments, hosting};
use crate::shared::now_us;
use crate::store::documents::{self, StoredDocument};
use crate::store::operations::{self, DocumentStatistics};
use crate::store::{Durability, StoreError, peers};

/// Why something about a document could not be done.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// This installation does not take part in it.
    #[error("there is no such document here")]
    NotFound,
    /// The code that was joined with gives less than what is asked for.
    #[error("this device has no {0} access to hand on")]
    NotAllowed(Access),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A document in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentInfo {
    /// Its id.
    pub topic: TopicId,
    /// What this installation may do with it.
    pub access: Access,
    /// When it was created or joined here, microseconds since 1970.
    pub created_us: u64,
    /// How many peers have confirmed to hold all that was written here, or by others where nothing
    /// was written here.
    pub copies: u64,
    /// Whether it came by a code rather than being made here.
    pub is_joined: bool,
}

/// Who is in a document right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentStatus {
    /// Peers with whom it is being synchronised.
    pub connected: Vec<AuthorId>,
    /// How many of them have confirmed to have everything that is stored here.
    pub in_step: usize,
}

impl Node {
    /// A new document, which this installation alone knows.
    pub async fn create(&self) -> Result<TopicId, StoreError> {
        let keys = DocumentKeys::for_writing(DocumentSecret::generate());
        self.add_document(keys, false)
            .await
            .map(|stored| stored.keys.topic())
    }

    /// Takes part in the document of a code. Joining again with a stronger code raises the right.
    pub async fn join(&self, code: &Code) -> Result<(TopicId, Access), StoreError> {
        let before = self.access(&code.keys().topic());
        let stored = self.add_document(code.keys().clone(), true).await?;
        if before.is_some_and(|before| before < stored.keys.access()) {
            // Sessions under way have the weaker keys; they begin again with the network. A
            // network that does not come back is told by what follows it.
            let mode = self.mode().await;
            if let Err(error) = self.set_mode(mode).await {
                tracing::warn!(%error, "the network did not start again");
            }
        }
        let hints = code.hints().to_vec();
        let noted = hints.clone();
        self.inner
            .shared
            .writer
            .run(Durability::Durable, move |connection, _| {
                noted
                    .iter()
                    .try_for_each(|hint| peers::remember(connection, hint))
            })
            .await?;
        let network = self.inner.network.lock().await;
        if let Some(running) = &network.running {
            for hint in hints {
                running.peers().add(hint, Found::Code);
            }
        }
        Ok((stored.keys.topic(), stored.keys.access()))
    }

    async fn add_document(
        &self,
        keys: DocumentKeys,
        is_joined: bool,
    ) -> Result<StoredDocument, StoreError> {
        let shared = Arc::clone(&self.inner.shared);
        self.inner
            .shared
            .writer
            .run_then(
                Durability::Durable,
                move |connection, processor| {
                    let before = documents::find_sound(connection, &keys.topic())?;
                    let stored = documents::add(connection, &keys, is_joined, now_us())?;
                    if before.is_some_and(|before| before.keys.access() == Access::Replica) {
                        process_waiting(connection, processor, &stored)?;
                    }
                    processor
                        .application
                        .added(connection, &stored.keys.topic())?;
                    hosting::joined(connection, stored.row)?;
                    if stored.keys.access() > Access::Replica {
                        assignments::document_added(connection, &stored.keys.topic())?;
                    }
                    Ok(stored)
                },
                move |stored: &StoredDocument| shared.insert_document(stored.clone()),
            )
            .await
    }

    /// Documents that are not among all because their keys are damaged; `None` where not even the
    /// id can be told. They can be deleted, or joined again with a code.
    pub async fn damaged_documents(&self) -> Result<Vec<Option<TopicId>>, StoreError> {
        self.inner.shared.readers.run(documents::damaged).await
    }

    /// All documents that are sound, oldest first.
    pub async fn documents(&self) -> Result<Vec<DocumentInfo>, StoreError> {
        let own = self.id();
        self.inner
            .shared
            .readers
            .run(move |connection| {
                documents::all(connection)?
                    .iter()
                    .map(|stored| info(connection, stored, &own))
                    .collect()
            })
            .await
    }

    /// One document; `None` where it is not here.
    pub async fn document(&self, topic: &TopicId) -> Result<Option<DocumentInfo>, StoreError> {
        let (topic, own) = (*topic, self.id());
        self.inner
            .shared
            .readers
            .run(move |connection| {
                documents::find(connection, &topic)?
                    .map(|stored| info(connection, &stored, &own))
                    .transpose()
            })
            .await
    }

    /// A code that hands on the right `access` to a document.
    pub async fn code(
        &self,
        topic: &TopicId,
        access: Access,
        with_hints: bool,
    ) -> Result<Code, DocumentError> {
        let document = self
            .inner
            .shared
            .document(topic)
            .ok_or(DocumentError::NotFound)?;
        let hints = if with_hints {
            let network = self.inner.network.lock().await;
            let own: Vec<Hint> = network.running.iter().map(Network::hint).collect();
            drop(network);
            // Whoever joins while this device is off gets it from a replica.
            own.into_iter().chain(self.keepers(topic).await?).collect()
        } else {
            Vec::new()
        };
        Code::new(&document.keys, access, hints).ok_or(DocumentError::NotAllowed(access))
    }

    /// What this installation may do with a document.
    pub fn access(&self, topic: &TopicId) -> Option<Access> {
        self.inner
            .shared
            .document(topic)
            .map(|document| document.keys.access())
    }

    /// The CRDT identity under which this installation writes to a document.
    pub fn incarnation(&self, topic: &TopicId) -> Option<u64> {
        self.inner
            .shared
            .document(topic)
            .map(|document| document.incarnation)
    }

    /// Removes a document from this device; nothing of it remains in the file.
    pub async fn delete(&self, topic: &TopicId) -> Result<(), DocumentError> {
        let (topic, shared) = (*topic, Arc::clone(&self.inner.shared));
        let is_deleted: bool = self
            .inner
            .shared
            .writer
            .run_then(
                Durability::Durable,
                move |connection, processor| {
                    if let Some(row) = documents::row(connection, &topic)? {
                        processor.early.forget(row);
                    }
                    processor.application.deleted(connection, &topic)?;
                    documents::delete(connection, &topic)
                },
                move |_| shared.remove_document(&topic),
            )
            .await?;
        if !is_deleted {
            return Err(DocumentError::NotFound);
        }
        // What a migration put aside holds the document too, and cannot be cut open.
        remove_backups(&self.inner.path).map_err(StoreError::Backup)?;
        self.inner.shared.writer.checkpoint().await?;
        Ok(())
    }

    /// The authors with a log in a document.
    pub async fn authors(&self, topic: &TopicId) -> Result<Vec<AuthorId>, DocumentError> {
        let document = self
            .inner
            .shared
            .document(topic)
            .ok_or(DocumentError::NotFound)?;
        let heights = self
            .inner
            .shared
            .readers
            .run(move |connection| operations::heights(connection, document.row))
            .await?;
        Ok(heights.iter().map(|(author, _)| *author).collect())
    }

    /// Who is in a document right now.
    pub fn status(&self, topic: &TopicId) -> DocumentStatus {
        let peers = self.inner.shared.peers_of(topic);
        DocumentStatus {
            in_step: peers.values().filter(|status| status.is_in_step).count(),
            connected: peers.into_keys().collect(),
        }
    }

    /// What a document takes.
    pub async fn statistics(&self, topic: &TopicId) -> Result<DocumentStatistics, DocumentError> {
        let document = self
            .inner
            .shared
            .document(topic)
            .ok_or(DocumentError::NotFound)?;
        let statistics = self
            .inner
            .shared
            .readers
            .run(move |connection| operations::statistics(connection, document.row))
            .await?;
        Ok(statistics)
    }
}

fn info(
    connection: &Connection,
    stored: &StoredDocument,
    own: &AuthorId,
) -> Result<DocumentInfo, StoreError> {
    Ok(DocumentInfo {
        topic: stored.keys.topic(),
        access: stored.keys.access(),
        created_us: stored.created_us,
        is_joined: stored.is_joined,
        copies: peers::copies(connection, stored.row, own)?,
    })
}
