// SPDX-License-Identifier: GPL-3.0-or-later
//! The address book: peers with whom documents are shared, and what they hold of ours.

use std::net::SocketAddr;

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;
use super::documents::{DocumentRow, to_sql};
use crate::access::Hint;
use crate::identity::AuthorId;

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

/// Notes that a peer takes part in a document and how much of our own log it has confirmed.
pub(crate) fn confirm(
    connection: &Connection,
    document: DocumentRow,
    endpoint: &AuthorId,
    confirmed: u64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO document_peers (document, endpoint, confirmed) VALUES (?1, ?2, ?3)
             ON CONFLICT (document, endpoint) DO UPDATE SET confirmed = max(confirmed, ?3)",
        )?
        .execute(params![
            document.0,
            endpoint.as_bytes().as_slice(),
            to_sql(confirmed)
        ])?;
    Ok(())
}

/// How many peers have confirmed to hold all of our own log in a document.
pub(crate) fn copies(
    connection: &Connection,
    document: DocumentRow,
    own: &AuthorId,
) -> Result<u64, StoreError> {
    let count: i64 = connection.query_row(
        "SELECT count(*) FROM document_peers WHERE document = ?1 AND confirmed >= coalesce(
             (SELECT next FROM logs WHERE document = ?1
              AND author = (SELECT id FROM authors WHERE key = ?2)), 0)",
        params![document.0, own.as_bytes().as_slice()],
        |row| row.get(0),
    )?;
    Ok(count.unsigned_abs())
}
