// SPDX-License-Identifier: GPL-3.0-or-later
//! All documents of this installation: the node together with what documents add to it.

mod application;
mod check;
pub mod files;
mod histories;
mod kept;
mod known_people;
mod local;
mod past;
mod profile;
mod recover;
mod refresh;
mod search;
mod summary;
mod texts;

#[cfg(feature = "objects")]
pub(crate) use texts::preview;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reflection_node::access::{Access, TopicId};
use reflection_node::identity::AuthorKey;
use reflection_node::pipeline::StreamError;
use reflection_node::rusqlite::Connection;
use reflection_node::store::{DataFolder, StoreError};
use reflection_node::{DocumentError, DocumentInfo, NetworkConfig, Node, StartError};

use crate::company::Company;
use crate::engine::{EditError, Engine, EngineError, HistoryError, Shown};

use crate::open_document::{OpenDocument, PublishFailure, Publisher, Turn};
pub use check::Checked;
use histories::Loaded;
pub use kept::KeptText;
use local::Flag;
pub use local::LocalState;
pub use past::{Past, PastSource, VersionSummary};
pub use profile::Profile;
pub use recover::{RecoverError, Recovered};
pub use refresh::CachedText;
pub use search::{HITS_MAX, Marked, SearchHit, SearchResults};
pub use summary::DocumentSummary;

