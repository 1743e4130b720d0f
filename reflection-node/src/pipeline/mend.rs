// SPDX-License-Identifier: GPL-3.0-or-later
//! Our own log, held by a peer in another form: a restored backup, a copied profile.
//!
//! The peer's form is fetched whole and both are joined in one transaction: what one of them says
//! is kept, and what they say differently at the same place is kept by one and written again by
//! the other, under an incarnation that nobody has seen. The result is a compaction above both,
//! which everybody takes.
//!
//! Two devices that both write with the same key end too: one that finds everything of its own in
//! the higher log takes that and publishes nothing; of two logs that say the same, the higher one
//! stands, and of two equally high ones that with the smaller id.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::application::{Branches, read_all};
use super::{Delivered, Delivery, History, NewOperation, Processor, Verified, ingest, publish};
use crate::access::DocumentKeys;
use crate::identity::AuthorId;
use crate::operation::{ForkProof, Kind, Operation};
use crate::shared::now_us;
use crate::store::documents::StoredDocument;
use crate::store::operations::{self, Position, State};
use crate::store::{StoreError, documents, forks, peers};
use crate::sync::heights::Head;

/// Names that the joining of two forms may take; a compaction counts them in one byte.
const NAMES_MAX: u64 = 256;

/// What became of our log.
#[derive(Debug, Default)]
pub(crate) struct Mended {
    /// Its new end, and where that stands in the order of acceptance here.
    pub(crate) head: Option<(Position, Head)>,
    /// The incarnation under which is written from here on.
    pub(crate) incarnation: Option<u64>,
    /// The proof of the fork, if it is new.
    pub(crate) proof: Option<ForkProof>,
    /// Whether both forms are as they were: they do not fit one operation, or build upon something of
    /// others that has not come yet.
    pub(crate) is_unjoined: bool,
}

/// Joins our log with the form in which a peer holds it; runs on the writing thread, in its
/// transaction. An error leaves both as they were, for another attempt.
pub(crate) fn mend(
    connection: &Connection,
    processor: &mut Processor,
    keys: &DocumentKeys,
    branch: Vec<Verified>,
) -> Result<Mended, StoreError> {
    let own = processor.key.id();
    let nothing = Mended::default();
    let Some(document) = documents::find(connection, &keys.topic())? else {
        return Ok(nothing);
    };
    let (Some(theirs), Some(author_row)) = (
        Branch::new(own, branch),
        operations::find_author_row(connection, &own)?,
    ) else {
        return Ok(nothing);
    };
    let Some(head) = operations::head(connection, document.row, author_row)? else {
        return Ok(nothing);
    };
    let headers = operations::headers(connection, document.row, author_row)?;
    let proof = match theirs.compare(&headers, &head) {
        Comparison::Same => return Ok(nothing),
        Comparison::Forked(proof) => proof,
    };
    // Where no place is known at which they part, what is beyond the peer's is certain to be ours alone.
    let parting = proof.as_ref().map_or(theirs.head.next, ForkProof::sequence);
    let is_ours_shared = peers::is_confirmed_beyond(connection, document.row, parting)?;
    let (ours, others): (Vec<Delivered>, Vec<Delivered>) =
        read_all(connection, document.row, &document.keys)?
            .into_iter()
            .partition(|operation| operation.author == own);
    let incarnation = now_us().max(document.incarnation + 1);
    let joined = processor.application.compactor().and_then(|compactor| {
        compactor.mend(&Branches {
            topic: keys.topic(),
            author: own,
            others: &others,
            ours: &ours,
            theirs: &theirs.delivered,
            is_ours_shared,
            // The opening itself is under a name that nothing is said under: so others know that its author
            // knows both forms.
            incarnation: incarnation + 1,
        })
    });
    let mut mended = Mended::default();
    if let Some(proof) = proof
        && forks::add(connection, document.row, &proof, joined.is_some())?
    {
        mended.proof = Some(proof);
    }
    let Some(joined) = joined else {
        mended.is_unjoined = true;
        tracing::warn!("our own log goes on in two ways that cannot be joined");
        return Ok(mended);
    };
    forks::mended(connection, document.row, &own)?;
    let is_theirs_higher = (theirs.head.next, head.id) > (head.next, theirs.head.id);
    if joined.is_theirs_in_ours && !is_theirs_higher && theirs.head.next <= head.base {
        // They will take our log as it is.
        return Ok(mended);
    }
    if joined.is_ours_in_theirs && is_theirs_higher && theirs.opens_by_compaction() {
        mended.head = theirs.adopt(connection, processor, &document, author_row)?;
    }
    if mended.head.is_none() {
        let top = if theirs.head.next >= head.next {
            theirs.head
        } else {
            head
        };
        operations::set_head(connection, document.row, author_row, &top)?;
        let new = NewOperation {
            topic: keys.topic(),
            kind: Kind::Compaction,
            incarnation,
            body: joined.body,
            time_us: now_us(),
            sequence: None,
        };
        let (published, head, _) = publish(connection, processor, &new)
            .map_err(|error| StoreError::Commit(error.to_string()))?;
        mended.head = Some((published.position, head));
    }
    // Later than what was just written under: two devices may have mended at once.
    let document = StoredDocument {
        incarnation: incarnation + NAMES_MAX,
        ..document
    };
    mended.incarnation = Some(forks::renew_incarnation(connection, &document)?);
    Ok(mended)
}

