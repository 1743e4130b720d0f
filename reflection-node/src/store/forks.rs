// SPDX-License-Identifier: GPL-3.0-or-later
//! Logs that go on in two ways: the proofs, one for each author at most, and how often the
//! operations of a document have been replaced by others because of that.

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;
use super::documents::{DocumentRow, StoredDocument, to_sql};
use crate::identity::AuthorId;
use crate::operation::ForkProof;
use crate::shared::now_us;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS forks (
    document INTEGER NOT NULL REFERENCES documents(id),
    author BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    -- Two headers of that author and place, of which the author can have meant one alone.
    one BLOB NOT NULL,
    other BLOB NOT NULL,
    -- Whether the log has opened anew above it since.
    is_mended INTEGER NOT NULL,
    PRIMARY KEY (document, author)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS rebuilds (
    document INTEGER PRIMARY KEY REFERENCES documents(id),
    generation INTEGER NOT NULL
) STRICT;
";

/// Keeps a proof that was checked. `false` where one of that author was known already, unless
/// that fork is over and this is another one.
pub(crate) fn add(
    connection: &Connection,
    document: DocumentRow,
    proof: &ForkProof,
    is_mended: bool,
) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached(
            "INSERT INTO forks (document, author, sequence, one, other, is_mended)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (document, author) DO UPDATE
                 SET sequence = ?3, one = ?4, other = ?5, is_mended = ?6
                 WHERE is_mended = 1 AND sequence < ?3",
        )?
        .execute(params![
            document.0,
            proof.author().as_bytes().as_slice(),
            to_sql(proof.sequence()),
            proof.one(),
            proof.other(),
            is_mended,
        ])?;
    Ok(changed > 0)
}

/// The proofs of a document.
pub(crate) fn all(
    connection: &Connection,
    document: DocumentRow,
) -> Result<Vec<ForkProof>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT one, other FROM forks WHERE document = ?1")?;
    let mut rows = statement.query([document.0])?;
    let mut proofs = Vec::new();
    while let Some(row) = rows.next()? {
        proofs.push(ForkProof::new(row.get(0)?, row.get(1)?).ok_or(StoreError::Damaged("a fork"))?);
    }
    Ok(proofs)
}

/// Takes note that an author's log has opened anew. Gives whether a fork is over by that.
pub(crate) fn mended(
    connection: &Connection,
    document: DocumentRow,
    author: &AuthorId,
) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE forks SET is_mended = 1
             WHERE document = ?1 AND author = ?2 AND is_mended = 0",
        )?
        .execute(params![document.0, author.as_bytes().as_slice()])?;
    Ok(changed > 0)
}

/// How often operations of a document have been replaced by others.
pub(crate) fn generation(
    connection: &Connection,
    document: DocumentRow,
) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT generation FROM rebuilds WHERE document = ?1")?
        .query_row([document.0], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

/// Whoever has read operations of the document must begin again.
pub(crate) fn rebuild(connection: &Connection, document: DocumentRow) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO rebuilds (document, generation) VALUES (?1, 1)
             ON CONFLICT (document) DO UPDATE SET generation = generation + 1",
        )?
        .execute([document.0])?;
    Ok(())
}

/// From here on this installation writes under another CRDT identity, which nobody has seen yet.
pub(crate) fn renew_incarnation(
    connection: &Connection,
    document: &StoredDocument,
) -> Result<u64, StoreError> {
    let incarnation = now_us().max(document.incarnation + 1);
    connection.execute(
        "UPDATE documents SET incarnation = ?2 WHERE id = ?1",
        params![document.row.0, to_sql(incarnation)],
    )?;
    rebuild(connection, document.row)?;
    Ok(incarnation)
}
