// SPDX-License-Identifier: GPL-3.0-or-later
//! The node as a program sees it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::access::{Access, Code, DocumentKeys, DocumentSecret, TopicId};
use crate::events::{Event, Events, Found, SyncCounts};
use crate::identity::{AuthorId, AuthorKey};
use crate::network::{Mode, Network, NetworkConfig, NetworkError};
use crate::operation::Kind;
use crate::pipeline::{
    Application, DocumentStream, NewOperation, Processor, PublishError, Published, StreamError,
    process_waiting, publish,
};
use crate::shared::{Shared, now_us};
use crate::store::documents::StoredDocument;
use crate::store::operations::{self, DocumentStatistics, Position};
use crate::store::{
    DataFolder, Durability, Readers, StoreError, Writer, check_author, documents, open_connection,
    peers, prepare,
};

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder belongs to somebody else's key.
    #[error("the data folder belongs to the identity {}, whose key is not the one given", .0.short())]
    OtherAuthor(AuthorId),
    /// The network cannot be started.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The system gives no threads.
    #[error("the program cannot start its threads: {0}")]
    Threads(#[from] std::io::Error),
}

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
    /// How many peers have confirmed to hold all that was written here.
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

/// What a [`Node::sync`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Documents that are equal with at least one peer now.
    pub complete: Vec<TopicId>,
    /// Documents for which no peer was found, or none in time.
    pub missing: Vec<TopicId>,
    /// What went over the wire.
    pub counts: SyncCounts,
}

/// A running node. Cheap to clone; all clones are the same node.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
    /// Taken at shutdown.
    parts: Mutex<Option<Parts>>,
    network: Mutex<NetworkState>,
}

struct Parts {
    writer: Writer<Processor>,
    runtime: tokio::runtime::Runtime,
    /// Released last.
    folder: DataFolder,
}

struct NetworkState {
    config: NetworkConfig,
    running: Option<Network>,
}

/// Threads of the asynchronous runtime: sync is bound by the store's one writing thread.
const RUNTIME_THREADS: usize = 2;

