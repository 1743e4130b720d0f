// SPDX-License-Identifier: GPL-3.0-or-later
//! Operations: the signed, hash-linked entries of one author's log in one document.
//!
//! Invariants: a header has exactly one encoding, which decoding enforces; whoever holds an
//! [`Operation`] that came through [`Operation::decode`] and `Operation::verify` holds one whose
//! author signed it, for this topic, with this body. docs/format.md states the bytes.

mod fork;
mod header;

use std::fmt;

pub use fork::ForkProof;
pub(crate) use header::NewHeader;
pub use header::{Header, HeaderError};

use crate::access::DocumentKeys;
use crate::identity::{AuthorId, AuthorKey, VerifyingKeys};

/// Largest sealed body, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Largest encoded header, in bytes.
pub const HEADER_BYTES_MAX: usize = 512;
/// Largest body before it is sealed, in bytes; longer changes are split.
pub const PLAIN_BODY_BYTES_MAX: usize = BODY_BYTES_MAX - crate::access::SEAL_BYTES;

/// The BLAKE3 hash of an operation's encoded header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId([u8; 32]);

impl OperationId {
    /// Wraps 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&crate::hex::encode(&self.0))
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "OperationId({})",
            crate::hex::encode(&self.0[..5])
        )
    }
}

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A change of the document.
    Edit,
    /// Replaces the author's own earlier operations.
    Compaction,
}

/// Why an operation is refused.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The header is not one.
    #[error("malformed header: {0}")]
    Header(#[from] HeaderError),
    /// The body is larger than an operation may carry.
    #[error("the body of {0} bytes exceeds the limit")]
    BodyTooLarge(usize),
    /// The body is not the one that the header was signed for.
    #[error("the body does not match the header")]
    BodyMismatch,
    /// It belongs to another document.
    #[error("the operation belongs to another document")]
    WrongTopic,
    /// The author did not sign it.
    #[error("the signature is wrong")]
    BadSignature,
    /// The body was not encrypted with the document's key.
    #[error("the contents are not sealed with the document's key")]
    BadSeal,
    /// A log opens with an operation whose author cannot show the right to write.
    #[error("the author shows no right to write")]
    NoWriteProof,
}

/// A decoded operation together with the bytes it came from.
#[derive(Clone, Debug)]
pub struct Operation {
    id: OperationId,
    header: Header,
    header_bytes: Vec<u8>,
    body: Vec<u8>,
}

impl Operation {
    /// Makes and signs an operation. `body` is already sealed.
    pub(crate) fn sign(key: &AuthorKey, new: NewHeader, body: Vec<u8>) -> Self {
        let header = new.sign(key, &body);
        let header_bytes = header.encode();
        let id = OperationId(*blake3::hash(&header_bytes).as_bytes());
        Self {
            id,
            header,
            header_bytes,
            body,
        }
    }

