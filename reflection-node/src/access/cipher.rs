// SPDX-License-Identifier: GPL-3.0-or-later
//! Encryption of bodies and presence: XChaCha20-Poly1305 under the read key.
//!
//! What is sealed is `nonce (24) ‖ ciphertext ‖ tag (16)`. The associated data binds a body to
//! topic, author and sequence number, so that it cannot be moved to another place, and a presence
//! message to its topic.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::{DocumentKeys, TopicId};
use crate::identity::AuthorId;

const BODY_DOMAIN: &[u8] = b"app.reflection body v1";
const PRESENCE_DOMAIN: &[u8] = b"app.reflection presence v1";
const NONCE_BYTES: usize = 24;
/// What sealing adds to a body.
pub(crate) const SEAL_BYTES: usize = NONCE_BYTES + 16;

/// Why a body could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum CipherError {
    /// This installation keeps the document without being able to read it.
    #[error("this device keeps the document but cannot read it")]
    NoReadKey,
    /// The body was not made with the document's key, or was altered or moved.
    #[error("the contents were not encrypted with this document's key")]
    Forged,
}

/// The place in the logs to which a body is bound.
pub(crate) struct BodyContext {
    pub(crate) topic: TopicId,
    pub(crate) author: AuthorId,
    pub(crate) sequence: u64,
}

impl BodyContext {
    fn associated_data(&self) -> Vec<u8> {
        let sequence = self.sequence.to_be_bytes();
        [
            BODY_DOMAIN,
            self.topic.as_bytes(),
            self.author.as_bytes(),
            &sequence[..],
        ]
        .concat()
    }
}

fn cipher(keys: &DocumentKeys) -> Result<XChaCha20Poly1305, CipherError> {
    let key = keys.read_key().ok_or(CipherError::NoReadKey)?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}

/// Seals `plain` for its place; the nonce is random.
pub(crate) fn encrypt_body(
    keys: &DocumentKeys,
    context: &BodyContext,
    plain: &[u8],
) -> Result<Vec<u8>, CipherError> {
    seal(keys, &context.associated_data(), plain)
}

/// Opens a body at its place.
pub(crate) fn decrypt_body(
    keys: &DocumentKeys,
    context: &BodyContext,
    body: &[u8],
) -> Result<Vec<u8>, CipherError> {
    unseal(keys, &context.associated_data(), body)
}

/// Seals a presence message for everybody who can read the document.
pub(crate) fn encrypt_presence(keys: &DocumentKeys, plain: &[u8]) -> Result<Vec<u8>, CipherError> {
    seal(keys, &presence_data(keys), plain)
}

/// Opens a presence message of the document.
pub(crate) fn decrypt_presence(keys: &DocumentKeys, sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
    unseal(keys, &presence_data(keys), sealed)
}

fn presence_data(keys: &DocumentKeys) -> Vec<u8> {
    [PRESENCE_DOMAIN, keys.topic().as_bytes()].concat()
}

fn seal(keys: &DocumentKeys, associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherError> {
    let nonce: [u8; NONCE_BYTES] = crate::random::array();
    let payload = Payload {
        msg: plain,
        aad: associated,
    };
    let sealed = cipher(keys)?
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| CipherError::Forged)?;
    let mut bytes = Vec::with_capacity(NONCE_BYTES + sealed.len());
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&sealed);
    Ok(bytes)
}

fn unseal(keys: &DocumentKeys, associated: &[u8], bytes: &[u8]) -> Result<Vec<u8>, CipherError> {
    let (nonce, sealed) = bytes
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(CipherError::Forged)?;
    let payload = Payload {
        msg: sealed,
        aad: associated,
    };
    cipher(keys)?
        .decrypt(&XNonce::from(*nonce), payload)
        .map_err(|_| CipherError::Forged)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::DocumentSecret;

    fn context(topic: TopicId, sequence: u64) -> BodyContext {
        BodyContext {
            topic,
            author: AuthorId::from_bytes([7; 32]),
            sequence,
        }
    }

    #[test]
    fn a_body_opens_only_where_it_was_sealed() {
        let keys = DocumentKeys::for_writing(DocumentSecret::generate());
        let body = encrypt_body(&keys, &context(keys.topic(), 3), b"minutes").unwrap();
        assert_eq!(body.len(), b"minutes".len() + SEAL_BYTES);
        assert_eq!(
            decrypt_body(&keys, &context(keys.topic(), 3), &body).unwrap(),
            b"minutes"
        );
        assert!(decrypt_body(&keys, &context(keys.topic(), 4), &body).is_err());
        let elsewhere = TopicId::from_bytes([1; 32]);
        assert!(decrypt_body(&keys, &context(elsewhere, 3), &body).is_err());
        let other = DocumentKeys::for_writing(DocumentSecret::generate());
        assert!(decrypt_body(&other, &context(keys.topic(), 3), &body).is_err());
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let keys = DocumentKeys::for_writing(DocumentSecret::generate());
        let context = context(keys.topic(), 0);
        let body = encrypt_body(&keys, &context, b"x").unwrap();
        for index in 0..body.len() {
            let mut changed = body.clone();
            changed[index] ^= 1;
            assert!(decrypt_body(&keys, &context, &changed).is_err());
            assert!(decrypt_body(&keys, &context, &body[..index]).is_err());
        }
    }

    #[test]
    fn a_replica_can_do_neither() {
        let keys = DocumentKeys::for_writing(DocumentSecret::generate());
        let replica = DocumentKeys::for_replica(*keys.sync_key(), *keys.write_public());
        let context = context(keys.topic(), 0);
        let body = encrypt_body(&keys, &context, b"x").unwrap();
        assert!(matches!(
            decrypt_body(&replica, &context, &body),
            Err(CipherError::NoReadKey)
        ));
    }
}
