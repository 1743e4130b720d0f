// SPDX-License-Identifier: GPL-3.0-or-later
//! A data folder for one run, which is gone when it is dropped.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use gtk::glib;

/// A data folder for one run. It lies where the session keeps what it does not outlive, in memory
/// as a rule, so that nothing is left even if the program is killed.
#[derive(Debug)]
pub struct PassingFolder(PathBuf);

impl PassingFolder {
    /// Makes one that only this user may enter.
    pub fn new() -> std::io::Result<Self> {
        let name = format!("reflection-{}", glib::uuid_string_random());
        let path = glib::user_runtime_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PassingFolder {
    fn drop(&mut self) {
        if std::fs::remove_dir_all(&self.0).is_err() {
            tracing::warn!(
                "the folder of this run could not be removed; the session's end does it"
            );
        }
    }
}
