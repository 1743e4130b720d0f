// SPDX-License-Identifier: GPL-3.0-or-later
//! Proofs that both ends of a stream know a document's sync key, and the tokens by which two peers
//! speak of a document without naming it. All are keyed BLAKE3 under the sync key.
//!
//! Tokens and proofs contain the endpoint ids, which the connection has authenticated, and salts
//! or nonces of both sides: nothing said on one connection can be said again on another.

use subtle::ConstantTimeEq;

use super::frame::Token;
use crate::access::DocumentKeys;
use crate::identity::AuthorId;

const TOKEN_DOMAIN: &[u8] = b"app.reflection match token v1";
const PROOF_DOMAIN: &[u8] = b"app.reflection session proof v1";

/// What the tokens of a connection are salted with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Salts {
    pub(crate) dialer: [u8; 16],
    pub(crate) listener: [u8; 16],
}

/// The token that `sender` uses for a document on this connection.
pub(crate) fn token(keys: &DocumentKeys, salts: &Salts, sender: &AuthorId) -> Token {
    let mut hasher = blake3::Hasher::new_keyed(keys.sync_key());
    hasher
        .update(TOKEN_DOMAIN)
        .update(&salts.dialer)
        .update(&salts.listener)
        .update(sender.as_bytes());
    let mut token = [0; 16];
    hasher.finalize_xof().fill(&mut token);
    token
}

/// The two ends of a document stream and the nonces they drew.
#[derive(Clone, Debug)]
pub(crate) struct Transcript {
    pub(crate) opener: AuthorId,
    pub(crate) responder: AuthorId,
    pub(crate) opener_nonce: [u8; 32],
    pub(crate) responder_nonce: [u8; 32],
}

impl Transcript {
    fn proof(&self, keys: &DocumentKeys, role: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(keys.sync_key());
        hasher
            .update(PROOF_DOMAIN)
            .update(role)
            .update(self.opener.as_bytes())
            .update(self.responder.as_bytes())
            .update(&self.opener_nonce)
            .update(&self.responder_nonce);
        *hasher.finalize().as_bytes()
    }

    pub(crate) fn opener_proof(&self, keys: &DocumentKeys) -> [u8; 32] {
        self.proof(keys, b"opener")
    }

    pub(crate) fn responder_proof(&self, keys: &DocumentKeys) -> [u8; 32] {
        self.proof(keys, b"answer")
    }
}

/// Compares without telling by its time how far two proofs agree.
pub(crate) fn is_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.ct_eq(other).into()
}
