// SPDX-License-Identifier: GPL-3.0-or-later
//! Reading the documents of a database that this program does not run on: a backup, or data of a
//! protocol that peers no longer speak. What can be read becomes new documents above.
//!
//! Only what version 1 of the tables had is asked for, so every version since can be read. When
//! operations change their form, the decoder of the form before moves here. Damaged operations
//! are left out and counted, and documents whose keys are damaged are named: here as much as
//! possible is to be saved, and what cannot be is told.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row, params};
use zeroize::Zeroizing;

use super::{DATA_VERSION, DATABASE, version_of};
use crate::access::{Access, DocumentKeys, TopicId};
use crate::operation::Operation;
use crate::pipeline::{Delivered, open_operation};
use crate::store::operations::Position;

/// Operations that one call of [`OldDatabase::operations`] reads.
const BATCH_OPERATIONS_MAX: u32 = 1_000;

/// Why another database cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OldDatabaseError {
    /// There is none.
    #[error("there is no database of Reflection at {0}")]
    NotThere(String),
    /// A newer program made it.
    #[error("it was written by a newer version of Reflection")]
    Newer,
    /// SQLite cannot read it.
    #[error("the database cannot be read: {0}")]
    Unreadable(#[from] rusqlite::Error),
}

/// A database that is only read.
#[derive(Debug)]
pub struct OldDatabase {
    connection: Connection,
}

/// A document in it.
#[derive(Clone, Debug)]
pub struct OldDocument {
    row: i64,
    topic: Option<TopicId>,
    /// `None` where they are damaged.
    keys: Option<DocumentKeys>,
}

impl OldDocument {
    /// By what it was known; `None` where that is damaged.
    pub fn topic(&self) -> Option<TopicId> {
        self.topic
            .or_else(|| self.keys.as_ref().map(DocumentKeys::topic))
    }

    /// Whether it was kept for others, without the keys to its contents.
    pub fn is_sealed(&self) -> bool {
        let access = self.keys.as_ref().map(DocumentKeys::access);
        access.is_some_and(|access| access < Access::Read)
    }
}

/// Some of a document's operations, in the order in which they were accepted.
#[derive(Debug, Default)]
pub struct OldOperations {
    /// Those that can be read.
    pub delivered: Vec<Delivered>,
    /// How many are damaged.
    pub damaged: u64,
    /// The position of the last one; `None` where there were no more.
    pub last: Option<Position>,
}

impl OldDatabase {
    /// Opens a data folder's database, or a database file such as a backup.
    pub fn open(path: &Path) -> Result<Self, OldDatabaseError> {
        let file = if path.is_dir() {
            path.join(DATABASE)
        } else {
            path.to_owned()
        };
        let not_there = || OldDatabaseError::NotThere(path.display().to_string());
        if !file.is_file() {
            return Err(not_there());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&file, flags)?;
        match version_of(&connection)? {
            None => Err(not_there()),
            Some(version) if version > DATA_VERSION => Err(OldDatabaseError::Newer),
            Some(_) => Ok(Self { connection }),
        }
    }

    /// Its documents, oldest first, those with damaged keys among them.
    pub fn documents(&self) -> Result<Vec<OldDocument>, OldDatabaseError> {
        let mut statement = self
            .connection
            .prepare("SELECT id, access, key, write_public, topic FROM documents ORDER BY id")?;
        let mut rows = statement.query([])?;
        let mut documents = Vec::new();
        while let Some(row) = rows.next()? {
            documents.push(OldDocument {
                row: row.get(0)?,
                topic: row.get(4).ok().map(TopicId::from_bytes),
                keys: keys(row),
            });
        }
        Ok(documents)
    }

    /// The position of a document's last operation, damaged or not; 0 where it has none.
    pub fn last_position(&self, document: &OldDocument) -> Result<Position, OldDatabaseError> {
        let last = self
            .connection
            .prepare_cached("SELECT max(position) FROM operations WHERE document = ?1")?
            .query_row([document.row], |row| row.get::<_, Option<Position>>(0))?;
        Ok(last.unwrap_or(0))
    }

    /// Reads what the program on top of the node kept in tables of its own, if they are there.
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> T) -> T {
        read(&self.connection)
    }

    /// Accepted operations of a document after a position.
    pub fn operations(
        &self,
        document: &OldDocument,
        after: Position,
    ) -> Result<OldOperations, OldDatabaseError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT position, header, body FROM operations
             WHERE document = ?1 AND position > ?2 AND state = 1 ORDER BY position LIMIT ?3",
        )?;
        let mut rows = statement.query(params![document.row, after, BATCH_OPERATIONS_MAX])?;
        let mut operations = OldOperations::default();
        let keys = document.keys.as_ref();
        while let Some(row) = rows.next()? {
            let position = row.get(0)?;
            operations.last = Some(position);
            let opened = Operation::decode(row.get(1)?, row.get(2)?)
                .ok()
                .and_then(|operation| open_operation(keys?, position, &operation).ok());
            match opened {
                Some(delivered) => operations.delivered.push(delivered),
                None => operations.damaged += 1,
            }
        }
        Ok(operations)
    }
}

/// The keys in a row, if they may be keys.
fn keys(row: &Row<'_>) -> Option<DocumentKeys> {
    let access: String = row.get(1).ok()?;
    let key: Zeroizing<[u8; 32]> = Zeroizing::new(row.get(2).ok()?);
    let access = [Access::Replica, Access::Read, Access::Write]
        .into_iter()
        .find(|known| known.as_str() == access)?;
    Some(DocumentKeys::from_parts(access, *key, row.get(3).ok()?))
}
