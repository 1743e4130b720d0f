// SPDX-License-Identifier: GPL-3.0-or-later
//! The data folder: who holds it, and which version of the program wrote it.
//!
//! ```text
//! version           the protocol version, decimal
//! database.sqlite   everything else (with -wal and -shm beside it)
//! identity.key      the author's secret, where no Secret Service keeps it
//! lock              held by the one process that uses the folder
//! socket            served by that process, if it serves one
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The version of everything that peers and the disk must agree on.
pub(crate) const PROTOCOL_VERSION: u32 = 1;

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
        self.path.join("database.sqlite")
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

fn check_version(path: &Path) -> Result<(), FolderError> {
    let unusable = |source| FolderError::Unusable {
        path: path.to_owned(),
        source,
    };
    let file = path.join("version");
    match fs::read_to_string(&file) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(PROTOCOL_VERSION) => Ok(()),
            Ok(version) if version > PROTOCOL_VERSION => Err(FolderError::Newer {
                path: path.to_owned(),
            }),
            _ => Err(FolderError::Damaged {
                path: path.to_owned(),
            }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let partial = path.join("version.partial");
            let mut made = File::create(&partial).map_err(unusable)?;
            writeln!(made, "{PROTOCOL_VERSION}").map_err(unusable)?;
            made.sync_all().map_err(unusable)?;
            fs::rename(&partial, &file).map_err(unusable)
        }
        Err(error) => Err(unusable(error)),
    }
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
