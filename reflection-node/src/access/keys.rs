// SPDX-License-Identifier: GPL-3.0-or-later
//! The document secret and all that is derived from it.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::identity::AuthorId;

const READ_KEY_CONTEXT: &str = "app.reflection 2026 document read key v1";
const WRITE_KEY_CONTEXT: &str = "app.reflection 2026 document write key v1";
const SYNC_KEY_CONTEXT: &str = "app.reflection 2026 document sync key v1";
const TOPIC_CONTEXT: &str = "app.reflection 2026 document topic v1";
const OVERLAY_CONTEXT: &str = "app.reflection 2026 document overlay v1";
const WRITE_PROOF_DOMAIN: &[u8] = b"app.reflection write proof v1";

/// What the network, stores and replicas know a document by: 32 bytes that tell nothing about it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId([u8; 32]);

impl TopicId {
    /// Wraps 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&crate::hex::encode(&self.0))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TopicId({})", crate::hex::encode(&self.0[..5]))
    }
}

impl FromStr for TopicId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        crate::hex::decode_array(text).map(Self).ok_or(())
    }
}

/// The 32 random bytes that a document begins with. Whoever has them can read and write it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DocumentSecret([u8; 32]);

impl DocumentSecret {
    /// A new secret from the operating system's generator.
    pub fn generate() -> Self {
        Self(crate::random::array())
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for DocumentSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DocumentSecret(..)")
    }
}

/// What a set of keys allows. Ordered: each right includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Keep and pass on what cannot be read.
    Replica,
    /// Read.
    Read,
    /// Read and write.
    Write,
}

impl Access {
    /// The word for it in codes, the command line and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The root that this installation holds of a document.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
enum Root {
    Write(DocumentSecret),
    Read { read_key: [u8; 32] },
    Replica,
}

/// All keys of a document that this installation holds. Zeroised on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DocumentKeys {
    root: Root,
    sync_key: [u8; 32],
    #[zeroize(skip)]
    write_public: [u8; 32],
    #[zeroize(skip)]
    topic: TopicId,
}

impl DocumentKeys {
    /// Keys for reading and writing.
    pub fn for_writing(secret: DocumentSecret) -> Self {
        let write_public = write_key(&secret).verifying_key().to_bytes();
        Self::of_secret(secret, write_public)
    }

    fn of_secret(secret: DocumentSecret, write_public: [u8; 32]) -> Self {
        let read_key = Zeroizing::new(blake3::derive_key(READ_KEY_CONTEXT, &secret.0));
        let sync_key = blake3::derive_key(SYNC_KEY_CONTEXT, &*read_key);
        Self::with_root(Root::Write(secret), sync_key, write_public)
    }

    pub(crate) fn for_reading(read_key: [u8; 32], write_public: [u8; 32]) -> Self {
        let sync_key = blake3::derive_key(SYNC_KEY_CONTEXT, &read_key);
        Self::with_root(Root::Read { read_key }, sync_key, write_public)
    }

    pub(crate) fn for_replica(sync_key: [u8; 32], write_public: [u8; 32]) -> Self {
        Self::with_root(Root::Replica, sync_key, write_public)
    }

