// SPDX-License-Identifier: GPL-3.0-or-later
//! What people in a document tell each other about themselves, as bytes.
//!
//! A message is signed by its author over the document's topic, then sealed with the read key: it
//! means nothing in another document, nobody can speak for somebody else, and whoever passes it on
//! without that key learns nothing but its size. docs/format.md gives the layout.

use ed25519_dalek::Signature;
use minicbor::{Decoder, Encoder};

use crate::access::{CipherError, DocumentKeys, TopicId, decrypt_presence, encrypt_presence};
use crate::identity::{AuthorId, AuthorKey};

const DOMAIN: &[u8] = b"app.reflection presence v1";
const VERSION: u8 = 1;
const SIGNATURE_BYTES: usize = 64;
/// Most bytes that a program may say about itself.
pub const PRESENCE_BYTES_MAX: usize = 1024;
/// Most last-seen times in one message.
pub(crate) const SEEN_PER_MESSAGE_MAX: usize = 8;
/// Largest sealed message.
pub(crate) const MESSAGE_BYTES_MAX: usize = 2 * 1024;

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) author: AuthorId,
    /// By the author's clock, microseconds since 1970; larger in each message than in the last,
    /// which also keeps two messages from being equal.
    pub(crate) time_us: u64,
    pub(crate) said: Said,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// The author has the document open.
    Here {
        /// What the author's program says to the others'; opaque here.
        body: Vec<u8>,
        /// Of the heights of all logs that the author holds.
        digest: [u8; 32],
        /// When others were last seen, microseconds since 1970.
        seen: Vec<(AuthorId, u64)>,
    },
    /// The author closes the document.
    Leaving,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the message is larger than any that is allowed")]
    TooLarge,
    #[error("the message was not sealed for this document")]
    NotSealedHere,
    #[error("the message is malformed")]
    Malformed,
    #[error("the message was not signed by the author it names")]
    Forged,
    #[error("the message is dated in the future")]
    Future,
    #[error("the message is too old")]
    Stale,
    #[error("a later message of the author has been heard")]
    Replayed,
    #[error("the message speaks for this device")]
    Own,
    #[error("there are too many people or messages")]
    Crowded,
}

impl From<minicbor::decode::Error> for Refusal {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

impl Message {
    /// The signed and sealed form.
    pub(crate) fn seal(
        &self,
        keys: &DocumentKeys,
        key: &AuthorKey,
    ) -> Result<Vec<u8>, CipherError> {
        let mut plain = self.statement();
        let signature = key.sign(&signed(&keys.topic(), &plain));
        plain.extend_from_slice(&signature.to_bytes());
        encrypt_presence(keys, &plain)
    }

    /// The reverse of [`Message::seal`]; the author is proved then, the time is not judged.
    pub(crate) fn open(keys: &DocumentKeys, bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        let plain = decrypt_presence(keys, bytes).map_err(|_| Refusal::NotSealedHere)?;
        let (statement, signature) = plain
            .split_last_chunk::<SIGNATURE_BYTES>()
            .ok_or(Refusal::Malformed)?;
        let message = Self::decode(statement)?;
        // One encoding for one meaning.
        if message.statement() != statement {
            return Err(Refusal::Malformed);
        }
        let is_signed = message.author.verifying_key().is_some_and(|key| {
            key.verify_strict(
                &signed(&keys.topic(), statement),
                &Signature::from_bytes(signature),
            )
            .is_ok()
        });
        is_signed.then_some(message).ok_or(Refusal::Forged)
    }

    fn statement(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a vector cannot fail: the error type is uninhabited.
        let written = self.encode(&mut Encoder::new(&mut bytes));
        debug_assert!(written.is_ok());
        bytes
    }

    fn encode(
        &self,
        encoder: &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        encoder
            .array(4)?
            .u8(VERSION)?
            .bytes(self.author.as_bytes())?
            .u64(self.time_us)?;
        match &self.said {
            Said::Here { body, digest, seen } => {
                encoder.array(4)?.u8(0)?.bytes(body)?.bytes(digest)?;
                encoder.array(seen.len() as u64)?;
                for (author, time_us) in seen {
                    encoder.array(2)?.bytes(author.as_bytes())?.u64(*time_us)?;
                }
            }
            Said::Leaving => {
                encoder.array(1)?.u8(1)?;
            }
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut decoder = Decoder::new(bytes);
        if decoder.array()? != Some(4) || decoder.u8()? != VERSION {
            return Err(Refusal::Malformed);
        }
        let author = AuthorId::from_bytes(fixed(&mut decoder)?);
        let time_us = decoder.u64()?;
        let said = match (decoder.array()?, decoder.u8()?) {
            (Some(4), 0) => decode_here(&mut decoder)?,
            (Some(1), 1) => Said::Leaving,
            _ => return Err(Refusal::Malformed),
        };
        if decoder.position() != bytes.len() {
            return Err(Refusal::Malformed);
        }
        Ok(Self {
            author,
            time_us,
            said,
        })
    }
}

/// What is under the seal of a message, without its signature.
#[cfg(feature = "testing")]
pub(crate) const DECODER: crate::testing::decoders::Decoder = crate::testing::decoders::Decoder {
    name: "presence",
    family: "presence",
    decode: |bytes| {
        if let Ok(message) = Message::decode(bytes) {
            assert_eq!(Message::decode(&message.statement()), Ok(message));
        }
    },
    samples: || {
        let author = AuthorId::from_bytes([9; 32]);
        let here = Said::Here {
            body: b"caret".to_vec(),
            digest: [3; 32],
            seen: vec![(author, 77); SEEN_PER_MESSAGE_MAX],
        };
        let messages = [here, Said::Leaving].map(|said| Message {
            author,
            time_us: 1_700_000_000_000_000,
            said,
        });
        messages.iter().map(Message::statement).collect()
    },
};

fn decode_here(decoder: &mut Decoder<'_>) -> Result<Said, Refusal> {
    let body = decoder.bytes()?;
    if body.len() > PRESENCE_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    let body = body.to_vec();
    let digest = fixed(decoder)?;
    let count = decoder
        .array()?
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count <= SEEN_PER_MESSAGE_MAX)
        .ok_or(Refusal::Malformed)?;
    let mut seen = Vec::with_capacity(count);
    for _ in 0..count {
        if decoder.array()? != Some(2) {
            return Err(Refusal::Malformed);
        }
        seen.push((AuthorId::from_bytes(fixed(decoder)?), decoder.u64()?));
    }
    Ok(Said::Here { body, digest, seen })
}

fn fixed<const N: usize>(decoder: &mut Decoder<'_>) -> Result<[u8; N], Refusal> {
    decoder.bytes()?.try_into().map_err(|_| Refusal::Malformed)
}

fn signed(topic: &TopicId, statement: &[u8]) -> Vec<u8> {
    [DOMAIN, topic.as_bytes(), statement].concat()
}

impl std::fmt::Debug for Message {
    /// Never what is said.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Message({:?})", self.author)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::DocumentSecret;
    use proptest::prelude::*;

