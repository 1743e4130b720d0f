// SPDX-License-Identifier: GPL-3.0-or-later
//! Somebody with a library in a folder.

use std::time::Duration;

use reflection_doc::engine::Engine;
use reflection_doc::library::Library;
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorKey;
use reflection_node::operation::Kind;
use reflection_node::store::DataFolder;
use reflection_node::{Mode, NetworkConfig};
use tempfile::TempDir;

/// Operations that wait for the disk at once.
const PUBLISHED_AT_ONCE: usize = 256;

/// A library that sees this machine alone.
pub(crate) struct Home {
    pub(crate) library: Library,
    _folder: TempDir,
}

impl Home {
    pub(crate) async fn new(mode: Mode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let network = NetworkConfig {
            mode: Some(mode),
            bind: vec!["127.0.0.1:0".parse().unwrap()],
            mdns: false,
            ..NetworkConfig::default()
        };
        let data = DataFolder::open(&folder.path().join("data")).unwrap();
        let library = Library::open(data, AuthorKey::generate(), network);
        Self {
            library: library.await.unwrap(),
            _folder: folder,
        }
    }

    /// A document in which the patches were typed, so many in each operation.
    pub(crate) async fn types(
        &self,
        patches: impl Iterator<Item = (usize, usize, &str)>,
        joined: usize,
    ) -> TopicId {
        let node = self.library.node();
        let topic = node.create().await.unwrap();
        let incarnation = node.incarnation(&topic).unwrap();
        let mut engine = Engine::new(node.id(), &topic, incarnation);
        let mut bodies = Vec::new();
        for (number, (at, delete, insert)) in patches.enumerate() {
            engine.edit(at, delete, insert).unwrap();
            if (number + 1) % joined == 0 {
                bodies.extend(engine.take_changes());
            }
        }
        bodies.extend(engine.take_changes());
        let mut bodies = bodies.into_iter().peekable();
        while bodies.peek().is_some() {
            let batch = bodies.by_ref().take(PUBLISHED_AT_ONCE);
            let batch = batch.map(|body| node.publish(&topic, Kind::Edit, incarnation, body));
            for published in futures_util::future::join_all(batch).await {
                published.unwrap();
            }
        }
        topic
    }

    /// Throws away the histories that were joined.
    pub(crate) async fn forgets(&self) {
        let forgotten = self.library.node().write(|connection| {
            connection.execute_batch("DELETE FROM document_histories")?;
            Ok(())
        });
        forgotten.await.unwrap();
    }

    pub(crate) async fn leaves(self) {
        self.library.close(Duration::from_secs(1)).await;
    }
}
