// SPDX-License-Identifier: GPL-3.0-or-later
//! Which of our own logs have become long enough to be made short.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::StoreError;
use super::documents::DocumentRow;
use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::node::LogSize;
use crate::operation::Header;
use crate::sync::patience;

/// Operations since a log's opening from which on it is made short by itself. Half a minute of
/// typing; below that a newcomer hardly gains anything.
const OPERATIONS_MIN: i64 = 512;
/// How long nobody must have written to it. Whoever types is not made to wait.
const QUIET: Duration = Duration::from_secs(20);
/// Most logs that are looked at in one round.
const CANDIDATES_MAX: usize = 64;

/// A log that is long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) topic: TopicId,
    /// The end of the log.
    pub(crate) next: u64,
}

/// Our logs that are worth being compacted now.
///
/// The bytes since the opening must outweigh the opening, so that each byte is written, and sent
/// to everybody, but a few times however long the log becomes. And where peers take part at all,
/// one of them must have confirmed the whole log: a log that somebody else holds in another form
/// (a restored backup) shows as such only while both forms are there.
pub(crate) fn candidates(
    connection: &Connection,
    own: &AuthorId,
    now_us: u64,
) -> Result<Vec<Candidate>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT documents.topic, logs.next, newest.header FROM logs
         JOIN documents ON documents.id = logs.document
         JOIN operations AS newest ON newest.document = logs.document
             AND newest.author = logs.author AND newest.sequence = logs.next - 1
         JOIN operations AS opening ON opening.document = logs.document
             AND opening.author = logs.author AND opening.sequence = logs.base
         WHERE logs.author = (SELECT id FROM authors WHERE key = ?1)
         AND documents.access = 'write' AND logs.next - logs.base > ?2
         AND (SELECT coalesce(max(confirmed), logs.next) FROM document_peers
              WHERE document_peers.document = logs.document) >= logs.next
         AND (SELECT sum(length(header) + length(body)) FROM operations
              WHERE operations.document = logs.document AND operations.author = logs.author)
             > 2 * length(opening.body)
         ORDER BY logs.next - logs.base DESC",
    )?;
    let mut rows = statement.query(params![own.as_bytes().as_slice(), OPERATIONS_MIN])?;
    let quiet_us = patience(QUIET).as_micros();
    let mut candidates = Vec::new();
    while let Some(row) = rows.next()? {
        let topic = <[u8; 32]>::try_from(row.get::<_, Vec<u8>>(0)?)
            .map_err(|_| StoreError::Damaged("a document"))?;
        let newest = Header::decode(&row.get::<_, Vec<u8>>(2)?)
            .map_err(|_| StoreError::Damaged("an operation"))?;
        let is_quiet = u128::from(newest.time_us.abs_diff(now_us)) >= quiet_us;
        if is_quiet && candidates.len() < CANDIDATES_MAX {
            candidates.push(Candidate {
                topic: TopicId::from_bytes(topic),
                next: row.get::<_, i64>(1)?.unsigned_abs(),
            });
        }
    }
    Ok(candidates)
}

/// The size of our log in a document, and its end.
pub(crate) fn own_log(
    connection: &Connection,
    document: DocumentRow,
    own: &AuthorId,
) -> Result<(LogSize, u64), StoreError> {
    Ok(connection.query_row(
        "SELECT count(*), coalesce(sum(length(header) + length(body)), 0),
                coalesce(max(sequence) + 1, 0)
         FROM operations
         WHERE document = ?1 AND author = (SELECT id FROM authors WHERE key = ?2)",
        params![document.0, own.as_bytes().as_slice()],
        |row| {
            let number = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
            let size = LogSize {
                operations: number(0)?,
                bytes: number(1)?,
            };
            Ok((size, number(2)?))
        },
    )?)
}
