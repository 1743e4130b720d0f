// SPDX-License-Identifier: GPL-3.0-or-later
//! The address book: peers with whom documents are shared, and what they hold of ours.

use std::net::SocketAddr;

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;
use super::documents::{DocumentRow, to_sql};
use crate::access::Hint;
use crate::events::SyncCounts;
use crate::identity::AuthorId;
use crate::network::Mode;

/// The last exchange with each peer, and how much it holds of each document.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS peer_syncs (
    endpoint BLOB PRIMARY KEY,
    time_us INTEGER NOT NULL,
    operations_in INTEGER NOT NULL,
    operations_out INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS peer_holdings (
    document INTEGER NOT NULL,
    endpoint BLOB NOT NULL,
    -- How many operations, of those of all authors, the peer has confirmed to hold.
    held INTEGER NOT NULL,
    PRIMARY KEY (document, endpoint),
    FOREIGN KEY (document, endpoint) REFERENCES document_peers(document, endpoint)
        ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
";

/// The last exchange of documents with a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastSync {
    /// When it ended, microseconds since 1970.
    pub time_us: u64,
    /// What went over the wire.
    pub counts: SyncCounts,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
}

/// A peer in the address book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownPeer {
    pub(crate) hint: Hint,
    pub(crate) last_seen_us: Option<u64>,
    pub(crate) last_sync: Option<LastSync>,
}

/// Most addresses kept of one peer.
const ADDRESSES_MAX: usize = 8;

/// Keeps where a peer may be reached; what was known before is replaced if anything is given.
pub(crate) fn remember(connection: &Connection, hint: &Hint) -> Result<(), StoreError> {
    let addresses: Vec<u8> = hint
        .addresses
        .iter()
        .take(ADDRESSES_MAX)
        .flat_map(|address| {
            let bytes = crate::wire::encode_address(address);
            let length = u8::try_from(bytes.len()).unwrap_or(0);
            std::iter::once(length).chain(bytes)
        })
        .collect();
    connection.execute(
        "INSERT INTO peers (endpoint, addresses, relay) VALUES (?1, ?2, ?3)
         ON CONFLICT (endpoint) DO UPDATE SET
             addresses = CASE WHEN length(?2) > 0 THEN ?2 ELSE addresses END,
             relay = coalesce(?3, relay)",
        params![
            hint.endpoint.as_bytes().as_slice(),
            addresses,
            hint.relay.as_ref().map(|relay| relay.as_str()),
        ],
    )?;
    Ok(())
}

/// Notes that a peer was met.
pub(crate) fn met(
    connection: &Connection,
    endpoint: &AuthorId,
    now_us: u64,
) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE peers SET last_seen_us = ?2 WHERE endpoint = ?1",
        params![endpoint.as_bytes().as_slice(), to_sql(now_us)],
    )?;
    Ok(())
}

/// All known peers.
pub(crate) fn all(connection: &Connection) -> Result<Vec<Hint>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT endpoint, addresses, relay FROM peers")?;
    let mut rows = statement.query([])?;
    let mut peers = Vec::new();
    while let Some(row) = rows.next()? {
        let endpoint = <[u8; 32]>::try_from(row.get::<_, Vec<u8>>(0)?)
            .map_err(|_| StoreError::Damaged("a peer"))?;
        let relay: Option<String> = row.get(2)?;
        peers.push(Hint {
            endpoint: AuthorId::from_bytes(endpoint),
            addresses: decode_addresses(&row.get::<_, Vec<u8>>(1)?),
            relay: relay.and_then(|url| url.parse().ok()),
        });
    }
    Ok(peers)
}

/// All known peers, with what is remembered of them.
pub(crate) fn book(connection: &Connection) -> Result<Vec<KnownPeer>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT last_seen_us, time_us, operations_in, operations_out, bytes_in, bytes_out,
                duration_ms
         FROM peers LEFT JOIN peer_syncs USING (endpoint) WHERE endpoint = ?1",
    )?;
    all(connection)?
        .into_iter()
        .map(|hint| {
            let (last_seen_us, last_sync) =
                statement.query_row([hint.endpoint.as_bytes().as_slice()], |row| {
                    let number =
                        |at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.unsigned_abs());
                    let last_sync = match row.get::<_, Option<i64>>(1)? {
                        None => None,
                        Some(time_us) => Some(LastSync {
                            time_us: time_us.unsigned_abs(),
                            counts: SyncCounts {
                                operations_in: number(2)?,
                                operations_out: number(3)?,
                                bytes_in: number(4)?,
                                bytes_out: number(5)?,
                            },
                            duration_ms: number(6)?,
                        }),
                    };
                    Ok((row.get::<_, Option<i64>>(0)?, last_sync))
                })?;
            Ok(KnownPeer {
                hint,
                last_seen_us: last_seen_us.map(i64::unsigned_abs),
                last_sync,
            })
        })
        .collect()
}

