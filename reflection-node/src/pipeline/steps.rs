// SPDX-License-Identifier: GPL-3.0-or-later
//! What a received operation passes between being decoded and being stored, beside the writing
//! thread: steps, one after the other.
//!
//! A step knows the document's keys and the operation and nothing else: it needs no order and no
//! database. A new rule that can be told from an operation alone (roles, another seal) is another
//! step. Together they cost some 30 µs an operation.

use super::Verified;
use crate::access::{BodyContext, CipherError, DocumentKeys, decrypt_body};
use crate::identity::VerifyingKeys;
use crate::operation::OperationError;

/// One step.
pub(super) trait Step: Sync {
    /// Lets an operation pass, perhaps with more known of it than before, or refuses it.
    fn pass(
        &self,
        keys: &DocumentKeys,
        authors: &mut VerifyingKeys,
        candidate: Verified,
    ) -> Result<Verified, OperationError>;
}

/// All steps, in their order.
pub(super) const STEPS: [&dyn Step; 2] = [&Signature, &Seal];

/// It belongs to the document, its author signed it, and that author may write.
struct Signature;

impl Step for Signature {
    fn pass(
        &self,
        keys: &DocumentKeys,
        authors: &mut VerifyingKeys,
        candidate: Verified,
    ) -> Result<Verified, OperationError> {
        candidate.operation.verify_with(keys, authors)?;
        Ok(candidate)
    }
}

/// Its body is sealed for its place, and is opened where it can be read.
struct Seal;

impl Step for Seal {
    fn pass(
        &self,
        keys: &DocumentKeys,
        _: &mut VerifyingKeys,
        mut candidate: Verified,
    ) -> Result<Verified, OperationError> {
        let context = BodyContext {
            topic: keys.topic(),
            author: candidate.operation.author(),
            sequence: candidate.operation.header().sequence,
        };
        candidate.body = match decrypt_body(keys, &context, candidate.operation.body()) {
            Ok(body) => Some(body),
            Err(CipherError::NoReadKey) => None,
            Err(CipherError::Forged) => return Err(OperationError::BadSeal),
        };
        Ok(candidate)
    }
}
