// SPDX-License-Identifier: GPL-3.0-or-later
//! The files of one installation, as they are and as crashes and backups leave them.

use std::path::PathBuf;
use std::{fs, io};

/// The database of an installation after so many crashes.
#[derive(Clone)]
pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) who: usize,
    pub(super) crashes: u32,
}

impl Files {
    pub(super) fn database(&self) -> PathBuf {
        self.folder
            .join(format!("{}-{}.sqlite", self.who, self.crashes))
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder
            .join(format!("{}-{}.sqlite-wal", self.who, self.crashes))
    }

    pub(super) fn next(&self) -> Self {
        Self {
            crashes: self.crashes + 1,
            ..self.clone()
        }
    }

    /// Copies the files as they are now to where the next start finds them.
    pub(super) fn copy_to_next(&self) {
        self.copy_to(&self.next());
    }

    pub(super) fn copy_to(&self, other: &Self) {
        fs::copy(self.database(), other.database()).unwrap();
        if self.log().exists() {
            fs::copy(self.log(), other.log()).unwrap();
        }
    }

    /// Where a backup of these is kept.
    pub(super) fn backup(&self) -> Self {
        Self {
            folder: self.folder.join("backups"),
            crashes: 0,
            ..self.clone()
        }
    }

    pub(super) fn remove(&self) {
        for path in [
            self.database(),
            self.log(),
            self.database().with_extension("sqlite-shm"),
        ] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
                _ => {}
            }
        }
    }
}
