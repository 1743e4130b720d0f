// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether two peers hold the same of a document, told in a few bytes and without a stream.
//!
//! A mark is a keyed hash, under the document's sync key, of what its sender holds. It is salted
//! like the tokens, so nobody without the key learns from it even whether something has changed,
//! and nobody can say it again on another connection.

use super::heights::Heights;
use super::proof::Salts;
use crate::access::DocumentKeys;
use crate::identity::AuthorId;

const MARK_DOMAIN: &[u8] = b"app.reflection summary mark v1";

/// Stands for what is held of a document.
pub(crate) type Mark = [u8; 16];

/// The mark by which `sender` says on this connection that it holds `heights`.
pub(crate) fn mark(
    keys: &DocumentKeys,
    salts: &Salts,
    sender: &AuthorId,
    heights: &Heights,
) -> Mark {
    let mut hasher = blake3::Hasher::new_keyed(keys.sync_key());
    hasher
        .update(MARK_DOMAIN)
        .update(&salts.dialer)
        .update(&salts.listener)
        .update(sender.as_bytes())
        .update(&heights.digest());
    let mut mark = [0; 16];
    hasher.finalize_xof().fill(&mut mark);
    mark
}
