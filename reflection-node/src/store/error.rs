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
        matches!(
            self,
            Self::Database(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
        )
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
