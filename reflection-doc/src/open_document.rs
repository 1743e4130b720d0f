// SPDX-License-Identifier: GPL-3.0-or-later
//! A document that is being worked on: its text, what comes from others, and the way to the store.

use std::sync::Arc;

use reflection_node::Node;
use reflection_node::access::{Access, TopicId};
use reflection_node::operation::Kind;
use reflection_node::pipeline::{DocumentStream, PublishError, Published};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::company::Company;
use crate::engine::{Effect, Engine};
use crate::library::{Library, LibraryError};

/// An open document. Only one exists per document and process.
pub struct OpenDocument {
    /// The text, with everything that was stored when the document was opened.
    pub engine: Engine,
    /// What is accepted after that, from others and from here.
    pub stream: DocumentStream,
    /// What leads from the text that was shown while it was being loaded to the one in the engine,
    /// for [`Engine::take_over_draft`]; nothing where none was.
    pub since: Vec<Effect>,
    /// The way to the store.
    pub publisher: Publisher,
    /// What may be done with it here.
    pub access: Access,
    /// The others who have it open; `None` where the store could not tell who was seen there.
    pub company: Option<Company>,
    /// Keeps others from opening it. To be kept as long as the engine.
    pub turn: HeldTurn,
}

impl OpenDocument {
    /// Begins again after [`StreamError::Rebuilt`](reflection_node::pipeline::StreamError::Rebuilt)
    /// or [`PublishError::OldIncarnation`]. What was typed and is not stored is kept. Gives what
    /// has become different in the text.
    pub async fn reopen(&mut self, library: &Library) -> Result<Vec<Effect>, LibraryError> {
        let (fresh, stream, publisher) = library.reload(&self.publisher.topic).await?;
        let effects = self.engine.begin_again(fresh)?;
        self.stream = stream;
        self.publisher = publisher;
        Ok(effects)
    }

    /// Stores all changes that were made; on return they are on the disk. On failure they are
    /// kept for the next call. Gives the last operation made, if any.
    pub async fn flush(&mut self) -> Result<Option<Published>, PublishFailure> {
        let bodies = self.engine.take_changes();
        let result = self.publisher.publish(bodies).await;
        result.map_err(|mut failure| {
            self.engine
                .restore_changes(std::mem::take(&mut failure.unpublished));
            failure
        })
    }
}

/// Some changes could not be stored. Those before them are.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct PublishFailure {
    /// Why.
    #[source]
    pub error: PublishError,
    /// The bodies that are not stored, in order, to be given back to the engine.
    pub unpublished: Vec<Vec<u8>>,
}

/// Stores changes of one document.
#[derive(Clone)]
pub struct Publisher {
    node: Node,
    topic: TopicId,
    incarnation: u64,
}

impl Publisher {
    pub(crate) fn new(node: Node, topic: TopicId, incarnation: u64) -> Self {
        Self {
            node,
            topic,
            incarnation,
        }
    }

    /// Publishes bodies in order; on return they are on the disk. Gives the last one's place, or
    /// `None` if there were none.
    pub async fn publish(&self, bodies: Vec<Vec<u8>>) -> Result<Option<Published>, PublishFailure> {
        let mut last = None;
        let mut bodies = bodies.into_iter();
        while let Some(body) = bodies.next() {
            // Kept in case of failure: a few hundred bytes as a rule.
            let kept = body.clone();
            match self
                .node
                .publish(&self.topic, Kind::Edit, self.incarnation, body)
                .await
            {
                Ok(published) => last = Some(published),
                Err(error) => {
                    let unpublished = std::iter::once(kept).chain(bodies).collect();
                    return Err(PublishFailure { error, unpublished });
                }
            }
        }
        Ok(last)
    }
}

/// Who may open a document: one at a time, in the order in which they asked.
#[derive(Clone)]
pub(crate) struct Turn(Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Turn {
    pub(crate) async fn wait(&self) -> HeldTurn {
        HeldTurn {
            // Cannot fail: it is never closed.
            permit: Arc::clone(&self.0).acquire_owned().await.ok(),
            turn: self.clone(),
        }
    }

    /// Whether somebody holds the turn or waits for it.
    pub(crate) fn is_held(&self) -> bool {
        self.0.available_permits() == 0 || Arc::strong_count(&self.0) > 1
    }
}

/// Holds a document open; lets the next one in when dropped.
pub struct HeldTurn {
    permit: Option<OwnedSemaphorePermit>,
    turn: Turn,
}

impl HeldTurn {
    /// Whether somebody waits for it.
    pub fn is_wanted(&self) -> bool {
        // That of the library, and the two here.
        Arc::strong_count(&self.turn.0) > 3
    }

    /// Lets those who wait have their turns first. What is open has to be opened again then.
    pub async fn pass(&mut self) {
        self.permit = None;
        self.permit = Arc::clone(&self.turn.0).acquire_owned().await.ok();
    }
}
