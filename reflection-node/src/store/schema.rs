// SPDX-License-Identifier: GPL-3.0-or-later
//! The tables, and how connections to them are opened.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::folder::OWNER_ALONE;
use super::{StoreError, forks};
use crate::identity::AuthorId;
use crate::maintenance::quarantine;
use crate::migration::{DATA_VERSION, version_of};
use crate::replication;

/// Keyed for the questions that sync asks: what is there of (document, author), in order.
///
/// `position` counts acceptances on this machine; streams go by it. `state` is 0 while the
/// application has not processed an operation and 1 once it has acknowledged it. `accepted_us` is
/// this machine's clock at acceptance, 0 for what is older than that column. `base` is the first
/// sequence number that a log still holds.
///
/// Tables that exist already are changed by a step in `migration/` alone; new ones are added here.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic BLOB NOT NULL UNIQUE,
    access TEXT NOT NULL,
    key BLOB NOT NULL,
    write_public BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    -- Whether it came by a code rather than being made here.
    is_joined INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS authors (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE IF NOT EXISTS operations (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents(id),
    author INTEGER NOT NULL REFERENCES authors(id),
    sequence INTEGER NOT NULL,
    state INTEGER NOT NULL,
    header BLOB NOT NULL,
    body BLOB NOT NULL,
    accepted_us INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS operations_by_log ON operations(document, author, sequence);
CREATE INDEX IF NOT EXISTS operations_by_position ON operations(document, position);
CREATE INDEX IF NOT EXISTS operations_waiting ON operations(document, position) WHERE state = 0;

CREATE TABLE IF NOT EXISTS logs (
    document INTEGER NOT NULL REFERENCES documents(id),
    author INTEGER NOT NULL REFERENCES authors(id),
    next INTEGER NOT NULL,
    head BLOB NOT NULL,
    -- The first sequence number kept: 0, or that of a compaction.
    base INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (document, author)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS refused (
    operation BLOB PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents(id),
    reason TEXT NOT NULL,
    -- Where in whose log: nothing is wanted of it from there on.
    author BLOB NOT NULL DEFAULT x'',
    sequence INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS peers (
    endpoint BLOB PRIMARY KEY,
    addresses BLOB NOT NULL,
    relay TEXT,
    last_seen_us INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS document_peers (
    document INTEGER NOT NULL REFERENCES documents(id),
    endpoint BLOB NOT NULL,
    -- How much of our own log the peer has confirmed to hold.
    confirmed INTEGER NOT NULL,
    PRIMARY KEY (document, endpoint)
) STRICT, WITHOUT ROWID;
";

/// How long a connection waits for another one's lock before it gives up.
pub(super) const BUSY_TIMEOUT_MS: u64 = 10_000;

/// A new file would else be as open as the system leaves it. An empty one is a new database.
fn make_for_owner(path: &Path) {
    let made = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(OWNER_ALONE)
        .open(path);
    // What is wrong, SQLite says better.
    drop(made);
}

/// Opens the one connection that writes, or one that reads.
pub(crate) fn open_connection(path: &Path, is_writer: bool) -> Result<Connection, StoreError> {
    let flags = if is_writer {
        make_for_owner(path);
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    } else {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    };
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.set_prepared_statement_cache_capacity(64);
    if is_writer {
        // Has an effect on a database without tables only; `compact` changes others.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
        // What is deleted is overwritten, so that a deleted document leaves nothing in the file.
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // What a savepoint would bring back is kept in memory instead of in a file, which is made
        // and written for every other transaction else.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
    }
    Ok(connection)
}

/// Makes the tables that are missing, and the version of a new database with them.
pub(crate) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    match version_of(connection)? {
        None | Some(DATA_VERSION) => {}
        // Opening the folder has brought its data to this version.
        Some(_) => return Err(StoreError::Damaged("its version")),
    }
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(super::participants::SCHEMA)?;
    transaction.execute_batch(super::peers::SCHEMA)?;
    transaction.execute_batch(quarantine::SCHEMA)?;
    transaction.execute_batch(forks::SCHEMA)?;
    transaction.execute_batch(replication::assignments::SCHEMA)?;
    transaction.execute_batch(replication::hosting::SCHEMA)?;
    transaction.pragma_update(None, "user_version", DATA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// The data of one author is never opened as another: notes whose author this is, or checks it.
/// Gives the author whose data it is.
pub(crate) fn check_author(
    connection: &Connection,
    author: &AuthorId,
) -> Result<AuthorId, StoreError> {
    let known: Option<Vec<u8>> = connection
        .query_row("SELECT value FROM meta WHERE name = 'author'", [], |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(bytes) = known {
        let bytes = bytes
            .try_into()
            .map_err(|_| StoreError::Damaged("the author's id"))?;
        return Ok(AuthorId::from_bytes(bytes));
    }
    connection.execute(
        "INSERT INTO meta (name, value) VALUES ('author', ?1)",
        [author.as_bytes().as_slice()],
    )?;
    Ok(*author)
}
