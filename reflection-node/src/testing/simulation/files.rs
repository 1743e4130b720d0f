// SPDX-License-Identifier: GPL-3.0-or-later
//! The files of one installation, as they are and as crashes and backups leave them.

use std::path::{Path, PathBuf};
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

/// A folder of its own, in memory where there is one for that.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let mut number = [0; 8];
        // Two simulations of one seed may run side by side, so this does not come from the seed.
        getrandom::fill(&mut number).unwrap();
        let path = parent.join(format!(
            "reflection-simulation-{}",
            crate::hex::encode(&number)
        ));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
