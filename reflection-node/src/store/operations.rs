// SPDX-License-Identifier: GPL-3.0-or-later
//! Operations and logs.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;
use super::documents::{DocumentRow, to_sql};
use crate::identity::AuthorId;
use crate::operation::{Operation, OperationId};
use crate::shared::now_us;
use crate::sync::heights::{AUTHORS_MAX, Head, Heights};
use crate::sync::session::Request;

/// Most bytes of operations that one read brings into memory.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most refused operations remembered of one document. One of each author stops that author's log
/// for the rest of a session, so more than these are of no use but to fill the disk.
const REFUSED_MAX: i64 = 4096;

/// The place of an operation in the order of acceptance on this machine, from 1.
pub type Position = i64;

/// Whether the application has processed an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting = 0,
    Acknowledged = 1,
}

/// The number of an author in the database, given where it has none.
pub(crate) fn author_row(connection: &Connection, author: &AuthorId) -> Result<i64, StoreError> {
    if let Some(row) = find_author_row(connection, author)? {
        return Ok(row);
    }
    connection
        .prepare_cached("INSERT INTO authors (key) VALUES (?1)")?
        .execute([author.as_bytes().as_slice()])?;
    Ok(connection.last_insert_rowid())
}

/// The number of an author in the database, if it has one.
pub(crate) fn find_author_row(
    connection: &Connection,
    author: &AuthorId,
) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT id FROM authors WHERE key = ?1")?
        .query_row([author.as_bytes().as_slice()], |row| row.get(0))
        .optional()?)
}

/// How many authors have a log in a document.
pub(crate) fn log_count(
    connection: &Connection,
    document: DocumentRow,
) -> Result<usize, StoreError> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM logs WHERE document = ?1")?
        .query_row([document.0], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The end of one log.
pub(crate) fn head(
    connection: &Connection,
    document: DocumentRow,
    author_row: i64,
) -> Result<Option<Head>, StoreError> {
    let found = connection
        .prepare_cached("SELECT next, head, base FROM logs WHERE document = ?1 AND author = ?2")?
        .query_row([document.0, author_row], |row| {
            Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?))
        })
        .optional()?;
    found
        .map(|(next, id, base)| to_head(next, id, base))
        .transpose()
}

fn to_head(next: i64, id: Vec<u8>, base: i64) -> Result<Head, StoreError> {
    let id = id.try_into().map_err(|_| StoreError::Damaged("a log"))?;
    Ok(Head {
        next: next.unsigned_abs(),
        id: OperationId::from_bytes(id),
        base: base.unsigned_abs(),
    })
}

/// The ends of all logs of a document.
pub(crate) fn heights(
    connection: &Connection,
    document: DocumentRow,
) -> Result<Heights, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT authors.key, logs.next, logs.head, logs.base FROM logs
         JOIN authors ON authors.id = logs.author WHERE logs.document = ?1",
    )?;
    let mut rows = statement.query([document.0])?;
    let mut heights = Heights::default();
    while let Some(row) = rows.next()? {
        let author = <[u8; 32]>::try_from(row.get::<_, Vec<u8>>(0)?)
            .map_err(|_| StoreError::Damaged("an author"))?;
        heights.raise(
            AuthorId::from_bytes(author),
            to_head(row.get(1)?, row.get(2)?, row.get(3)?)?,
        );
    }
    Ok(heights)
}

/// Appends an operation to its log, whose end has been checked to fit.
pub(crate) fn append(
    connection: &Connection,
    document: DocumentRow,
    author_row: i64,
    operation: &Operation,
    state: State,
) -> Result<Position, StoreError> {
    let sequence = operation.header().sequence;
    connection
        .prepare_cached(
            "INSERT INTO operations
                 (document, author, sequence, state, header, body, accepted_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            document.0,
            author_row,
            to_sql(sequence),
            state as i64,
            operation.header_bytes(),
            operation.body(),
            to_sql(now_us()),
        ])?;
    let position = connection.last_insert_rowid();
    connection
        .prepare_cached(
            "INSERT INTO logs (document, author, next, head) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (document, author) DO UPDATE SET next = ?3, head = ?4",
        )?
        .execute(params![
            document.0,
            author_row,
            to_sql(sequence + 1),
            operation.id().as_bytes().as_slice(),
        ])?;
    Ok(position)
}

