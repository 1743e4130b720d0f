// SPDX-License-Identifier: GPL-3.0-or-later
//! Proofs that both ends of a stream know a ticket's secret: BLAKE3 keyed with it over the salts
//! of the connection and both endpoint ids, which the connection has authenticated. A proof says
//! neither which ticket it is of nor serves on another connection.

use crate::identity::AuthorId;
use crate::sync::proof::Salts;

const PROOF_DOMAIN: &[u8] = b"app.reflection ticket proof v1";

/// The two ends of a stream on which assignments are spoken of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) assigner: AuthorId,
    pub(crate) replica: AuthorId,
    pub(crate) salts: Salts,
}

impl Ends {
    fn proof(&self, secret: &[u8; 32], role: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        hasher
            .update(PROOF_DOMAIN)
            .update(role)
            .update(&self.salts.dialer)
            .update(&self.salts.listener)
            .update(self.assigner.as_bytes())
            .update(self.replica.as_bytes());
        *hasher.finalize().as_bytes()
    }

    pub(crate) fn assigner_proof(&self, secret: &[u8; 32]) -> [u8; 32] {
        self.proof(secret, b"assign")
    }

    pub(crate) fn replica_proof(&self, secret: &[u8; 32]) -> [u8; 32] {
        self.proof(secret, b"answer")
    }
}
