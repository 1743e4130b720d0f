// SPDX-License-Identifier: GPL-3.0-or-later
//! How much is kept for others.
//!
//! A hosted document takes operations while less than the quota is used; the last one may go over
//! it, by at most its own size. So whether there is room does not depend on how large the next
//! operation is, and the assigner can be told.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::frame::Shortage;
use super::hosting::is_hosted;
use crate::store::StoreError;
use crate::store::documents::DocumentRow;

/// By default so much is kept for others.
const QUOTA_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// So much of the disk is left free for everything else.
const DISK_RESERVE_BYTES: u64 = 256 * 1024 * 1024;

/// What a replica offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaOffer {
    /// Bytes of operations kept for others altogether.
    pub quota_bytes: u64,
    /// Bytes of operations kept by any one ticket.
    pub ticket_quota_bytes: u64,
}

impl Default for ReplicaOffer {
    fn default() -> Self {
        Self {
            quota_bytes: QUOTA_BYTES,
            ticket_quota_bytes: QUOTA_BYTES,
        }
    }
}

fn read(connection: &Connection, name: &str) -> Result<Option<u64>, StoreError> {
    let found: Option<Vec<u8>> = connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(found
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_be_bytes))
}

/// Keeps the quotas for as long as documents are kept for others, whether more are taken or not.
pub(crate) fn write(connection: &Connection, offer: ReplicaOffer) -> Result<(), StoreError> {
    let quotas = [
        ("replica-quota", offer.quota_bytes),
        ("replica-ticket-quota", offer.ticket_quota_bytes),
    ];
    for (name, bytes) in quotas {
        connection.execute(
            "INSERT INTO meta (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = ?2",
            params![name, bytes.to_be_bytes().as_slice()],
        )?;
    }
    Ok(())
}

fn offer(connection: &Connection) -> Result<ReplicaOffer, StoreError> {
    let default = ReplicaOffer::default();
    Ok(ReplicaOffer {
        quota_bytes: read(connection, "replica-quota")?.unwrap_or(default.quota_bytes),
        ticket_quota_bytes: read(connection, "replica-ticket-quota")?
            .unwrap_or(default.ticket_quota_bytes),
    })
}

fn used(connection: &Connection) -> Result<u64, StoreError> {
    let bytes: i64 = connection
        .prepare_cached("SELECT coalesce(sum(bytes), 0) FROM replica_hosted")?
        .query_row([], |row| row.get(0))?;
    Ok(bytes.unsigned_abs())
}

fn used_by_grant(connection: &Connection, grant: i64) -> Result<u64, StoreError> {
    let bytes: i64 = connection
        .prepare_cached(
            "SELECT coalesce(sum(bytes), 0) FROM replica_hosted WHERE document IN
                 (SELECT document FROM replica_held WHERE replica_grant = ?1)",
        )?
        .query_row([grant], |row| row.get(0))?;
    Ok(bytes.unsigned_abs())
}

/// Bytes free on the disk that holds the database; unlimited where the system does not tell.
fn free(connection: &Connection) -> u64 {
    connection
        .path()
        .and_then(|path| Path::new(path).parent())
        .and_then(|folder| rustix::fs::statvfs(folder).ok())
        .map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// What keeps a ticket's documents from growing, if anything.
pub(super) fn shortage(
    connection: &Connection,
    grant: i64,
) -> Result<Option<Shortage>, StoreError> {
    let offer = offer(connection)?;
    Ok(if used(connection)? >= offer.quota_bytes {
        Some(Shortage::Quota)
    } else if used_by_grant(connection, grant)? >= offer.ticket_quota_bytes {
        Some(Shortage::TicketQuota)
    } else if free(connection) <= DISK_RESERVE_BYTES {
        Some(Shortage::Disk)
    } else {
        None
    })
}

/// How much more a document may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    left: Option<u64>,
}

impl Room {
    /// The room for a document at the beginning of a batch.
    pub(crate) fn of(connection: &Connection, document: DocumentRow) -> Result<Self, StoreError> {
        if !is_hosted(connection, document)? {
            return Ok(Self { left: None });
        }
        let offer = offer(connection)?;
        let mut statement = connection.prepare_cached(
            "SELECT DISTINCT replica_grant FROM replica_held WHERE document = ?1",
        )?;
        let mut rows = statement.query([document.0])?;
        // Any one ticket that has room is enough.
        let mut by_ticket = 0;
        while let Some(row) = rows.next()? {
            let left = offer
                .ticket_quota_bytes
                .saturating_sub(used_by_grant(connection, row.get(0)?)?);
            by_ticket = by_ticket.max(left);
        }
        let total = offer.quota_bytes.saturating_sub(used(connection)?);
        let disk = free(connection).saturating_sub(DISK_RESERVE_BYTES);
        Ok(Self {
            left: Some(by_ticket.min(total).min(disk)),
        })
    }

    /// Whether nothing is left.
    pub(crate) fn is_used_up(&self) -> bool {
        self.left == Some(0)
    }

    /// Takes so many bytes; `false` where there is no room.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left = left.saturating_sub(bytes as u64);
                true
            }
        }
    }
}