/// The encoded headers of one log, by sequence number.
pub(crate) fn headers(
    connection: &Connection,
    document: DocumentRow,
    author_row: i64,
) -> Result<BTreeMap<u64, Vec<u8>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, header FROM operations WHERE document = ?1 AND author = ?2",
    )?;
    let rows = statement.query_map(params![document.0, author_row], |row| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets a log's operations, so that others can take their place.
pub(crate) fn clear_log(
    connection: &Connection,
    document: DocumentRow,
    author_row: i64,
) -> Result<(), StoreError> {
    connection.execute(
        "DELETE FROM operations WHERE document = ?1 AND author = ?2",
        params![document.0, author_row],
    )?;
    Ok(())
}

/// Says where a log goes on, in place of where it ended.
pub(crate) fn set_head(
    connection: &Connection,
    document: DocumentRow,
    author_row: i64,
    head: &Head,
) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE logs SET next = ?3, head = ?4 WHERE document = ?1 AND author = ?2",
        params![
            document.0,
            author_row,
            to_sql(head.next),
            head.id.as_bytes().as_slice()
        ],
    )?;
    Ok(())
}

/// Opens a log anew at a compaction that was just appended: what came before it in the log goes.
pub(crate) fn open_log(
    connection: &Connection,
    document: DocumentRow,
    author_row: i64,
    sequence: u64,
) -> Result<(), StoreError> {
    let place = params![document.0, author_row, to_sql(sequence)];
    connection
        .prepare_cached(
            "DELETE FROM operations WHERE document = ?1 AND author = ?2 AND sequence < ?3",
        )?
        .execute(place)?;
    connection
        .prepare_cached("UPDATE logs SET base = ?3 WHERE document = ?1 AND author = ?2")?
        .execute(place)?;
    connection
        .prepare_cached(
            "DELETE FROM refused WHERE document = ?1 AND sequence < ?3
             AND author = (SELECT key FROM authors WHERE id = ?2)",
        )?
        .execute(place)?;
    Ok(())
}

/// Remembers an operation that was refused, so that it is not fetched and tried for ever.
pub(crate) fn remember_refused(
    connection: &Connection,
    document: DocumentRow,
    operation: &Operation,
    reason: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO refused (operation, document, reason, author, sequence)
             SELECT ?1, ?2, ?3, ?4, ?5
             WHERE (SELECT count(*) FROM refused WHERE document = ?2) < ?6",
        )?
        .execute(params![
            operation.id().as_bytes().as_slice(),
            document.0,
            reason,
            operation.author().as_bytes().as_slice(),
            to_sql(operation.header().sequence),
            REFUSED_MAX,
        ])?;
    Ok(())
}

/// From where on nothing is wanted of which logs: the places of refused operations that the logs
/// have not gone past.
pub(crate) fn refusals(
    connection: &Connection,
    document: DocumentRow,
) -> Result<Vec<(AuthorId, u64)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT refused.author, min(refused.sequence) FROM refused
         LEFT JOIN authors ON authors.key = refused.author
         LEFT JOIN logs ON logs.author = authors.id AND logs.document = refused.document
         WHERE refused.document = ?1 AND length(refused.author) = 32
         AND refused.sequence >= coalesce(logs.next, 0)
         GROUP BY refused.author LIMIT ?2",
    )?;
    let mut rows = statement.query(params![document.0, to_sql(AUTHORS_MAX as u64)])?;
    let mut refusals = Vec::new();
    while let Some(row) = rows.next()? {
        let author = <[u8; 32]>::try_from(row.get::<_, Vec<u8>>(0)?)
            .map_err(|_| StoreError::Damaged("a refusal"))?;
        let sequence: i64 = row.get(1)?;
        refusals.push((AuthorId::from_bytes(author), sequence.unsigned_abs()));
    }
    Ok(refusals)
}

