// SPDX-License-Identifier: GPL-3.0-or-later
//! When the people in each document were last seen.

use rusqlite::{Connection, params};

use super::StoreError;
use super::documents::{DocumentRow, to_sql};
use crate::identity::AuthorId;
use crate::presence::PARTICIPANTS_MAX;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS participants (
    document INTEGER NOT NULL REFERENCES documents(id),
    author BLOB NOT NULL,
    last_seen_us INTEGER NOT NULL,
    PRIMARY KEY (document, author)
) STRICT, WITHOUT ROWID;
";

/// Notes when people were seen; earlier times change nothing. Of too many the ones seen longest
/// ago are forgotten.
pub(crate) fn note(
    connection: &Connection,
    document: DocumentRow,
    seen: &[(AuthorId, u64)],
) -> Result<(), StoreError> {
    // A document that was deleted meanwhile has no participants.
    let mut statement = connection.prepare_cached(
        "INSERT INTO participants (document, author, last_seen_us)
         SELECT id, ?2, ?3 FROM documents WHERE id = ?1
         ON CONFLICT (document, author) DO UPDATE SET last_seen_us = max(last_seen_us, ?3)",
    )?;
    for (author, seen_us) in seen {
        statement.execute(params![
            document.0,
            author.as_bytes().as_slice(),
            to_sql(*seen_us)
        ])?;
    }
    connection
        .prepare_cached(
            "DELETE FROM participants WHERE document = ?1 AND author IN (
                 SELECT author FROM participants WHERE document = ?1
                 ORDER BY last_seen_us DESC LIMIT -1 OFFSET ?2)",
        )?
        .execute(params![document.0, to_sql(PARTICIPANTS_MAX as u64)])?;
    Ok(())
}

/// Forgets the people of a document.
pub(super) fn delete(connection: &Connection, document: DocumentRow) -> Result<(), StoreError> {
    connection.execute("DELETE FROM participants WHERE document = ?1", [document.0])?;
    Ok(())
}

/// Who was seen in a document, and when.
pub(crate) fn all(
    connection: &Connection,
    document: DocumentRow,
) -> Result<Vec<(AuthorId, u64)>, StoreError> {
    gather(
        connection,
        "SELECT author, last_seen_us FROM participants WHERE document = ?1",
        document,
    )
}

/// When the devices with which a document was exchanged were last connected.
pub(crate) fn devices(
    connection: &Connection,
    document: DocumentRow,
) -> Result<Vec<(AuthorId, u64)>, StoreError> {
    gather(
        connection,
        "SELECT endpoint, last_seen_us FROM document_peers JOIN peers USING (endpoint)
         WHERE document = ?1 AND last_seen_us IS NOT NULL",
        document,
    )
}

fn gather(
    connection: &Connection,
    query: &str,
    document: DocumentRow,
) -> Result<Vec<(AuthorId, u64)>, StoreError> {
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query([document.0])?;
    let mut seen = Vec::new();
    while let Some(row) = rows.next()? {
        let author = <[u8; 32]>::try_from(row.get::<_, Vec<u8>>(0)?)
            .map_err(|_| StoreError::Damaged("a participant"))?;
        let seen_us: i64 = row.get(1)?;
        seen.push((AuthorId::from_bytes(author), seen_us.unsigned_abs()));
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::{DocumentKeys, DocumentSecret};
    use crate::store::{documents, prepare};

    fn author(number: u16) -> AuthorId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        AuthorId::from_bytes(bytes)
    }

    fn store() -> (Connection, DocumentKeys, DocumentRow) {
        let connection = Connection::open_in_memory().unwrap();
        prepare(&connection).unwrap();
        let keys = DocumentKeys::for_writing(DocumentSecret::generate());
        let row = documents::add(&connection, &keys, false, 1).unwrap().row;
        (connection, keys, row)
    }

    #[test]
    fn a_time_never_goes_back() {
        let (connection, _, row) = store();
        note(&connection, row, &[(author(1), 50)]).unwrap();
        note(&connection, row, &[(author(1), 40), (author(2), 7)]).unwrap();
        let mut seen = all(&connection, row).unwrap();
        seen.sort_unstable();
        assert_eq!(seen, [(author(1), 50), (author(2), 7)]);
    }

    #[test]
    fn of_too_many_the_ones_seen_last_are_kept() {
        let (connection, _, row) = store();
        let many = u16::try_from(PARTICIPANTS_MAX).unwrap() + 10;
        let seen: Vec<_> = (0..many)
            .map(|number| (author(number), number.into()))
            .collect();
        note(&connection, row, &seen).unwrap();
        let kept = all(&connection, row).unwrap();
        assert_eq!(kept.len(), PARTICIPANTS_MAX);
        assert!(kept.iter().all(|(_, seen_us)| *seen_us >= 10));
    }

    #[test]
    fn nothing_remains_of_a_deleted_document() {
        let (connection, keys, row) = store();
        note(&connection, row, &[(author(1), 50)]).unwrap();
        documents::delete(&connection, &keys.topic()).unwrap();
        note(&connection, row, &[(author(1), 60)]).unwrap();
        assert!(all(&connection, row).unwrap().is_empty());
    }
}
