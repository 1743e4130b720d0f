// SPDX-License-Identifier: GPL-3.0-or-later
//! The proof that an author's log goes on in two ways: two headers for one place, both signed.

use super::Header;
use crate::access::TopicId;
use crate::identity::AuthorId;

/// Two different headers of one author, document and sequence number, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkProof {
    one: Vec<u8>,
    other: Vec<u8>,
    headers: Box<(Header, Header)>,
}

impl ForkProof {
    /// A proof by two encoded headers; `None` where they do not contradict each other. The
    /// signatures are still to be checked.
    pub fn new(one: Vec<u8>, other: Vec<u8>) -> Option<Self> {
        let (one, other) = if one < other {
            (one, other)
        } else {
            (other, one)
        };
        let (header, other_header) = (Header::decode(&one).ok()?, Header::decode(&other).ok()?);
        let is_contradiction = one != other
            && header.author == other_header.author
            && header.topic == other_header.topic
            && header.sequence == other_header.sequence;
        is_contradiction.then_some(Self {
            one,
            other,
            headers: Box::new((header, other_header)),
        })
    }

    /// Whether the author signed both, for this document.
    pub fn verify(&self, topic: &TopicId) -> bool {
        let (header, other_header) = &*self.headers;
        header.topic == *topic && header.verify_signature() && other_header.verify_signature()
    }

    /// Whose log it is.
    pub fn author(&self) -> AuthorId {
        self.headers.0.author
    }

    /// The place of which there are two.
    pub fn sequence(&self) -> u64 {
        self.headers.0.sequence
    }

    /// One header, encoded.
    pub fn one(&self) -> &[u8] {
        &self.one
    }

    /// The other one.
    pub fn other(&self) -> &[u8] {
        &self.other
    }
}
