// SPDX-License-Identifier: GPL-3.0-or-later
//! The steps of starting, one after the other, none of them on the main thread.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gtk::gio;
use reflection_doc::objects::{OpenError, Service};
use reflection_node::identity::{
    AuthorKey, KeyFileError, load_key_file, load_or_create_key_file, save_key_file,
};
use reflection_node::store::{DataFolder, FolderError};

use super::keyring::{self, KeyringError};
use crate::config::Config;

/// How long what was begun may take to end.
const GIVE_UP_DEADLINE: Duration = Duration::from_secs(1);

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

/// How a key is to be come by.
#[derive(Clone, Debug, Default)]
pub struct KeyChoice {
    /// Whether a new key goes into a file.
    pub makes_file: bool,
    /// A key from a backup, which takes the place of the one that is kept.
    pub restored: Option<AuthorKey>,
    /// Whether the database, which has no documents, is of a key that is not wanted.
    pub begins_anew: bool,
    /// Whether a new key is kept nowhere.
    pub is_for_this_time: bool,
}

/// Opens the library in the folder of `config`.
pub async fn start(config: Config, choice: KeyChoice) -> Result<Service, StartError> {
    let path = config.data_dir.clone();
    let begins_anew = choice.begins_anew;
    let folder = gio::spawn_blocking(move || {
        let folder = DataFolder::open(&path)?;
        if begins_anew {
            set_aside(&folder.database());
        }
        Ok::<_, FolderError>(folder)
    })
    .await
    .map_err(|_| StartError::BrokeOff)??;
    let key_file = folder.key_file();
    if let Some(key) = choice.restored {
        // Kept only once it has proved to be the key of these documents.
        let service = Service::open(folder, key.clone(), config.network).await?;
        let kept = keep_key(&config.data_dir, key_file, key, choice.makes_file).await;
        if let Err(error) = kept {
            service.abandon(GIVE_UP_DEADLINE).await;
            return Err(error);
        }
        return Ok(service);
    }
    let key = if choice.is_for_this_time {
        AuthorKey::generate()
    } else {
        match key_from_file(key_file, choice.makes_file).await? {
            Some(key) => key,
            None => keyring::load_or_create_key(&config.data_dir).await?,
        }
    };
    Ok(Service::open(folder, key, config.network).await?)
}

/// Renames a database and what belongs to it. What cannot be renamed is not there.
fn set_aside(database: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let named = |name: &Path, more: &str| {
            let mut name = name.as_os_str().to_owned();
            name.push(ending);
            name.push(more);
            PathBuf::from(name)
        };
        let _ = std::fs::rename(named(database, ""), named(database, ".set-aside"));
    }
}

/// Keeps a key where the next start looks for it.
async fn keep_key(
    data_dir: &Path,
    key_file: PathBuf,
    key: AuthorKey,
    makes_file: bool,
) -> Result<(), StartError> {
    if makes_file || key_file.exists() {
        return Ok(gio::spawn_blocking(move || save_key_file(&key_file, &key))
            .await
            .map_err(|_| StartError::BrokeOff)??);
    }
    Ok(keyring::replace_key(data_dir, &key).await?)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use reflection_node::NetworkConfig;

    #[test]
    fn a_key_from_a_backup_takes_the_place_of_one_that_wrote_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: folder.path().to_owned(),
            network: NetworkConfig {
                mode: Some(reflection_node::Mode::Offline),
                ..NetworkConfig::default()
            },
            ..Config::default()
        };
        let choice = |restored: Option<&AuthorKey>, begins_anew| KeyChoice {
            makes_file: true,
            restored: restored.cloned(),
            begins_anew,
            is_for_this_time: false,
        };
        // Not the default context, which belongs to the tests of GTK.
        let context = gtk::glib::MainContext::new();
        let story = async {
            let deadline = Duration::from_secs(5);
            let first = start(config.clone(), choice(None, false)).await.unwrap();
            let made = first.this_author();
            first.close(deadline).await.unwrap();

            let backup = AuthorKey::generate();
            let wrong = start(config.clone(), choice(Some(&backup), false)).await;
            assert!(matches!(wrong, Err(StartError::Open(_))));
            let again = start(config.clone(), choice(None, false)).await.unwrap();
            assert_eq!(again.this_author(), made, "a wrong key is not kept");
            again.close(deadline).await.unwrap();

            let anew = start(config.clone(), choice(Some(&backup), true))
                .await
                .unwrap();
            assert_eq!(anew.this_author(), Some(backup.id()));
            let copy = folder.path().join("copy.key");
            anew.back_up_key(&copy).await.unwrap();
            anew.close(deadline).await.unwrap();
            assert_eq!(load_key_file(&copy).unwrap().unwrap().id(), backup.id());
            let last = start(config.clone(), choice(None, false)).await.unwrap();
            assert_eq!(last.this_author(), Some(backup.id()));
            last.close(deadline).await.unwrap();
        };
        context
            .with_thread_default(|| context.block_on(story))
            .unwrap();
    }
}