enum Comparison {
    /// One goes on where the other ends; the usual way of operations takes care of it.
    Same,
    /// They differ; with the proof, if both headers of some place are there.
    Forked(Option<ForkProof>),
}

/// Our log as a peer holds it.
struct Branch {
    operations: Vec<Operation>,
    delivered: Vec<Delivered>,
    head: Head,
}

impl Branch {
    /// `None` where it is not one whole log of ours, or cannot be read.
    fn new(own: AuthorId, branch: Vec<Verified>) -> Option<Self> {
        let mut delivered = Vec::new();
        let mut log: Vec<Operation> = Vec::new();
        for verified in branch {
            let header = verified.operation.header();
            let is_next = match log.last() {
                None => header.opens_log(),
                Some(last) => {
                    header.sequence == last.header().sequence + 1
                        && header.backlink == Some(last.id())
                }
            };
            if header.author != own || !is_next {
                return None;
            }
            delivered.push(Delivered {
                position: 0,
                id: verified.operation.id(),
                author: own,
                sequence: header.sequence,
                time_us: header.time_us,
                kind: header.kind,
                incarnation: header.incarnation,
                body: verified.body?,
            });
            log.push(verified.operation);
        }
        let last = log.last()?;
        let head = Head {
            next: last.header().sequence + 1,
            id: last.id(),
            base: log.first()?.header().sequence,
        };
        Some(Self {
            operations: log,
            delivered,
            head,
        })
    }

    fn opens_by_compaction(&self) -> bool {
        self.operations
            .first()
            .is_some_and(|first| first.header().kind == Kind::Compaction)
    }

    fn compare(&self, ours: &BTreeMap<u64, Vec<u8>>, head: &Head) -> Comparison {
        let mut is_common = false;
        for theirs in &self.operations {
            let Some(ours) = ours.get(&theirs.header().sequence) else {
                continue;
            };
            let theirs = theirs.header_bytes();
            if ours != theirs {
                return Comparison::Forked(ForkProof::new(ours.clone(), theirs.to_vec()));
            }
            is_common = true;
        }
        let goes_on = self
            .operations
            .first()
            .is_some_and(|first| first.header().backlink == Some(head.id));
        if is_common || goes_on {
            Comparison::Same
        } else {
            Comparison::Forked(None)
        }
    }

    /// Takes this in place of our log. `None`, and nothing changed, where the application refuses
    /// some of it.
    fn adopt(
        &self,
        connection: &Connection,
        processor: &mut Processor,
        document: &StoredDocument,
        author_row: i64,
    ) -> Result<Option<(Position, Head)>, StoreError> {
        connection.execute_batch("SAVEPOINT adoption")?;
        operations::clear_log(connection, document.row, author_row)?;
        let mut last = 0;
        for (operation, delivered) in self.operations.iter().zip(&self.delivered) {
            last = operations::append(
                connection,
                document.row,
                author_row,
                operation,
                State::Acknowledged,
            )?;
            let delivery = Delivery {
                topic: document.keys.topic(),
                operation,
                position: last,
                body: Some(&delivered.body),
                is_own: true,
                is_replay: false,
                history: History {
                    document,
                    before: last,
                },
            };
            if ingest::process(connection, processor, &delivery).is_err() {
                connection.execute_batch("ROLLBACK TO adoption; RELEASE adoption")?;
                return Ok(None);
            }
        }
        operations::open_log(connection, document.row, author_row, self.head.base)?;
        connection.execute_batch("RELEASE adoption")?;
        Ok(Some((last, self.head)))
    }
}
