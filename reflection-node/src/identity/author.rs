// SPDX-License-Identifier: GPL-3.0-or-later
//! Author ids and the key that signs for them.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::ZeroizeOnDrop;

/// The public key of an author, 32 bytes; at the same time the iroh endpoint id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorId([u8; 32]);

impl AuthorId {
    /// Wraps 32 bytes; whether they are a point on the curve shows at the first verification.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the public key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key for checking signatures, where these bytes are one.
    pub(crate) fn verifying_key(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_bytes(&self.0)
            .ok()
            .filter(|key| !key.is_weak())
    }

    /// Whether these bytes are somebody's public key; about half of all are nobody's.
    pub fn is_key(&self) -> bool {
        self.verifying_key().is_some()
    }

    /// The same identity as iroh names it.
    pub(crate) fn endpoint_id(&self) -> Option<iroh::EndpointId> {
        iroh::EndpointId::from_bytes(&self.0).ok()
    }

    /// The first ten hexadecimal digits, for places where people compare ids by eye.
    pub fn short(&self) -> String {
        crate::hex::encode(&self.0[..5])
    }
}

impl From<iroh::EndpointId> for AuthorId {
    fn from(id: iroh::EndpointId) -> Self {
        Self(*id.as_bytes())
    }
}

impl fmt::Display for AuthorId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&crate::hex::encode(&self.0))
    }
}

impl fmt::Debug for AuthorId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AuthorId({})", self.short())
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("an author id is 64 hexadecimal digits")]
pub struct ParseAuthorIdError;

impl FromStr for AuthorId {
    type Err = ParseAuthorIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::hex::decode_array(text)
            .map(Self)
            .ok_or(ParseAuthorIdError)
    }
}

/// The secret half of an author. Zeroised on drop; its `Debug` shows the public half only.
#[derive(Clone, ZeroizeOnDrop)]
pub struct AuthorKey(SigningKey);

impl AuthorKey {
    /// A new random key from the operating system's generator.
    pub fn generate() -> Self {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        crate::random::fill(&mut *bytes);
        Self::from_bytes(&bytes)
    }

    /// A key from its 32 secret bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(bytes))
    }

    /// The 32 secret bytes, for keeping them in a key store.
    pub fn to_bytes(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn id(&self) -> AuthorId {
        AuthorId(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        self.0.sign(message)
    }

    pub(crate) fn iroh_secret(&self) -> iroh::SecretKey {
        iroh::SecretKey::from_bytes(&self.to_bytes())
    }
}

impl fmt::Debug for AuthorKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AuthorKey({})", self.id().short())
    }
}
/// Most keys that are remembered.
const KEYS_MAX: usize = 1024;

/// Keys for checking signatures, made once for each author: that takes a tenth of the time of a
/// check.
#[derive(Debug, Default)]
pub(crate) struct VerifyingKeys(HashMap<AuthorId, Option<VerifyingKey>>);

impl VerifyingKeys {
    /// See [`AuthorId::verifying_key`].
    pub(crate) fn of(&mut self, author: &AuthorId) -> Option<&VerifyingKey> {
        if self.0.len() >= KEYS_MAX && !self.0.contains_key(author) {
            self.0.clear();
        }
        let key = self.0.entry(*author);
        key.or_insert_with(|| author.verifying_key()).as_ref()
    }
}
