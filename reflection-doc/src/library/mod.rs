// SPDX-License-Identifier: GPL-3.0-or-later
//! All documents of this installation: the node together with what documents add to it.

mod application;
mod summary;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reflection_node::access::{Access, TopicId};
use reflection_node::identity::AuthorKey;
use reflection_node::pipeline::StreamError;
use reflection_node::store::{DataFolder, StoreError};
use reflection_node::{DocumentInfo, NetworkConfig, Node, StartError};

use crate::engine::{Engine, EngineError, title};
use crate::open_document::{OpenDocument, PublishFailure, Publisher, Turn};
pub use summary::DocumentSummary;

/// Why something about a document could not be done.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The document is not here, or not readable here.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored does not form a text.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The first text of a new document could not be stored.
    #[error(transparent)]
    Publish(#[from] PublishFailure),
}

/// All documents. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    node: Node,
    /// One engine per document writes at a time: two would give out the same CRDT counters.
    turns: Arc<Mutex<HashMap<TopicId, Turn>>>,
}

impl Library {
    /// Starts the node on a folder.
    pub async fn open(
        folder: DataFolder,
        key: AuthorKey,
        network: NetworkConfig,
    ) -> Result<Self, StartError> {
        let application = Box::new(application::Documents);
        let node = Node::start(folder, key, network, application).await?;
        Ok(Self {
            node,
            turns: Arc::default(),
        })
    }

    /// The node underneath.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Makes a document with a first text, which may be empty.
    pub async fn create(&self, text: &str) -> Result<TopicId, LibraryError> {
        let topic = self.node.create().await?;
        if !text.is_empty() {
            let mut document = self.open_document(&topic).await?;
            // An empty document takes an insertion at its beginning.
            let _ = document.engine.edit(0, 0, text);
            document.flush().await?;
        }
        Ok(topic)
    }

    /// Opens a document for reading and, where the right is held, writing. Waits while another
    /// part of this process has it open.
    pub async fn open_document(&self, topic: &TopicId) -> Result<OpenDocument, LibraryError> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|known, turn| known == topic || turn.is_held());
            turns.entry(*topic).or_default().clone()
        };
        let held = turn.wait().await;
        let access = self.node.access(topic).ok_or(StreamError::Closed)?;
        let (engine, stream) = self.load(topic).await?;
        let publisher = Publisher::new(self.node.clone(), *topic, engine.incarnation());
        Ok(OpenDocument {
            engine,
            stream,
            publisher,
            access,
            turn: held,
        })
    }

    /// An engine with all that is stored, and the stream of what comes after.
    async fn load(
        &self,
        topic: &TopicId,
    ) -> Result<(Engine, reflection_node::pipeline::DocumentStream), LibraryError> {
        let incarnation = self.node.incarnation(topic).ok_or(StreamError::Closed)?;
        let mut engine = Engine::new(self.node.id(), topic, incarnation);
        let mut stream = self.node.stream(topic, 0).await?;
        loop {
            let batch = stream.stored().await?;
            if batch.is_empty() {
                return Ok((engine, stream));
            }
            engine.apply(&batch)?;
        }
    }

    /// The text of a document as it is stored.
    pub async fn text(&self, topic: &TopicId) -> Result<String, LibraryError> {
        Ok(self.load(topic).await?.0.text())
    }

    /// All documents, the one that changed last first.
    pub async fn documents(&self) -> Result<Vec<DocumentSummary>, LibraryError> {
        let mut summaries = Vec::new();
        for info in self.node.documents().await? {
            // A document that was deleted meanwhile is not one of all.
            if let Some(summary) = self.summarise(info).await? {
                summaries.push(summary);
            }
        }
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.updated_us));
        Ok(summaries)
    }

    /// One document's line in the list.
    pub async fn summary(&self, topic: &TopicId) -> Result<DocumentSummary, LibraryError> {
        let infos = self.node.documents().await?;
        let info = infos.into_iter().find(|info| info.topic == *topic);
        let summary = match info {
            Some(info) => self.summarise(info).await?,
            None => None,
        };
        Ok(summary.ok_or(StreamError::Closed)?)
    }

    async fn summarise(&self, info: DocumentInfo) -> Result<Option<DocumentSummary>, LibraryError> {
        let topic = info.topic;
        let Some(state) = self
            .node
            .read(move |connection| summary::read(connection, &topic))
            .await?
        else {
            return Ok(None);
        };
        if !state.is_stale || info.access == Access::Replica {
            return Ok(Some(DocumentSummary::new(info, state)));
        }
        let engine = match self.load(&topic).await {
            Ok((engine, _)) => engine,
            Err(LibraryError::Stream(StreamError::Closed)) => return Ok(None),
            // A text that cannot be made is no reason to show no list at all.
            Err(error) => {
                tracing::warn!(%error, ?topic, "a document cannot be summarised");
                return Ok(Some(DocumentSummary::new(info, state)));
            }
        };
        let fresh = state.refreshed(title(&engine.text()), engine.len_chars());
        let written = fresh.clone();
        self.node
            .write(move |connection| summary::write(connection, &topic, &written))
            .await?;
        Ok(Some(DocumentSummary::new(info, fresh)))
    }

    /// Takes note that a person has seen what is in a document now.
    pub async fn mark_read(&self, topic: &TopicId) -> Result<(), LibraryError> {
        let topic = *topic;
        self.node
            .write(move |connection| summary::mark_read(connection, &topic))
            .await?;
        Ok(())
    }

    /// Ends the node; see [`Node::shutdown`].
    pub async fn close(&self, deadline: Duration) {
        self.node.shutdown(deadline).await;
    }
}
