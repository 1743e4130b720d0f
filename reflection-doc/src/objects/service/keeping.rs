// SPDX-License-Identifier: GPL-3.0-or-later
//! What is kept on this device: the key, and what the documents take of the disk.

use std::path::Path;

use reflection_node::StorageStatistics;
use reflection_node::identity::{KeyFileError, save_key_file};

use super::{Service, ServiceError};

/// What looking after the store has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// How much was not as it should be.
    pub faults: usize,
    /// How much of that is as it should be now, or moved aside and fetched from others again.
    pub mended: usize,
}

impl Service {
    /// Writes the key of this device into a file that only its owner can read.
    pub async fn back_up_key(&self, path: &Path) -> Result<(), KeyFileError> {
        let Some(key) = self.imp_key() else {
            return Ok(());
        };
        let copy = path.to_owned();
        let written = gio::spawn_blocking(move || save_key_file(&copy, &key)).await;
        written.unwrap_or_else(|_| {
            Err(KeyFileError::Write {
                path: path.to_owned(),
                source: std::io::Error::other("the thread that writes broke off"),
            })
        })
    }

    /// What the documents take of the disk.
    pub async fn storage(&self) -> Result<StorageStatistics, ServiceError> {
        Ok(self.library()?.node().storage().await?)
    }

    /// Checks all that is stored and mends what can be mended, packs one's own part of each
    /// document, and gives space that is not used any more back to the system.
    pub async fn tidy_up(&self) -> Result<Tidied, ServiceError> {
        let library = self.library()?;
        let node = library.node().clone();
        // Texts are worked out for it, which is nothing for the main thread.
        let report = node
            .aside(async move { library.check(None, true).await })
            .await?;
        for document in self.documents().to_vec() {
            if let Some(topic) = document.topic() {
                // What cannot be packed, since others write it or it is too long, stays as it is.
                let _ = node.compact(&topic).await;
            }
        }
        node.reclaim().await?;
        let mended = report.findings.iter().filter(|found| found.is_repaired);
        Ok(Tidied {
            faults: report.findings.len(),
            mended: mended.count(),
        })
    }
}