/// Whether an operation was refused before.
pub(crate) fn is_refused(connection: &Connection, id: &OperationId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM refused WHERE operation = ?1")?
        .exists([id.as_bytes().as_slice()])?)
}

fn decode(header: Vec<u8>, body: Vec<u8>) -> Result<Operation, StoreError> {
    Operation::decode(header, body).map_err(|_| StoreError::Damaged("an operation"))
}

/// Operations of one log from `from` on, in order: at most `count`, and at most some megabytes.
/// They begin with the log's opening where that is higher.
pub(crate) fn range(
    connection: &Connection,
    document: DocumentRow,
    author: &AuthorId,
    from: u64,
    count: u64,
) -> Result<Vec<Operation>, StoreError> {
    let mut operations = Vec::new();
    let mut room = READ_BYTES_MAX;
    let request = Request {
        author: *author,
        from,
        count,
        is_answer: false,
    };
    read_range(connection, document, &request, &mut operations, &mut room)?;
    Ok(operations)
}

/// Like [`range`], of several logs, with some megabytes for all of them.
pub(crate) fn ranges(
    connection: &Connection,
    document: DocumentRow,
    requests: &[Request],
) -> Result<Vec<Operation>, StoreError> {
    let mut operations = Vec::new();
    let mut room = READ_BYTES_MAX;
    for request in requests {
        if room == 0 {
            break;
        }
        read_range(connection, document, request, &mut operations, &mut room)?;
    }
    Ok(operations)
}

fn read_range(
    connection: &Connection,
    document: DocumentRow,
    request: &Request,
    operations: &mut Vec<Operation>,
    room: &mut usize,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT header, body FROM operations
         WHERE document = ?1 AND author = (SELECT id FROM authors WHERE key = ?2)
         AND sequence >= ?3 ORDER BY sequence LIMIT ?4",
    )?;
    let mut rows = statement.query(params![
        document.0,
        request.author.as_bytes().as_slice(),
        to_sql(request.from),
        to_sql(request.count),
    ])?;
    while *room > 0
        && let Some(row) = rows.next()?
    {
        let operation = decode(row.get(0)?, row.get(1)?)?;
        *room = room.saturating_sub(operation.len_bytes());
        operations.push(operation);
    }
    Ok(())
}

/// Operations of a document accepted after `position`, in order of acceptance, with their places.
pub(crate) fn after(
    connection: &Connection,
    document: DocumentRow,
    position: Position,
    count: usize,
) -> Result<Vec<(Position, Operation)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT position, header, body FROM operations
         WHERE document = ?1 AND position > ?2 AND state = 1 ORDER BY position LIMIT ?3",
    )?;
    let mut rows = statement.query(params![document.0, position, to_sql(count as u64)])?;
    let mut operations = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let operation = decode(row.get(1)?, row.get(2)?)?;
        bytes += operation.len_bytes();
        operations.push((row.get(0)?, operation));
        if bytes >= READ_BYTES_MAX {
            break;
        }
    }
    Ok(operations)
}

/// Operations that the application has not processed, after a position, in order of acceptance.
pub(crate) fn waiting(
    connection: &Connection,
    document: DocumentRow,
    position: Position,
) -> Result<Vec<(Position, Operation)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT position, header, body FROM operations
         WHERE document = ?1 AND position > ?2 AND state = 0 ORDER BY position LIMIT 256",
    )?;
    let mut rows = statement.query(params![document.0, position])?;
    let mut operations = Vec::new();
    while let Some(row) = rows.next()? {
        operations.push((row.get(0)?, decode(row.get(1)?, row.get(2)?)?));
    }
    Ok(operations)
}

/// Takes note whether the application has acknowledged an operation.
pub(crate) fn set_state(
    connection: &Connection,
    position: Position,
    state: State,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE operations SET state = ?2 WHERE position = ?1")?
        .execute(params![position, state as i64])?;
    Ok(())
}