impl Node {
    /// Opens the folder's database and joins the network as `key`.
    ///
    /// The node has a runtime of its own; its futures may be awaited on any executor.
    pub async fn start(
        folder: DataFolder,
        key: AuthorKey,
        network: NetworkConfig,
        application: Box<dyn Application>,
    ) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_name("node")
            .enable_all()
            .build()?;
        let database = folder.database();
        let opening = runtime.spawn(async move { Self::open(&database, key, application) });
        let opened = opening
            .await
            .map_err(|error| std::io::Error::other(error.to_string()).into())
            .and_then(|opened| opened);
        let (shared, writer) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let mode = network.mode;
        let node = Self {
            inner: Arc::new(Inner {
                shared,
                runtime: runtime.handle().clone(),
                network: Mutex::new(NetworkState {
                    config: network,
                    running: None,
                }),
                parts: Mutex::new(Some(Parts {
                    writer,
                    runtime,
                    folder,
                })),
            }),
        };
        if let Err(error) = node.set_mode(mode).await {
            node.shutdown(Duration::from_secs(1)).await;
            return Err(error.into());
        }
        Ok(node)
    }

    /// Opens the database and starts the threads that read and write it.
    fn open(
        database: &Path,
        key: AuthorKey,
        mut application: Box<dyn Application>,
    ) -> Result<(Arc<Shared>, Writer<Processor>), StartError> {
        let connection = open_connection(database, true)?;
        prepare(&connection)?;
        application.prepare(&connection)?;
        let author = check_author(&connection, &key.id())?;
        if author != key.id() {
            return Err(StartError::OtherAuthor(author));
        }
        let stored = documents::all(&connection)?;
        let readers = Arc::new(Readers::spawn(database)?);
        let writer = Writer::spawn(
            connection,
            Processor {
                key: key.clone(),
                application,
            },
        )?;
        let shared = Arc::new(Shared::new(key, writer.handle(), readers, stored));
        Ok((shared, writer))
    }

    /// This installation's author and endpoint id.
    pub fn id(&self) -> AuthorId {
        self.inner.shared.id
    }

    /// What happens from now on.
    pub fn events(&self) -> Events {
        self.inner.shared.events.subscribe()
    }

    // ---- Network ----

    /// How far the node reaches now.
    pub async fn mode(&self) -> Mode {
        self.inner.network.lock().await.config.mode
    }

    /// Changes how far the node reaches; documents stay open.
    pub async fn set_mode(&self, mode: Mode) -> Result<(), NetworkError> {
        let node = self.clone();
        self.inside(async move { node.start_network(mode).await })
            .await
    }

    async fn start_network(&self, mode: Mode) -> Result<(), NetworkError> {
        let mut network = self.inner.network.lock().await;
        let is_change = network.config.mode != mode;
        if let Some(running) = network.running.take() {
            running.stop().await;
        }
        network.config.mode = mode;
        let known = self
            .inner
            .shared
            .readers
            .run(peers::all)
            .await
            .unwrap_or_default();
        network.running =
            Network::start(Arc::clone(&self.inner.shared), &network.config, known).await?;
        drop(network);
        if is_change {
            self.inner.shared.events.emit(&Event::ModeChanged { mode });
        }
        Ok(())
    }

    /// Socket addresses at which others may reach this node.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        let network = self.inner.network.lock().await;
        network
            .running
            .as_ref()
            .map(Network::addresses)
            .unwrap_or_default()
    }

    // ---- Documents ----

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
                    let before = documents::find(connection, &keys.topic())?;
                    let stored = documents::add(connection, &keys, is_joined, now_us())?;
                    if before.is_some_and(|before| before.keys.access() == Access::Replica) {
                        process_waiting(connection, processor, &stored)?;
                    }
                    processor
                        .application
                        .added(connection, &stored.keys.topic())?;
                    Ok(stored)
                },
                move |stored: &StoredDocument| shared.insert_document(stored.clone()),
            )
            .await
    }

    /// All documents, oldest first.
    pub async fn documents(&self) -> Result<Vec<DocumentInfo>, StoreError> {
        let own = self.id();
        self.inner
            .shared
            .readers
            .run(move |connection| {
                documents::all(connection)?
                    .into_iter()
                    .map(|stored| {
                        Ok(DocumentInfo {
                            topic: stored.keys.topic(),
                            access: stored.keys.access(),
                            created_us: stored.created_us,
                            is_joined: stored.is_joined,
                            copies: peers::copies(connection, stored.row, &own)?,
                        })
                    })
                    .collect()
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
            network.running.iter().map(Network::hint).collect()
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
                    processor.application.deleted(connection, &topic)?;
                    documents::delete(connection, &topic)
                },
                move |_| shared.remove_document(&topic),
            )
            .await?;
        if !is_deleted {
            return Err(DocumentError::NotFound);
        }
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

    // ---- Operations ----

    /// Appends an operation to this installation's log. On return it is on the disk, and on its
    /// way to the peers that are connected.
    pub async fn publish(
        &self,
        topic: &TopicId,
        kind: Kind,
        incarnation: u64,
        body: Vec<u8>,
    ) -> Result<Published, PublishError> {
        let (topic, own) = (*topic, self.id());
        let shared = Arc::clone(&self.inner.shared);
        let new = NewOperation {
            topic,
            kind,
            incarnation,
            body,
            time_us: now_us(),
        };
        let published = self
            .inner
            .shared
            .writer
            .run_then(
                Durability::Durable,
                move |connection, processor| publish(connection, processor, &new),
                move |(published, head)| {
                    shared
                        .commits
                        .committed(topic, published.position, [(own, *head)]);
                },
            )
            .await;
        if let Err(PublishError::Store(error)) = &published {
            let message = error.to_string();
            self.inner
                .shared
                .events
                .emit(&Event::StorageTrouble { message });
        }
        published.map(|(published, _)| published)
    }

    /// A document's operations accepted after `position`; 0 gives all.
    pub async fn stream(
        &self,
        topic: &TopicId,
        position: Position,
    ) -> Result<DocumentStream, StreamError> {
        let shared = &self.inner.shared;
        let document = shared.document(topic).ok_or(StreamError::Closed)?;
        if document.keys.access() < Access::Read {
            return Err(StreamError::Unreadable);
        }
        let commits = shared.watch_commits(*topic, document.row).await?;
        Ok(DocumentStream {
            readers: Arc::clone(&shared.readers),
            commits,
            row: document.row,
            keys: document.keys,
            position,
        })
    }

    /// Reads from the application's tables, beside whatever is being written.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.shared.readers.run(read).await
    }

    /// Writes to the application's tables in a transaction of its own.
    pub async fn write<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner
            .shared
            .writer
            .run(Durability::Refetchable, move |connection, _| {
                write(connection)
            })
            .await
    }

    // ---- Exchange ----

    /// Exchanges `topics` with whoever can be reached until both sides are equal, at most for
    /// `timeout`.
    pub async fn sync(&self, topics: &[TopicId], timeout: Duration) -> SyncReport {
        let (node, topics) = (self.clone(), topics.to_vec());
        self.inside(async move {
            crate::exchange::run(&node.inner.shared, node.busy().await, &topics, timeout).await
        })
        .await
    }

    async fn busy(&self) -> Option<tokio::sync::watch::Receiver<bool>> {
        let network = self.inner.network.lock().await;
        network
            .running
            .as_ref()
            .map(|running| running.peers().watch_busy())
    }

    /// Runs a future on the node's runtime, whatever executor awaits it.
    async fn inside<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self.inner.runtime.spawn(future).await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ended under us; whoever waits for that is ending too.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Leaves the network, finishes what is being written and closes the database.
    ///
    /// Takes at most about `deadline` for the network; what was accepted is written in any case.
    pub async fn shutdown(&self, deadline: Duration) {
        let Some(parts) = self.inner.parts.lock().await.take() else {
            return;
        };
        let node = self.clone();
        let ending = self.inner.runtime.spawn(async move {
            let running = node.inner.network.lock().await.running.take();
            if let Some(running) = running {
                let _ = tokio::time::timeout(deadline, running.stop()).await;
            }
            // The last connection to close empties the write-ahead log; it must be one that writes.
            node.inner.shared.readers.stop();
            parts.writer.stop().await;
            node.inner.shared.events.close();
            (parts.runtime, parts.folder)
        });
        if let Ok((runtime, folder)) = ending.await {
            runtime.shutdown_background();
            drop(folder);
        }
    }
}
