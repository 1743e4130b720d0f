// SPDX-License-Identifier: GPL-3.0-or-later
//! The steps of starting, one after the other, none of them on the main thread.

use std::path::PathBuf;

use gtk::gio;
use reflection_doc::objects::{OpenError, Service};
use reflection_node::identity::{AuthorKey, KeyFileError, load_key_file, load_or_create_key_file};
use reflection_node::store::{DataFolder, FolderError};

use super::keyring::{self, KeyringError};
use crate::config::Config;

/// Which step did not work.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The keyring gives no key, and there is no key file.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The library cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A step broke off.
    #[error("a step of starting broke off")]
    BrokeOff,
}

/// Opens the library in the folder of `config`. With `makes_key_file` a new key goes into a file.
pub async fn start(config: Config, makes_key_file: bool) -> Result<Service, StartError> {
    let path = config.data_dir.clone();
    let folder = gio::spawn_blocking(move || DataFolder::open(&path))
        .await
        .map_err(|_| StartError::BrokeOff)??;
    let key_file = folder.key_file();
    let key = match key_from_file(key_file, makes_key_file).await? {
        Some(key) => key,
        None => keyring::load_or_create_key(&config.data_dir).await?,
    };
    Ok(Service::open(folder, key, config.network).await?)
}

async fn key_from_file(path: PathBuf, makes_one: bool) -> Result<Option<AuthorKey>, StartError> {
    let key = gio::spawn_blocking(move || {
        if makes_one {
            load_or_create_key_file(&path).map(Some)
        } else {
            load_key_file(&path)
        }
    })
    .await
    .map_err(|_| StartError::BrokeOff)??;
    Ok(key)
}
