// SPDX-License-Identifier: GPL-3.0-or-later
//! Logs of others that go on in two ways: gathering proofs.
//!
//! A fork is known when two signed headers for one place are there. Nothing is decided by it: the
//! log stays at the branch that came first, until its author opens it anew above both.

use rusqlite::Connection;

use crate::access::DocumentKeys;
use crate::operation::{ForkProof, Header};
use crate::store::documents::StoredDocument;
use crate::store::{StoreError, documents, forks, operations};

/// What a peer said about a log that goes on in two ways.
#[derive(Debug)]
pub(crate) enum Evidence {
    /// Both headers.
    Proof(ForkProof),
    /// The header that the peer holds at a place.
    Header(Vec<u8>),
}

/// Keeps what evidence proves; runs on the writing thread. Gives the proofs that are new.
pub(crate) fn examine(
    connection: &Connection,
    keys: &DocumentKeys,
    evidence: Vec<Evidence>,
) -> Result<Vec<ForkProof>, StoreError> {
    let mut proofs = Vec::new();
    let Some(document) = documents::find(connection, &keys.topic())? else {
        return Ok(proofs);
    };
    for one in evidence {
        let proof = match one {
            Evidence::Proof(proof) => Some(proof),
            Evidence::Header(header) => contradiction(connection, &document, header)?,
        };
        if let Some(proof) = proof
            && proof.verify(&keys.topic())
            && note(connection, &document, &proof)?
        {
            proofs.push(proof);
        }
    }
    Ok(proofs)
}

/// The proof that a peer's header makes with the one that is here.
fn contradiction(
    connection: &Connection,
    document: &StoredDocument,
    theirs: Vec<u8>,
) -> Result<Option<ForkProof>, StoreError> {
    let Ok(header) = Header::decode(&theirs) else {
        return Ok(None);
    };
    let author = &header.author;
    let ours = operations::range(connection, document.row, author, header.sequence, 1)?;
    Ok(ours
        .into_iter()
        .find(|ours| ours.header().sequence == header.sequence)
        .and_then(|ours| ForkProof::new(ours.header_bytes().to_vec(), theirs)))
}

/// Keeps a proof whose signatures were checked. Gives whether it is new. Only of authors who have
/// a log here: otherwise anybody could fill the disk with proofs against keys of their own.
pub(super) fn note(
    connection: &Connection,
    document: &StoredDocument,
    proof: &ForkProof,
) -> Result<bool, StoreError> {
    let Some(author_row) = operations::find_author_row(connection, &proof.author())? else {
        return Ok(false);
    };
    let Some(head) = operations::head(connection, document.row, author_row)? else {
        return Ok(false);
    };
    // The log has opened anew above the place, perhaps in place of the other branch.
    let is_mended = head.base > proof.sequence();
    let is_new = forks::add(connection, document.row, proof, is_mended)?;
    if is_new && is_mended {
        forks::rebuild(connection, document.row)?;
    }
    Ok(is_new)
}
