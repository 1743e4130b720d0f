// SPDX-License-Identifier: GPL-3.0-or-later
//! Everything that is kept on the disk: one folder, one SQLite database.
//!
//! Writes go through one thread that joins what waits into one transaction (`writer`); reads run
//! on connections of their own (`readers`). Invariants: a job that fails leaves nothing behind;
//! nobody is told of a write before its commit; what is ours is on the disk before that
//! (`synchronous=FULL`), what came from others may be fetched again (`NORMAL`).

pub(crate) mod compaction;
pub(crate) mod documents;
mod error;
mod folder;
pub(crate) mod forks;
pub(crate) mod operations;
pub(crate) mod participants;
pub(crate) mod peers;
mod readers;
mod schema;
pub(crate) mod storage;
mod writer;

pub use error::StoreError;
pub(crate) use error::{is_damaged, is_disk_full};
pub use folder::{DataFolder, FolderError};
pub(crate) use readers::{READ_HERE_MAX, Readers};
pub(crate) use schema::{check_author, open_connection, prepare};
#[cfg(feature = "testing")]
pub(crate) use writer::{Committer, Job};
pub(crate) use writer::{Durability, Writer, WriterHandle};
