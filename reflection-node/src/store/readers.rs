// SPDX-License-Identifier: GPL-3.0-or-later
//! Threads that read, each on a connection of its own, beside the one that writes.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{StoreError, open_connection};

/// Reading threads. Reads are short; two keep one slow read from holding up the others.
const READERS: usize = 2;
/// Reads that may wait; more callers wait themselves.
const QUEUE_READS_MAX: usize = 256;

/// So many operations that have just been written are read where the caller stands.
pub(crate) const READ_HERE_MAX: u64 = 32;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The reading threads. They end when this is dropped or stopped.
pub(crate) struct Readers {
    reads: async_channel::Sender<Read>,
    threads: std::sync::Mutex<Vec<JoinHandle<()>>>,
    /// For short reads of what is in memory; none while somebody reads, and at the end.
    here: std::sync::Mutex<Option<Connection>>,
}

impl Readers {
    /// Opens the connections and starts the threads.
    pub(crate) fn spawn(database: &Path) -> Result<Self, StoreError> {
        let (reads, queue) = async_channel::bounded::<Read>(QUEUE_READS_MAX);
        let mut threads = Vec::new();
        let here = open_connection(database, false)?;
        // Where it would have to wait the threads do.
        here.busy_timeout(Duration::ZERO)?;
        for number in 0..READERS {
            let connection = open_connection(database, false)?;
            let queue = queue.clone();
            let thread = std::thread::Builder::new()
                .name(format!("reader {number}"))
                .spawn(move || {
                    while let Ok(read) = queue.recv_blocking() {
                        read(&connection);
                    }
                })
                .map_err(|error| StoreError::Commit(error.to_string()))?;
            threads.push(thread);
        }
        Ok(Self {
            reads,
            threads: std::sync::Mutex::new(threads),
            here: std::sync::Mutex::new(Some(here)),
        })
    }

    /// Runs `read` on one of the threads. It sees what is committed when it begins.
    pub(crate) async fn run<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            let _ = sender.send(read(connection));
        });
        self.reads
            .send(read)
            .await
            .map_err(|_| StoreError::Closed)?;
        receiver.await.map_err(|_| StoreError::Closed)?
    }

    /// Like [`Readers::run`], for a few operations that have just been committed, which are in
    /// memory: to wake a thread for them takes longer than to read them, and where many people write
    /// everybody reads all the time. Done by a thread where somebody else reads here at this moment,
    /// and where it fails.
    pub(crate) async fn run_here<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let found = self.here.try_lock().ok().and_then(|connection| {
            let connection = connection.as_ref()?;
            read(connection).ok()
        });
        match found {
            Some(found) => Ok(found),
            None => self.run(read).await,
        }
    }

    /// Closes the connections; reads that wait are still answered.
    pub(crate) fn stop(&self) {
        self.reads.close();
        if let Ok(mut here) = self.here.lock() {
            here.take();
        }
        if let Ok(mut threads) = self.threads.lock() {
            for thread in threads.drain(..) {
                let _ = thread.join();
            }
        }
    }
}