/// Notes the last exchange with a peer.
pub(crate) fn remember_sync(
    connection: &Connection,
    endpoint: &AuthorId,
    sync: &LastSync,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO peer_syncs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            endpoint.as_bytes().as_slice(),
            to_sql(sync.time_us),
            to_sql(sync.counts.operations_in),
            to_sql(sync.counts.operations_out),
            to_sql(sync.counts.bytes_in),
            to_sql(sync.counts.bytes_out),
            to_sql(sync.duration_ms),
        ])?;
    Ok(())
}

fn decode_addresses(mut bytes: &[u8]) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    while let Some((&length, rest)) = bytes.split_first() {
        let Some((address, rest)) = rest.split_at_checked(usize::from(length)) else {
            break;
        };
        addresses.extend(crate::wire::decode_address(address));
        bytes = rest;
    }
    addresses
}

/// The port at which this node listened last.
pub(crate) fn last_port(connection: &Connection) -> Result<Option<u16>, StoreError> {
    let found: Option<Vec<u8>> = connection
        .query_row("SELECT value FROM meta WHERE name = 'port'", [], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found
        .and_then(|bytes| bytes.try_into().ok())
        .map(u16::from_be_bytes))
}

/// Notes the port at which this node listens.
pub(crate) fn remember_port(connection: &Connection, port: u16) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO meta (name, value) VALUES ('port', ?1)
         ON CONFLICT (name) DO UPDATE SET value = ?1",
        [port.to_be_bytes().as_slice()],
    )?;
    Ok(())
}

/// How far the node was to reach last.
pub(crate) fn last_mode(connection: &Connection) -> Result<Option<Mode>, StoreError> {
    let found: Option<Vec<u8>> = connection
        .query_row("SELECT value FROM meta WHERE name = 'mode'", [], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|word| word.parse().ok()))
}

/// Notes how far the node is to reach.
pub(crate) fn remember_mode(connection: &Connection, mode: Mode) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO meta (name, value) VALUES ('mode', ?1)
         ON CONFLICT (name) DO UPDATE SET value = ?1",
        [mode.as_str().as_bytes()],
    )?;
    Ok(())
}

/// How much of a document a peer has confirmed to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Confirmed {
    /// Of our own log.
    pub(crate) own: u64,
    /// Of what is here of all logs, in operations.
    pub(crate) held: u64,
}

/// Notes that a peer takes part in a document and how much of it the peer has confirmed.
pub(crate) fn confirm(
    connection: &Connection,
    document: DocumentRow,
    endpoint: &AuthorId,
    confirmed: Confirmed,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO document_peers (document, endpoint, confirmed) VALUES (?1, ?2, ?3)
             ON CONFLICT (document, endpoint) DO UPDATE SET confirmed = ?3 WHERE confirmed < ?3",
        )?
        .execute(params![
            document.0,
            endpoint.as_bytes().as_slice(),
            to_sql(confirmed.own)
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO peer_holdings (document, endpoint, held) VALUES (?1, ?2, ?3)
             ON CONFLICT (document, endpoint) DO UPDATE SET held = ?3 WHERE held < ?3",
        )?
        .execute(params![
            document.0,
            endpoint.as_bytes().as_slice(),
            to_sql(confirmed.held)
        ])?;
    Ok(())
}

/// Whether some peer has confirmed to hold the operation at a place of our own log.
pub(crate) fn is_confirmed_beyond(
    connection: &Connection,
    document: DocumentRow,
    sequence: u64,
) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM document_peers WHERE document = ?1 AND confirmed > ?2")?
        .exists(params![document.0, to_sql(sequence)])?)
}

