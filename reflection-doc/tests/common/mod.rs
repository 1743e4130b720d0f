// SPDX-License-Identifier: GPL-3.0-or-later
//! A library in a folder of its own, without a network.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use reflection_doc::library::Library;
use reflection_node::identity::AuthorKey;
use reflection_node::store::DataFolder;
use reflection_node::{Mode, NetworkConfig};
use tempfile::TempDir;

/// How long closing may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// Somebody's folder and key.
pub(crate) struct Home {
    folder: TempDir,
    key: AuthorKey,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            key: AuthorKey::generate(),
        }
    }

    pub(crate) async fn open(&self) -> Library {
        self.open_in(Mode::Offline).await
    }

    /// On loopback alone.
    pub(crate) async fn open_online(&self) -> Library {
        self.open_in(Mode::Local).await
    }

    async fn open_in(&self, mode: Mode) -> Library {
        let network = NetworkConfig {
            mode: Some(mode),
            bind: vec!["127.0.0.1:0".parse().unwrap()],
            mdns: false,
            ..NetworkConfig::default()
        };
        self.open_with(network).await
    }

    /// Within reach of others.
    pub(crate) async fn open_with(&self, network: NetworkConfig) -> Library {
        let folder = DataFolder::open(&self.data()).unwrap();
        Library::open(folder, self.key.clone(), network)
            .await
            .unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A place for other files.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether some bytes stand in a file of the data folder.
    pub(crate) fn holds(&self, text: &str) -> bool {
        std::fs::read_dir(self.data()).unwrap().any(|entry| {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        })
    }
}
