// SPDX-License-Identifier: GPL-3.0-or-later
//! The space that the database takes.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::StoreError;
use super::operations::{Position, newest_position};
use super::schema::BUSY_TIMEOUT_MS;
use crate::shared::now_us;

/// What the database takes on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageStatistics {
    /// Bytes of the database file.
    pub database_bytes: u64,
    /// Bytes of the write-ahead log beside it.
    pub log_bytes: u64,
    /// Bytes in the file that nothing uses; `compact` gives them back.
    pub free_bytes: u64,
    /// Bytes of backups of earlier versions.
    pub backup_bytes: u64,
}

/// Measures what the database in a folder takes.
pub(crate) fn statistics(
    connection: &Connection,
    folder: &Path,
) -> Result<StorageStatistics, StoreError> {
    let pragma = |name: &str| -> Result<u64, StoreError> {
        let number: i64 = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
        Ok(number.unsigned_abs())
    };
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let database = folder.join(crate::migration::DATABASE);
    let mut log = database.clone().into_os_string();
    log.push("-wal");
    Ok(StorageStatistics {
        database_bytes: size(&database),
        log_bytes: size(Path::new(&log)),
        free_bytes: pragma("freelist_count")? * pragma("page_size")?,
        backup_bytes: crate::migration::backups(folder)
            .map(|path| size(&path))
            .sum(),
    })
}

/// Sees to it that space can be given back in pieces. `false` where the whole database had to be
/// written anew for that, so that there is nothing left to give back.
pub(crate) fn make_incremental(connection: &Connection) -> Result<bool, StoreError> {
    const INCREMENTAL: u32 = 2;
    let present: u32 = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0))?;
    if present == INCREMENTAL {
        return Ok(true);
    }
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM")?;
    Ok(false)
}

/// Gives back at most so many pages; gives how many are left.
pub(crate) fn vacuum(connection: &Connection, pages: u32) -> Result<u64, StoreError> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    let left: i64 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    Ok(left.unsigned_abs())
}

/// Writes something small, so that the commit of it waits for the disk and with it for everything
/// that was committed before. Gives the position up to which operations are on the disk then.
pub(crate) fn write_through(connection: &Connection) -> Result<Position, StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO meta (name, value) VALUES ('durable', ?1)
             ON CONFLICT (name) DO UPDATE SET value = ?1",
        )?
        .execute([now_us().to_be_bytes().as_slice()])?;
    newest_position(connection)
}

/// How long one attempt to empty the log waits for those who read.
const EMPTY_LOG_TIMEOUT_MS: u64 = 300;

/// Moves everything from the write-ahead log into the database and empties the log, so that nothing
/// of what was deleted is left in it. `false` where somebody who reads is in the way.
pub(crate) fn empty_log(connection: &Connection) -> Result<bool, StoreError> {
    connection.busy_timeout(Duration::from_millis(EMPTY_LOG_TIMEOUT_MS))?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get::<_, i64>(0)
    });
    connection.busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))?;
    Ok(busy? == 0)
}
