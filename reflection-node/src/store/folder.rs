// SPDX-License-Identifier: GPL-3.0-or-later
//! The data folder: who holds it, and which version of the program wrote it.
//!
//! ```text
//! version           the version of the data, decimal
//! database.sqlite   everything else (with -wal and -shm beside it)
//! backup-N.sqlite   the database as version N left it, until a document is deleted
//! identity.key      the author's secret, where no Secret Service keeps it
//! lock              held by the one process that uses the folder
//! socket            served by that process, if it serves one
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::migration::{DATABASE, MigrationError, bring_up};

/// Mode of files that hold documents or their secrets.
pub(super) const OWNER_ALONE: u32 = 0o600;
/// What the group and everybody else may do.
const OTHERS: u32 = 0o077;

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It can be neither found nor made, or not be written to.
    #[error("the data folder {path} cannot be used: {source}")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds it.
    #[error("the data folder {path} is in use by another program")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A newer program wrote it. It is left untouched.
    #[error("the data folder {path} was written by a newer version of Reflection")]
    Newer {
        /// The folder.
        path: PathBuf,
    },
    /// The version file holds no version. The folder is left untouched.
    #[error("the version file in the data folder {path} is damaged")]
    Damaged {
        /// The folder.
        path: PathBuf,
    },
    /// It could not be brought to the present version.
    #[error("the data folder {path} cannot be opened: {source}")]
    Migration {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        source: MigrationError,
    },
}

/// A data folder that this process holds. Released on drop, and by the system when the process
/// ends, however it ends.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder where it is missing (mode 0700) and takes hold of it.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable {
            path: path.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(OWNER_ALONE)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        check_version(path)?;
        if let Err(error) = close_to_others(path) {
            tracing::warn!(%error, "others may read what is in the data folder");
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database in it.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The author's key file in it.
    pub fn key_file(&self) -> PathBuf {
        Self::key_file_in(&self.path)
    }

    /// The author's key file in a folder that is not held.
    pub fn key_file_in(path: &Path) -> PathBuf {
        path.join("identity.key")
    }

    /// The socket at which the process that holds a folder may be spoken to.
    pub fn socket_in(path: &Path) -> PathBuf {
        path.join("socket")
    }
}

/// Sees to it that nobody but the owner reads documents and their secrets, in whatever folder they
/// are: one that was there before may be open to all. SQLite gives the files beside a database its mode.
fn close_to_others(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_string_lossy().contains(".sqlite");
        if is_ours && entry.metadata()?.permissions().mode() & OTHERS != 0 {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(OWNER_ALONE))?;
        }
    }
    Ok(())
}

fn check_version(path: &Path) -> Result<(), FolderError> {
    let owned = path.to_owned();
    bring_up(path).map_err(|error| match error {
        MigrationError::Newer => FolderError::Newer { path: owned },
        MigrationError::DamagedVersion => FolderError::Damaged { path: owned },
        MigrationError::Write(source) => FolderError::Unusable {
            path: owned,
            source,
        },
        source => FolderError::Migration {
            path: owned,
            source,
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/folder");
        let held = DataFolder::open(&path).unwrap();
        assert!(matches!(
            DataFolder::open(&path),
            Err(FolderError::InUse { .. })
        ));
        drop(held);
        DataFolder::open(&path).unwrap();
    }

    #[test]
    fn newer_and_damaged_data_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let version = folder.path().join("version");
        fs::write(&version, "999\n").unwrap();
        assert!(matches!(
            DataFolder::open(folder.path()),
            Err(FolderError::Newer { .. })
        ));
        fs::write(&version, "x").unwrap();
        assert!(matches!(
            DataFolder::open(folder.path()),
            Err(FolderError::Damaged { .. })
        ));
        assert_eq!(fs::read_to_string(&version).unwrap(), "x");
    }

    #[test]
    fn others_read_nothing_of_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let backup = folder.path().join("backup-1.sqlite");
        fs::write(&backup, "older").unwrap();
        fs::set_permissions(&backup, fs::Permissions::from_mode(0o644)).unwrap();
        let held = DataFolder::open(folder.path()).unwrap();
        let connection = crate::store::open_connection(&held.database(), true).unwrap();
        crate::store::prepare(&connection).unwrap();
        let entries = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
        let databases = entries.filter(|it| it.file_name().to_string_lossy().contains(".sqlite"));
        let modes: Vec<u32> = databases
            .map(|it| it.metadata().unwrap().permissions().mode() & OTHERS)
            .collect();
        assert!(modes.len() >= 3, "with what SQLite keeps beside it");
        assert!(modes.iter().all(|others| *others == 0), "{modes:?}");
    }

    #[test]
    fn a_file_in_its_place_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        assert!(matches!(
            DataFolder::open(&path),
            Err(FolderError::Unusable { .. })
        ));
    }
}
