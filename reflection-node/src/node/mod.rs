// SPDX-License-Identifier: GPL-3.0-or-later
//! The node as a program sees it.

mod compaction;
mod documents;
mod durability;
mod exchange;
mod maintenance;
mod meetings;
mod network;
mod operations;
mod presence;
mod replication;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::identity::{AuthorId, AuthorKey};
use crate::network::{History, Mode, Network, NetworkConfig, NetworkError};
use crate::pipeline::{
    Application, Compactor, Processor, WaitingRoom, check_state_version, process_all_waiting,
};
use crate::replication::Replication;
use crate::shared::Shared;
use crate::store::peers::last_mode;
use crate::store::{
    DataFolder, Readers, StoreError, Writer, check_author, documents as stored_documents,
    open_connection, prepare, storage,
};
pub use compaction::{CompactError, Compacted, LogSize};
pub use documents::{DocumentError, DocumentInfo, DocumentStatus};
pub use exchange::SyncReport;
pub use network::PeerInfo;
pub use replication::ReplicaError;

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
    /// The data folder.
    path: PathBuf,
    compactor: Option<Arc<dyn Compactor>>,
    /// Cancelled when the node ends: changes of the network end at once then.
    closing: CancellationToken,
}

struct Parts {
    writer: Writer<Processor>,
    /// Notes exchanges as long as the writer runs, and how to end it.
    meetings: (JoinHandle<()>, CancellationToken),
    runtime: tokio::runtime::Runtime,
    /// Released last.
    folder: DataFolder,
}

struct NetworkState {
    config: NetworkConfig,
    mode: Mode,
    running: Option<Network>,
    /// How often a network was asked for: whoever tries for an earlier one gives up.
    asked: u64,
    /// What one network has seen and the next should know.
    history: watch::Sender<History>,
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
        let compactor = application.compactor();
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
        let mode = match network.mode {
            Some(mode) => mode,
            None => shared.readers.run(last_mode).await?.unwrap_or_default(),
        };
        let ending = CancellationToken::new();
        let events = shared.events.subscribe();
        let listening = meetings::run(Arc::clone(&shared), events, ending.clone());
        let meetings = (runtime.spawn(listening), ending);
        let node = Self {
            inner: Arc::new(Inner {
                shared,
                runtime: runtime.handle().clone(),
                compactor,
                closing: CancellationToken::new(),
                network: Mutex::new(NetworkState {
                    config: network,
                    mode,
                    running: None,
                    asked: 0,
                    history: watch::channel(History::default()).0,
                }),
                path: folder.path().to_owned(),
                parts: Mutex::new(Some(Parts {
                    writer,
                    meetings,
                    runtime,
                    folder,
                })),
            }),
        };
        let starting = node.clone();
        let started = node.inside(async move { starting.start_network(mode).await });
        if let Err(error) = started.await {
            node.shutdown(Duration::from_secs(1)).await;
            return Err(error.into());
        }
        node.inner
            .runtime
            .spawn(compaction::by_itself(node.clone()));
        node.inner.runtime.spawn(durability::keep_up(
            Arc::clone(&node.inner.shared),
            node.inner.closing.clone(),
        ));
        Ok(node)
    }

    /// Opens the database and starts the threads that read and write it.
    fn open(
        database: &Path,
        key: AuthorKey,
        application: Box<dyn Application>,
    ) -> Result<(Arc<Shared>, Writer<Processor>), StartError> {
        let connection = open_connection(database, true)?;
        prepare(&connection)?;
        let author = check_author(&connection, &key.id())?;
        if author != key.id() {
            return Err(StartError::OtherAuthor(author));
        }
        let mut processor = Processor {
            key: key.clone(),
            application,
            early: WaitingRoom::default(),
        };
        check_state_version(&connection, &mut processor)?;
        processor.application.prepare(&connection)?;
        process_all_waiting(&connection, &mut processor)?;
        // What a process left that was killed may not be on the disk yet; this commit waits for it.
        let durable = storage::write_through(&connection)?;
        let stored = stored_documents::all(&connection)?;
        let replication = Replication::load(&connection)?;
        let readers = Arc::new(Readers::spawn(database)?);
        let writer = Writer::spawn(connection, processor)?;
        let shared = Arc::new(Shared::new(
            key,
            writer.handle(),
            readers,
            stored,
            replication,
        ));
        shared.commits.durable(durable);
        Ok((shared, writer))
    }

    /// This installation's author and endpoint id.
    pub fn id(&self) -> AuthorId {
        self.inner.shared.id
    }

    /// What happens from now on; the first who asks is told what happened since the start too.
    pub fn events(&self) -> Events {
        self.inner.shared.events.subscribe_from_start()
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

    /// Runs a future that computes for long on a thread of its own, beside the node's work,
    /// whatever executor awaits it. It runs to its end even if nobody waits any more.
    pub async fn aside<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let runtime = self.inner.runtime.clone();
        let running = runtime.clone();
        match running
            .spawn_blocking(move || runtime.block_on(future))
            .await
        {
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
        self.inner.closing.cancel();
        let node = self.clone();
        let ending = self.inner.runtime.spawn(async move {
            let running = node.inner.network.lock().await.running.take();
            if let Some(running) = running {
                let _ = tokio::time::timeout(deadline, running.stop()).await;
            }
            let (meetings, ending) = parts.meetings;
            ending.cancel();
            let _ = tokio::time::timeout(deadline, meetings).await;
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
