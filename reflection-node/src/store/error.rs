// SPDX-License-Identifier: GPL-3.0-or-later
//! What goes wrong in the store.

/// Why something could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused; the message is SQLite's.
    #[error("{}", explain(.0))]
    Database(#[from] rusqlite::Error),
    /// The transaction in which this was written could not be committed. Nothing of it is stored.
    #[error("the changes could not be written: {0}")]
    Commit(String),
    /// The disk or the quota is full, so the transaction could not be committed. Nothing of it is
    /// stored.
    #[error("the changes could not be written: the disk is full")]
    Full,
    /// The store has been shut down.
    #[error("the store is closed")]
    Closed,
    /// The backup of an earlier version is still there after a document was deleted.
    #[error("a backup that holds the deleted document could not be removed: {0}")]
    Backup(#[source] std::io::Error),
    /// Somebody reads, so that what was deleted is not overwritten yet. It is when the node ends.
    #[error("what was deleted is not overwritten yet, because the database is being read")]
    Busy,
    /// A row holds what this program never writes.
    #[error("the database is damaged: {0}")]
    Damaged(&'static str),
}

impl StoreError {
    /// Whether the disk or the quota is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Full => true,
            Self::Database(error) => is_disk_full(error),
            _ => false,
        }
    }

    /// Whether what is on the disk is not what was once written there.
    pub fn is_damaged(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::Database(error) => is_damaged(error),
            _ => false,
        }
    }
}

/// Whether SQLite found no room, be it for what is stored or for the index that it keeps beside that while
/// the database is open, even for reading.
pub(crate) fn is_disk_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == rusqlite::ErrorCode::DiskFull
            || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    })
}

/// Whether SQLite found a file that is no database, or one that is malformed.
pub(crate) fn is_damaged(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
    )
}

/// Why a transaction was not committed, told to each of those whose job was in it.
#[derive(Clone, Debug)]
pub(crate) enum Uncommitted {
    /// There is no room on the disk.
    Full,
    /// Something else.
    Failed(String),
}

impl From<&StoreError> for Uncommitted {
    fn from(error: &StoreError) -> Self {
        if error.is_disk_full() {
            Self::Full
        } else {
            Self::Failed(error.to_string())
        }
    }
}

impl From<Uncommitted> for StoreError {
    fn from(uncommitted: Uncommitted) -> Self {
        match uncommitted {
            Uncommitted::Full => Self::Full,
            Uncommitted::Failed(reason) => Self::Commit(reason),
        }
    }
}

/// What SQLite says, and what can be done about a file that is damaged.
fn explain(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};

    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => format!(
            "the database is damaged ({error}); what can still be read may be recovered into another \
             data folder"
        ),
        _ => format!("the database failed: {error}"),
    }
}