/// How many peers have confirmed to hold all of our own log in a document; where nothing was
/// written here, all that there is of others.
pub(crate) fn copies(
    connection: &Connection,
    document: DocumentRow,
    own: &AuthorId,
) -> Result<u64, StoreError> {
    let next: Option<i64> = connection
        .prepare_cached(
            "SELECT next FROM logs WHERE document = ?1
             AND author = (SELECT id FROM authors WHERE key = ?2)",
        )?
        .query_row(params![document.0, own.as_bytes().as_slice()], |row| {
            row.get(0)
        })
        .optional()?;
    let count: i64 = match next.filter(|next| *next > 0) {
        Some(next) => connection
            .prepare_cached(
                "SELECT count(*) FROM document_peers WHERE document = ?1 AND confirmed >= ?2",
            )?
            .query_row([document.0, next], |row| row.get(0))?,
        // Of nothing there is no copy.
        None => connection
            .prepare_cached(
                "SELECT count(*) FROM peer_holdings WHERE document = ?1 AND held > 0
                 AND held >= (SELECT total(next) FROM logs WHERE document = ?1)",
            )?
            .query_row([document.0], |row| row.get(0))?,
    };
    Ok(count.unsigned_abs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::{DocumentKeys, DocumentSecret};
    use crate::store::{documents, prepare};

    const OWN: AuthorId = AuthorId::from_bytes([1; 32]);
    const OTHER: AuthorId = AuthorId::from_bytes([2; 32]);
    const PEER: AuthorId = AuthorId::from_bytes([3; 32]);

    fn document() -> (Connection, DocumentRow) {
        let connection = Connection::open_in_memory().unwrap();
        prepare(&connection).unwrap();
        let keys = DocumentKeys::for_writing(DocumentSecret::generate());
        documents::add(&connection, &keys, true, 1).unwrap();
        let found = documents::find(&connection, &keys.topic());
        let row = found.unwrap().unwrap().row;
        (connection, row)
    }

    fn has_written(connection: &Connection, row: DocumentRow, author: &AuthorId, next: u64) {
        let key = author.as_bytes().as_slice();
        connection
            .execute("INSERT OR IGNORE INTO authors (key) VALUES (?1)", [key])
            .unwrap();
        connection
            .execute(
                "INSERT OR REPLACE INTO logs (document, author, next, head)
                 SELECT ?1, id, ?3, x'00' FROM authors WHERE key = ?2",
                params![row.0, key, to_sql(next)],
            )
            .unwrap();
    }

    #[track_caller]
    fn check(connection: &Connection, row: DocumentRow, own: u64, held: u64, copies: u64) {
        confirm(connection, row, &PEER, Confirmed { own, held }).unwrap();
        let counted = super::copies(connection, row, &OWN).unwrap();
        assert_eq!(counted, copies, "own {own}, held {held}");
    }

    #[test]
    fn nobody_has_a_copy_of_a_document_with_nothing_in_it() {
        let (connection, row) = document();
        check(&connection, row, 0, 0, 0);
    }

    #[test]
    fn who_wrote_nothing_counts_those_who_hold_what_others_wrote() {
        let (connection, row) = document();
        has_written(&connection, row, &OTHER, 3);
        check(&connection, row, 0, 0, 0);
        check(&connection, row, 0, 2, 0);
        check(&connection, row, 0, 3, 1);
        has_written(&connection, row, &PEER, 1);
        check(&connection, row, 0, 3, 0);
        check(&connection, row, 0, 4, 1);
    }

    #[test]
    fn who_wrote_counts_those_who_hold_what_was_written_here() {
        let (connection, row) = document();
        has_written(&connection, row, &OTHER, 3);
        check(&connection, row, 0, 3, 1);
        has_written(&connection, row, &OWN, 2);
        check(&connection, row, 1, 4, 0);
        // What others write meanwhile is for them to count.
        check(&connection, row, 2, 4, 1);
    }

    #[test]
    fn a_peer_that_keeps_a_document_no_more_has_no_copy_when_it_comes_again() {
        let (connection, row) = document();
        has_written(&connection, row, &OTHER, 3);
        check(&connection, row, 0, 3, 1);
        connection
            .execute("DELETE FROM document_peers", [])
            .unwrap();
        check(&connection, row, 0, 0, 0);
    }
}