/// What documents do inside the transactions of the store.
#[cfg(feature = "testing")]
pub fn testing_application() -> Box<dyn reflection_node::pipeline::Application> {
    Box::new(application::Documents)
}

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
    /// The node could not do it.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// There is no such document here.
    #[error("there is no such document here")]
    NotHere,
    /// The past could not be looked at.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The text does not take the edit.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// No version is meant by that.
    #[error("the document has no such version")]
    NoSuchVersion,
    /// It may be the beginning of a version's id, but says too little.
    #[error(
        "no version is called that, and an id is told by {} characters or more",
        past::PREFIX_CHARS_MIN
    )]
    ShortVersion,
    /// More than one version is meant by that.
    #[error("more than one version is called that or begins with that")]
    AmbiguousVersion,
    /// Nothing of the name could be shown.
    #[error("the name is empty")]
    NoName,
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
    /// Held by whoever works out the texts that are stale.
    refreshing: Turn,
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
        let library = Self {
            node,
            turns: Arc::default(),
            refreshing: Turn::default(),
        };
        // What an earlier run left behind. A document that cannot be deleted is no reason not to
        // show the others.
        if let Err(error) = library.tidy().await {
            tracing::warn!(%error, "left-over documents could not be deleted");
        }
        Ok(library)
    }

    /// The node underneath.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Makes a document with a first text, which may be empty. A crash in between leaves the
    /// document with the whole text or, after the next start, no document.
    pub async fn create(&self, text: &str) -> Result<TopicId, LibraryError> {
        if text.is_empty() {
            return Ok(self.node.create().await?);
        }
        self.create_noting(text, |_, _| Ok(())).await
    }

    /// The same for a text that was asked for, so that the document stays even if it is empty.
    pub async fn create_kept(&self, text: &str) -> Result<TopicId, LibraryError> {
        self.create_noting(text, local::want).await
    }

    /// Makes a document, and takes note of it in the same transaction by which it is complete.
    async fn create_noting(
        &self,
        text: &str,
        note: impl FnOnce(&Connection, &TopicId) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<TopicId, LibraryError> {
        let topic = self.node.create().await?;
        self.mark(&topic, Flag::Unfinished, true).await?;
        if let Err(error) = self.write_first(&topic, text).await {
            // What cannot be deleted now is deleted at the next start.
            let _ = self.node.delete(&topic).await;
            return Err(error);
        }
        self.node
            .write(move |connection| {
                local::set(connection, &topic, Flag::Unfinished.column(), 0)?;
                note(connection, &topic)
            })
            .await?;
        Ok(topic)
    }

    async fn write_first(&self, topic: &TopicId, text: &str) -> Result<(), LibraryError> {
        let mut document = self.open_document(topic).await?;
        // An empty document takes an insertion at its beginning.
        let _ = document.engine.edit(0, 0, text);
        if let Some(last) = document.flush().await? {
            let people = document.engine.people();
            self.keep_text(topic, last.position, text.to_owned(), people)
                .await?;
        }
        Ok(())
    }

    /// Opens a document for reading and, where the right is held, writing. Waits while another
    /// part of this process has it open.
    pub async fn open_document(&self, topic: &TopicId) -> Result<OpenDocument, LibraryError> {
        self.open_shown(topic, None).await
    }

    /// The same while somebody sees a text of it already; see [`OpenDocument::since`].
    pub async fn open_shown(
        &self,
        topic: &TopicId,
        shown: Option<Shown>,
    ) -> Result<OpenDocument, LibraryError> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|known, turn| known == topic || turn.is_held());
            turns.entry(*topic).or_default().clone()
        };
        let held = turn.wait().await;
        let access = self.node.access(topic).ok_or(StreamError::Closed)?;
        let Loaded {
            mut engine,
            stream,
            since,
        } = self.load_aside(topic, shown).await?;
        if let Some(profile) = self.node.read(profile::read).await? {
            engine.set_profile(&profile.name, profile.colour);
        }
        let publisher = Publisher::new(self.node.clone(), *topic, engine.incarnation());
        let presence = self.node.enter(topic).await.ok();
        Ok(OpenDocument {
            engine,
            stream,
            since,
            publisher,
            access,
            company: presence.map(|presence| Company::new(self.node.clone(), presence)),
            turn: held,
        })
    }

    /// The same as [`Library::load`], on a thread of its own: whoever waits may draw a screen.
    async fn load_aside(
        &self,
        topic: &TopicId,
        shown: Option<Shown>,
    ) -> Result<Loaded, LibraryError> {
        let (library, topic) = (self.clone(), *topic);
        self.node
            .aside(async move { library.load(&topic, shown.as_ref()).await })
            .await
    }

    /// What an open document goes on with after [`StreamError::Rebuilt`]: the text as it is stored
    /// now, for [`Engine::begin_again`], the stream of what comes after, and the way to the store.
    pub async fn reload(
        &self,
        topic: &TopicId,
    ) -> Result<(Engine, reflection_node::pipeline::DocumentStream, Publisher), LibraryError> {
        let loaded = self.load_aside(topic, None).await?;
        let incarnation = loaded.engine.incarnation();
        let publisher = Publisher::new(self.node.clone(), *topic, incarnation);
        Ok((loaded.engine, loaded.stream, publisher))
    }

    /// All documents, the one that was used last first.
    pub async fn documents(&self) -> Result<Vec<DocumentSummary>, LibraryError> {
        let mut states = self.node.read(summary::all).await?;
        let mut summaries = Vec::new();
        for info in self.node.documents().await? {
            // A document that was deleted or added meanwhile is not one of all.
            if let Some(state) = states.remove(info.topic.as_bytes().as_slice()) {
                summaries.extend(self.summarise(info, state).await?);
            }
        }
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.last_use_us()));
        Ok(summaries)
    }

    /// One document's line in the list. Not there for one that is about to be deleted.
    pub async fn summary(&self, topic: &TopicId) -> Result<DocumentSummary, LibraryError> {
        let info = self.node.document(topic).await?;
        let state = self.stored_summary(topic).await?;
        let summary = match (info, state) {
            (Some(info), Some(state)) => self.summarise(info, state).await?,
            _ => None,
        };
        summary.ok_or(LibraryError::NotHere)
    }

    async fn stored_summary(
        &self,
        topic: &TopicId,
    ) -> Result<Option<summary::StoredSummary>, LibraryError> {
        let topic = *topic;
        Ok(self
            .node
            .read(move |connection| summary::read(connection, &topic))
            .await?)
    }

    /// `None` for a document that is not to be shown.
    async fn summarise(
        &self,
        info: DocumentInfo,
        state: summary::StoredSummary,
    ) -> Result<Option<DocumentSummary>, LibraryError> {
        if state.is_hidden {
            return Ok(None);
        }
        if !state.is_stale || info.access == Access::Replica {
            return Ok(Some(DocumentSummary::new(info, state)));
        }
        match self.refresh(&info.topic).await {
            Ok(_) => {}
            Err(LibraryError::Stream(StreamError::Closed)) => return Ok(None),
            // A text that cannot be made is no reason to show no list at all.
            Err(error) => {
                tracing::warn!(%error, topic = ?info.topic, "a document cannot be summarised");
            }
        }
        let state = self.stored_summary(&info.topic).await?;
        Ok(state.map(|state| DocumentSummary::new(info, state)))
    }

    /// Takes note that a person has seen what is in a document now.
    pub async fn mark_read(&self, topic: &TopicId) -> Result<(), LibraryError> {
        let topic = *topic;
        self.node
            .write(move |connection| summary::mark_read(connection, &topic))
            .await?;
        Ok(())
    }

    /// Removes what nobody would miss and ends the node; see [`Node::shutdown`].
    pub async fn close(&self, deadline: Duration) {
        if let Err(error) = self.tidy().await {
            tracing::warn!(%error, "left-over documents could not be deleted");
        }
        self.node.shutdown(deadline).await;
    }
}

/// Microseconds since 1970 by this machine's clock.
fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        })
}