    fn document() -> DocumentKeys {
        DocumentKeys::for_writing(DocumentSecret::generate())
    }

    fn here(author: AuthorId, body: &[u8]) -> Message {
        Message {
            author,
            time_us: 1_700_000_000_000_000,
            said: Said::Here {
                body: body.to_vec(),
                digest: [3; 32],
                seen: vec![(AuthorId::from_bytes([9; 32]), 77)],
            },
        }
    }

    #[test]
    fn a_message_arrives_as_it_was_said() {
        let (keys, alice) = (document(), AuthorKey::generate());
        for said in [here(alice.id(), b"caret").said, Said::Leaving] {
            let message = Message {
                said,
                ..here(alice.id(), b"")
            };
            let sealed = message.seal(&keys, &alice).unwrap();
            assert_eq!(Message::open(&keys, &sealed), Ok(message));
        }
    }

    #[test]
    fn the_largest_message_fits_the_bound() {
        let (keys, alice) = (document(), AuthorKey::generate());
        let message = Message {
            author: alice.id(),
            time_us: u64::MAX,
            said: Said::Here {
                body: vec![1; PRESENCE_BYTES_MAX],
                digest: [1; 32],
                seen: vec![(alice.id(), u64::MAX); SEEN_PER_MESSAGE_MAX],
            },
        };
        let sealed = message.seal(&keys, &alice).unwrap();
        assert!(sealed.len() <= MESSAGE_BYTES_MAX, "{}", sealed.len());
        assert!(Message::open(&keys, &sealed).is_ok());
    }

    #[test]
    fn nobody_speaks_for_somebody_else() {
        let keys = document();
        let (alice, mallory) = (AuthorKey::generate(), AuthorKey::generate());
        let sealed = here(alice.id(), b"").seal(&keys, &mallory).unwrap();
        assert_eq!(Message::open(&keys, &sealed), Err(Refusal::Forged));
    }

    #[test]
    fn a_message_means_nothing_in_another_document() {
        let (one, other, alice) = (document(), document(), AuthorKey::generate());
        let sealed = here(alice.id(), b"").seal(&one, &alice).unwrap();
        assert_eq!(Message::open(&other, &sealed), Err(Refusal::NotSealedHere));
        // Somebody in both documents carries it over and seals it anew.
        let plain = decrypt_presence(&one, &sealed).unwrap();
        let carried = encrypt_presence(&other, &plain).unwrap();
        assert_eq!(Message::open(&other, &carried), Err(Refusal::Forged));
    }

    #[test]
    fn a_replica_reads_nothing() {
        let (keys, alice) = (document(), AuthorKey::generate());
        let replica = DocumentKeys::for_replica(*keys.sync_key(), *keys.write_public());
        let sealed = here(alice.id(), b"Alice").seal(&keys, &alice).unwrap();
        assert_eq!(
            Message::open(&replica, &sealed),
            Err(Refusal::NotSealedHere)
        );
        assert!(!sealed.windows(5).any(|window| window == b"Alice"));
    }

    #[test]
    fn oversize_is_refused_before_any_work() {
        let keys = document();
        assert_eq!(
            Message::open(&keys, &vec![0; MESSAGE_BYTES_MAX + 1]),
            Err(Refusal::TooLarge)
        );
        let alice = AuthorKey::generate();
        let sealed = here(alice.id(), &[0; PRESENCE_BYTES_MAX + 1]).seal(&keys, &alice);
        assert_eq!(
            Message::open(&keys, &sealed.unwrap()),
            Err(Refusal::TooLarge)
        );
    }

    proptest! {
        #[test]
        fn no_statement_makes_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Message::decode(&bytes);
        }

        #[test]
        fn no_mutation_of_a_message_is_taken(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let (keys, alice) = (document(), AuthorKey::generate());
            let message = here(alice.id(), b"caret");
            let sealed = message.seal(&keys, &alice).unwrap();
            let mut plain = decrypt_presence(&keys, &sealed).unwrap();
            let at = at.index(plain.len());
            let is_same = std::mem::replace(&mut plain[at], to) == to;
            let opened = Message::open(&keys, &encrypt_presence(&keys, &plain).unwrap());
            prop_assert_eq!(opened.is_ok(), is_same);
        }
    }
}
