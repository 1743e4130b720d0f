// SPDX-License-Identifier: GPL-3.0-or-later
//! What the machine asks for: checking operations, looking into the store and writing to it.

use std::sync::Arc;

use rusqlite::Connection;

use super::announce::{announce, announce_forks, announce_mended};
use super::{Driver, Reading, Storing, Verifying, Work};
use crate::access::Access;
use crate::identity::{AuthorId, VerifyingKeys};
use crate::operation::{ForkProof, Operation};
use crate::pipeline::{Evidence, Ingested, Mended, Verified, examine, ingest, mend, verify_batch};
use crate::store::documents::DocumentRow;
use crate::store::{Durability, READ_HERE_MAX, StoreError, operations};
use crate::sync::heights::Head;
use crate::sync::session::Request;

/// So much is checked at once where it stands: to wake another thread for it and to wait for that
/// one takes as long, and where many people write it is most of what there is to do.
const CHECKED_HERE_OPERATIONS: usize = 8;
const CHECKED_HERE_BYTES: usize = 16 * 1024;

impl Driver {
    pub(super) fn verify(&mut self, batch: Vec<Operation>) -> Verifying {
        let bytes: usize = batch.iter().map(Operation::len_bytes).sum();
        let is_short = batch.len() <= CHECKED_HERE_OPERATIONS && bytes <= CHECKED_HERE_BYTES;
        let keys = self.document.keys.clone();
        let mut authors = std::mem::take(&mut self.authors);
        let check = move || {
            let (verified, refused) = verify_batch(&keys, &mut authors, batch);
            (verified, refused, authors)
        };
        if is_short {
            Box::pin(std::future::ready(Ok(check())))
        } else {
            Box::pin(tokio::task::spawn_blocking(check))
        }
    }

    pub(super) fn store(&self, batch: Vec<Verified>) -> Storing {
        let shared = Arc::clone(&self.shared);
        let (keys, topic) = (self.document.keys.clone(), self.topic);
        // What a replica tells to hold is a copy that others rely on.
        let durability = if keys.access() == Access::Replica {
            Durability::Durable
        } else {
            Durability::Refetchable
        };
        Box::pin(async move {
            let after = Arc::clone(&shared);
            shared
                .writer
                .run_then(
                    durability,
                    move |connection, processor| ingest(connection, processor, &keys, batch),
                    move |ingested: &Ingested| announce(&after, topic, ingested, durability),
                )
                .await
        })
    }

    /// Keeps what proves forks of others' logs.
    pub(super) fn examine(&self, evidence: Vec<Evidence>) -> Work<()> {
        let shared = Arc::clone(&self.shared);
        let (keys, topic) = (self.document.keys.clone(), self.topic);
        Box::pin(async move {
            let after = Arc::clone(&shared);
            shared
                .writer
                .run_then(
                    Durability::Refetchable,
                    move |connection, _| examine(connection, &keys, evidence),
                    move |proofs: &Vec<ForkProof>| announce_forks(&after, topic, proofs),
                )
                .await
                .map(|_: Vec<ForkProof>| ())
        })
    }

    /// Whether our own log has another operation where the peer's form of it ends.
    pub(super) fn compare(&self, head: Head) -> Work<bool> {
        let (shared, row) = (Arc::clone(&self.shared), self.document.row);
        let own = shared.id;
        Box::pin(async move {
            shared
                .readers
                .run(move |connection| is_forked(connection, row, &own, &head))
                .await
        })
    }

    /// Joins our own log with the peer's form of it.
    pub(super) fn mend(&self, branch: Vec<Operation>) -> Work<bool> {
        let shared = Arc::clone(&self.shared);
        let (keys, topic) = (self.document.keys.clone(), self.topic);
        Box::pin(async move {
            let after = Arc::clone(&shared);
            let checking = keys.clone();
            let verifying = tokio::task::spawn_blocking(move || {
                verify_batch(&checking, &mut VerifyingKeys::default(), branch)
            });
            let (verified, _) = verifying
                .await
                .map_err(|error| StoreError::Commit(error.to_string()))?;
            let mended = shared
                .writer
                .run_then(
                    Durability::Durable,
                    move |connection, processor| mend(connection, processor, &keys, verified),
                    move |mended: &Mended| announce_mended(&after, topic, mended),
                )
                .await;
            Ok(match mended {
                Ok(mended) => !mended.is_unjoined,
                Err(error) => {
                    // Both forms are where they were.
                    tracing::warn!(%error, "our own log could not be mended");
                    false
                }
            })
        })
    }

    pub(super) fn read(&self, requests: Vec<Request>) -> Reading {
        if let Some(found) = self.shared.commits.recent(&self.topic, &requests) {
            return Box::pin(std::future::ready(Ok(found)));
        }
        let (shared, row) = (Arc::clone(&self.shared), self.document.row);
        let count: u64 = requests.iter().map(|request| request.count).sum();
        Box::pin(async move {
            let read =
                move |connection: &Connection| operations::ranges(connection, row, &requests);
            if count <= READ_HERE_MAX {
                shared.readers.run_here(read).await
            } else {
                shared.readers.run(read).await
            }
        })
    }
}

/// Whether our own log has another operation where a peer's form of it ends.
pub(crate) fn is_forked(
    connection: &Connection,
    row: DocumentRow,
    own: &AuthorId,
    theirs: &Head,
) -> Result<bool, StoreError> {
    let Some(author_row) = operations::find_author_row(connection, own)? else {
        return Ok(false);
    };
    let last = theirs.next.saturating_sub(1);
    let ours = operations::id_at(connection, row, author_row, last)?;
    Ok(ours.is_some_and(|id| id != theirs.id))
}
