// SPDX-License-Identifier: GPL-3.0-or-later
//! A document's history in one piece, for this device to load it from the next time.
//!
//! Whatever joined many operations once need not do so again. It is a cache: it holds nothing that
//! is not in the operations, and one that cannot be read is as good as none.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use minicbor::bytes::ByteArray;
use reflection_node::identity::AuthorId;

use super::times::Times;

#[derive(minicbor::Encode, minicbor::Decode)]
struct Encoded<'b> {
    /// All changes, as the CRDT exports them.
    #[b(0)]
    #[cbor(with = "minicbor::bytes")]
    updates: Cow<'b, [u8]>,
    /// Who writes as which peer.
    #[n(1)]
    authors: BTreeMap<u64, ByteArray<32>>,
    /// What the operations say of when they were made.
    #[n(2)]
    times: Times,
}

/// What a history is loaded from.
pub(super) struct Kept {
    pub(super) updates: Vec<u8>,
    pub(super) authors: HashMap<u64, AuthorId>,
    pub(super) times: Times,
}

/// Writes a history down. `None` where memory ends.
pub(super) fn encode(
    updates: &[u8],
    authors: &HashMap<u64, AuthorId>,
    times: &Times,
) -> Option<Vec<u8>> {
    let authors = authors
        .iter()
        .map(|(&peer, author)| (peer, ByteArray::from(*author.as_bytes())));
    minicbor::to_vec(Encoded {
        updates: Cow::Borrowed(updates),
        authors: authors.collect(),
        times: times.clone(),
    })
    .ok()
}

/// Reads it again. `None` where it is none.
pub(super) fn decode(bytes: &[u8]) -> Option<Kept> {
    let encoded: Encoded<'_> = minicbor::decode(bytes).ok()?;
    let authors = encoded
        .authors
        .into_iter()
        .map(|(peer, author)| (peer, AuthorId::from_bytes(author.into())));
    Some(Kept {
        updates: encoded.updates.into_owned(),
        authors: authors.collect(),
        times: encoded.times,
    })
}
