// SPDX-License-Identifier: GPL-3.0-or-later
//! What is kept on this device: the key, and what the documents take of the disk.

use std::path::Path;

use reflection_node::StorageStatistics;
use reflection_node::identity::{KeyFileError, save_key_file};

use super::{Service, ServiceError};

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

    /// Gives space that is not used any more back to the system.
    pub async fn reclaim(&self) -> Result<(), ServiceError> {
        Ok(self.library()?.node().reclaim().await?)
    }
}