/// Operations of a document after a position, acknowledged or not, in order of acceptance. Those
/// that cannot be decoded come as `None`.
pub(crate) fn all_after(
    connection: &Connection,
    document: DocumentRow,
    position: Position,
) -> Result<Vec<(Position, Option<Operation>)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT position, header, body FROM operations
         WHERE document = ?1 AND position > ?2 ORDER BY position LIMIT 256",
    )?;
    let mut rows = statement.query(params![document.0, position])?;
    let mut operations = Vec::new();
    while let Some(row) = rows.next()? {
        let operation = Operation::decode(row.get(1)?, row.get(2)?).ok();
        operations.push((row.get(0)?, operation));
    }
    Ok(operations)
}

/// The position after which everything is that was accepted at some time or later.
pub(crate) fn position_before(
    connection: &Connection,
    document: DocumentRow,
    time_us: u64,
) -> Result<Position, StoreError> {
    let first: Option<Position> = connection.query_row(
        "SELECT min(position) FROM operations WHERE document = ?1 AND accepted_us >= ?2",
        params![document.0, to_sql(time_us)],
        |row| row.get(0),
    )?;
    match first {
        Some(first) => Ok(first - 1),
        None => last_position(connection, document),
    }
}

/// Readable documents with operations that the application has not acknowledged.
pub(crate) fn documents_with_waiting(
    connection: &Connection,
) -> Result<Vec<DocumentRow>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT id FROM documents WHERE access != 'replica' AND EXISTS
             (SELECT 1 FROM operations WHERE document = documents.id AND state = 0)",
    )?;
    let rows = statement.query_map([], |row| row.get(0).map(DocumentRow))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The position of the newest operation of a document; 0 where there is none.
pub(crate) fn last_position(
    connection: &Connection,
    document: DocumentRow,
) -> Result<Position, StoreError> {
    Ok(connection
        .prepare_cached("SELECT max(position) FROM operations WHERE document = ?1 AND state = 1")?
        .query_row([document.0], |row| row.get::<_, Option<Position>>(0))?
        .unwrap_or(0))
}

/// The position of the newest operation of all documents; 0 where there is none.
pub(crate) fn newest_position(connection: &Connection) -> Result<Position, StoreError> {
    Ok(connection
        .prepare_cached("SELECT max(position) FROM operations")?
        .query_row([], |row| row.get::<_, Option<Position>>(0))?
        .unwrap_or(0))
}

/// The id of the operation at one place of a log.
pub(crate) fn id_at(
    connection: &Connection,
    document: DocumentRow,
    author_row: i64,
    sequence: u64,
) -> Result<Option<OperationId>, StoreError> {
    let header: Option<Vec<u8>> = connection
        .prepare_cached(
            "SELECT header FROM operations WHERE document = ?1 AND author = ?2 AND sequence = ?3",
        )?
        .query_row(params![document.0, author_row, to_sql(sequence)], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(header.map(|bytes| OperationId::from_bytes(*blake3::hash(&bytes).as_bytes())))
}

/// What a document takes: operations, bytes of headers, bytes of bodies, authors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DocumentStatistics {
    /// Operations stored.
    pub operations: u64,
    /// Bytes of their headers.
    pub header_bytes: u64,
    /// Bytes of their sealed bodies.
    pub body_bytes: u64,
    /// Authors with a log.
    pub authors: u64,
}

/// Counts what a document takes.
pub(crate) fn statistics(
    connection: &Connection,
    document: DocumentRow,
) -> Result<DocumentStatistics, StoreError> {
    let count = |row: &rusqlite::Row<'_>, index| {
        row.get::<_, Option<i64>>(index)
            .map(|number| number.unwrap_or(0).unsigned_abs())
    };
    Ok(connection.query_row(
        "SELECT count(*), sum(length(header)), sum(length(body)),
                (SELECT count(*) FROM logs WHERE document = ?1)
         FROM operations WHERE document = ?1",
        [document.0],
        |row| {
            Ok(DocumentStatistics {
                operations: count(row, 0)?,
                header_bytes: count(row, 1)?,
                body_bytes: count(row, 2)?,
                authors: count(row, 3)?,
            })
        },
    )?)
}
