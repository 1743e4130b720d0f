// SPDX-License-Identifier: GPL-3.0-or-later
//! Threads that read, each on a connection of its own, beside the one that writes.

use std::path::Path;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{StoreError, open_connection};

/// Reading threads. Reads are short; two keep one slow read from holding up the others.
const READERS: usize = 2;
/// Reads that may wait; more callers wait themselves.
const QUEUE_READS_MAX: usize = 256;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The reading threads. They end when this is dropped or stopped.
pub(crate) struct Readers {
    reads: async_channel::Sender<Read>,
    threads: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Opens the connections and starts the threads.
    pub(crate) fn spawn(database: &Path) -> Result<Self, StoreError> {
        let (reads, queue) = async_channel::bounded::<Read>(QUEUE_READS_MAX);
        let mut threads = Vec::new();
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

    /// Closes the connections; reads that wait are still answered.
    pub(crate) fn stop(&self) {
        self.reads.close();
        if let Ok(mut threads) = self.threads.lock() {
            for thread in threads.drain(..) {
                let _ = thread.join();
            }
        }
    }
}