    /// Decodes an operation and checks everything that needs no key: limits, encoding, body hash.
    pub fn decode(header_bytes: Vec<u8>, body: Vec<u8>) -> Result<Self, OperationError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(OperationError::BodyTooLarge(body.len()));
        }
        let header = Header::decode(&header_bytes)?;
        if header.body_size as usize != body.len()
            || header.body_hash != *blake3::hash(&body).as_bytes()
        {
            return Err(OperationError::BodyMismatch);
        }
        let id = OperationId(*blake3::hash(&header_bytes).as_bytes());
        Ok(Self {
            id,
            header,
            header_bytes,
            body,
        })
    }

    /// Checks that the operation belongs to the document of `keys`, that its author signed it,
    /// and, where it opens a log, that the author may write.
    pub(crate) fn verify(&self, keys: &DocumentKeys) -> Result<(), OperationError> {
        self.verify_with(keys, &mut VerifyingKeys::default())
    }

    /// The same for one of many, whose authors' keys have been made already.
    pub(crate) fn verify_with(
        &self,
        keys: &DocumentKeys,
        authors: &mut VerifyingKeys,
    ) -> Result<(), OperationError> {
        if self.header.topic != keys.topic() {
            return Err(OperationError::WrongTopic);
        }
        let author = authors.of(&self.header.author);
        if !author.is_some_and(|key| self.header.is_signed_with(key)) {
            return Err(OperationError::BadSignature);
        }
        match &self.header.write_proof {
            Some(proof) if keys.verify_write(&self.header.author, proof) => Ok(()),
            Some(_) => Err(OperationError::NoWriteProof),
            None if self.header.opens_log() => Err(OperationError::NoWriteProof),
            None => Ok(()),
        }
    }

    /// The operation's id.
    pub fn id(&self) -> OperationId {
        self.id
    }

    /// The decoded header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header as it travels.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The sealed body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Who signed it.
    pub fn author(&self) -> AuthorId {
        self.header.author
    }

    /// Header and body as they travel.
    pub(crate) fn into_parts(self) -> (Vec<u8>, Vec<u8>) {
        (self.header_bytes, self.body)
    }

    /// Bytes that the operation takes on the wire and on the disk, without framing.
    pub(crate) fn len_bytes(&self) -> usize {
        self.header_bytes.len() + self.body.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::DocumentSecret;

    pub(crate) fn operation(key: &AuthorKey, keys: &DocumentKeys, sequence: u64) -> Operation {
        let new = NewHeader {
            topic: keys.topic(),
            sequence,
            backlink: (sequence > 0).then_some(OperationId([1; 32])),
            time_us: 1_700_000_000_000_000,
            kind: Kind::Edit,
            incarnation: 0,
            write_proof: if sequence == 0 {
                keys.prove_write(&key.id())
            } else {
                None
            },
        };
        Operation::sign(key, new, b"sealed".to_vec())
    }

    #[test]
    fn a_signed_operation_verifies_and_a_touched_one_does_not() {
        let (key, keys) = (
            AuthorKey::generate(),
            DocumentKeys::for_writing(DocumentSecret::generate()),
        );
        for sequence in [0, 1, 300] {
            let made = operation(&key, &keys, sequence);
            let again =
                Operation::decode(made.header_bytes().to_vec(), made.body().to_vec()).unwrap();
            assert_eq!(again.id(), made.id());
            again.verify(&keys).unwrap();
            for index in 0..made.header_bytes().len() {
                let mut changed = made.header_bytes().to_vec();
                changed[index] ^= 1;
                let accepted = Operation::decode(changed, made.body().to_vec())
                    .is_ok_and(|operation| operation.verify(&keys).is_ok());
                assert!(
                    !accepted,
                    "byte {index} of sequence {sequence} can be changed"
                );
            }
        }
    }

    #[test]
    fn a_header_is_refused_when_cut_anywhere_or_followed_by_anything() {
        let (key, keys) = (
            AuthorKey::generate(),
            DocumentKeys::for_writing(DocumentSecret::generate()),
        );
        let made = operation(&key, &keys, 0);
        for length in 0..made.header_bytes().len() {
            assert!(Header::decode(&made.header_bytes()[..length]).is_err());
        }
        let mut longer = made.header_bytes().to_vec();
        longer.push(0);
        assert!(Header::decode(&longer).is_err());
    }

    #[test]
    fn another_body_document_or_missing_right_is_refused() {
        let (key, keys) = (
            AuthorKey::generate(),
            DocumentKeys::for_writing(DocumentSecret::generate()),
        );
        let made = operation(&key, &keys, 0);
        assert!(matches!(
            Operation::decode(made.header_bytes().to_vec(), b"other!".to_vec()),
            Err(OperationError::BodyMismatch)
        ));
        let other = DocumentKeys::for_writing(DocumentSecret::generate());
        assert!(matches!(
            made.verify(&other),
            Err(OperationError::WrongTopic)
        ));
        let new = NewHeader {
            topic: keys.topic(),
            sequence: 0,
            backlink: None,
            time_us: 1,
            kind: Kind::Edit,
            incarnation: 0,
            write_proof: None,
        };
        let without_proof = Operation::sign(&key, new, vec![]);
        assert!(matches!(
            without_proof.verify(&keys),
            Err(OperationError::NoWriteProof)
        ));
    }

    #[test]
    fn a_non_canonical_encoding_is_refused() {
        let (key, keys) = (
            AuthorKey::generate(),
            DocumentKeys::for_writing(DocumentSecret::generate()),
        );
        let made = operation(&key, &keys, 0);
        let bytes = made.header_bytes();
        // The version, 1, spelled in two bytes instead of one.
        let mut longer = vec![bytes[0], 0x18, 0x01];
        longer.extend_from_slice(&bytes[2..]);
        assert!(matches!(
            Header::decode(&longer),
            Err(HeaderError::NotCanonical)
        ));
    }
}