    fn with_root(root: Root, sync_key: [u8; 32], write_public: [u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(TOPIC_CONTEXT);
        hasher.update(&sync_key).update(&write_public);
        let topic = TopicId(*hasher.finalize().as_bytes());
        Self {
            root,
            sync_key,
            write_public,
            topic,
        }
    }

    /// Keys as the store keeps them; see [`DocumentKeys::to_parts`]. The write public key is not
    /// derived again, which would take most of the start of a node with many documents: a wrong one
    /// gives another topic.
    pub(crate) fn from_parts(access: Access, key: [u8; 32], write_public: [u8; 32]) -> Self {
        match access {
            Access::Write => Self::of_secret(DocumentSecret(key), write_public),
            Access::Read => Self::for_reading(key, write_public),
            Access::Replica => Self::for_replica(key, write_public),
        }
    }

    /// The right, the one key from which the others follow, and the write public key.
    pub(crate) fn to_parts(&self) -> (Access, Zeroizing<[u8; 32]>, [u8; 32]) {
        let key = match &self.root {
            Root::Write(secret) => secret.0,
            Root::Read { read_key } => *read_key,
            Root::Replica => self.sync_key,
        };
        (self.access(), Zeroizing::new(key), self.write_public)
    }

    /// Those of somebody who was given the right to read.
    #[cfg(feature = "testing")]
    pub(crate) fn to_reading(&self) -> Option<Self> {
        let read_key = self.read_key()?;
        Some(Self::for_reading(*read_key, self.write_public))
    }

    /// Those of somebody who keeps the document without reading it.
    #[cfg(feature = "testing")]
    pub(crate) fn to_replica(&self) -> Self {
        Self::for_replica(self.sync_key, self.write_public)
    }

    /// The document's name on the network.
    pub fn topic(&self) -> TopicId {
        self.topic
    }

    /// What these keys allow.
    pub fn access(&self) -> Access {
        match self.root {
            Root::Write(_) => Access::Write,
            Root::Read { .. } => Access::Read,
            Root::Replica => Access::Replica,
        }
    }

    /// The key under which contents are encrypted; a replica has none.
    pub(crate) fn read_key(&self) -> Option<Zeroizing<[u8; 32]>> {
        match &self.root {
            Root::Write(secret) => Some(Zeroizing::new(blake3::derive_key(
                READ_KEY_CONTEXT,
                &secret.0,
            ))),
            Root::Read { read_key } => Some(Zeroizing::new(*read_key)),
            Root::Replica => None,
        }
    }

    /// The key whose knowledge is proved before a peer is told anything.
    pub(crate) fn sync_key(&self) -> &[u8; 32] {
        &self.sync_key
    }

    /// What the document's gossip overlay is called. Nobody can tell it from the topic, which
    /// stores and replicas' assignments show more freely.
    pub(crate) fn overlay(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(OVERLAY_CONTEXT);
        hasher.update(&self.sync_key).update(self.topic.as_bytes());
        *hasher.finalize().as_bytes()
    }

    pub(crate) fn write_public(&self) -> &[u8; 32] {
        &self.write_public
    }

    pub(crate) fn secret_bytes(&self) -> Option<Zeroizing<[u8; 32]>> {
        match &self.root {
            Root::Write(secret) => Some(Zeroizing::new(secret.0)),
            _ => None,
        }
    }

    /// The signature that opens an author's log: this author was given the right to write here.
    pub(crate) fn prove_write(&self, author: &AuthorId) -> Option<[u8; 64]> {
        match &self.root {
            Root::Write(secret) => Some(
                write_key(secret)
                    .sign(&write_proof_message(&self.topic, author))
                    .to_bytes(),
            ),
            _ => None,
        }
    }

    /// Whether `proof` gives `author` the right to write.
    pub(crate) fn verify_write(&self, author: &AuthorId, proof: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.write_public).is_ok_and(|key| {
            key.verify_strict(
                &write_proof_message(&self.topic, author),
                &Signature::from_bytes(proof),
            )
            .is_ok()
        })
    }
}

impl fmt::Debug for DocumentKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "DocumentKeys({:?}, {})",
            self.topic,
            self.access()
        )
    }
}

fn write_key(secret: &DocumentSecret) -> SigningKey {
    SigningKey::from_bytes(&Zeroizing::new(blake3::derive_key(
        WRITE_KEY_CONTEXT,
        &secret.0,
    )))
}

fn write_proof_message(topic: &TopicId, author: &AuthorId) -> Vec<u8> {
    [WRITE_PROOF_DOMAIN, topic.as_bytes(), author.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::identity::AuthorKey;

    #[test]
    fn every_right_leads_to_the_same_topic_and_sync_key() {
        let write = DocumentKeys::for_writing(DocumentSecret::generate());
        let read = DocumentKeys::for_reading(*write.read_key().unwrap(), write.write_public);
        let replica = DocumentKeys::for_replica(write.sync_key, write.write_public);
        assert_eq!(write.topic(), read.topic());
        assert_eq!(write.topic(), replica.topic());
        assert_eq!(write.sync_key(), replica.sync_key());
        assert!(replica.read_key().is_none());
        assert!(read.prove_write(&AuthorKey::generate().id()).is_none());
    }

    #[test]
    fn a_proof_holds_for_its_author_and_document_alone() {
        let keys = DocumentKeys::for_writing(DocumentSecret::generate());
        let other = DocumentKeys::for_writing(DocumentSecret::generate());
        let (alice, bob) = (AuthorKey::generate().id(), AuthorKey::generate().id());
        let proof = keys.prove_write(&alice).unwrap();
        assert!(keys.verify_write(&alice, &proof));
        assert!(!keys.verify_write(&bob, &proof));
        assert!(!other.verify_write(&alice, &proof));
    }

    #[test]
    fn no_key_is_left_of_what_was_overwritten() {
        let secret = DocumentSecret::from_bytes([0xab; 32]);
        let mut write = DocumentKeys::for_writing(secret.clone());
        let mut read = write.to_reading().unwrap();
        write.root.zeroize();
        assert!(matches!(&write.root, Root::Write(left) if left.0 == [0; 32]));
        read.zeroize();
        assert!(matches!(read.root, Root::Read { read_key } if read_key == [0; 32]));
        assert_eq!(read.sync_key, [0; 32]);
        // Public, and of use to whoever still looks for them.
        assert_eq!(read.topic, write.topic);
    }

    #[test]
    fn nothing_secret_is_formatted() {
        let keys = DocumentKeys::for_writing(DocumentSecret::from_bytes([0xab; 32]));
        let shown = format!("{keys:?} {:?}", DocumentSecret::from_bytes([0xab; 32]));
        assert!(!shown.contains("abab"));
        assert!(!shown.contains(&crate::hex::encode(&keys.sync_key)[..8]));
    }
}
