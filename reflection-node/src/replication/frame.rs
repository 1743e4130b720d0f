// SPDX-License-Identifier: GPL-3.0-or-later
//! What is said on a stream about assignments: CBOR arrays `[tag, …]`, each behind its length as
//! four big-endian bytes, like the frames of documents. docs/format.md lists them.

use std::fmt;

use minicbor::{Decoder, Encoder};

use crate::access::{Access, DocumentKeys, TopicId};
use crate::wire::framing::{self, Malformed, Written, count, fixed};

/// Largest frame.
pub(super) const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Most topics in one frame.
pub(super) const TOPICS_PER_FRAME_MAX: usize = 1024;

/// Why a replica takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Everything that it keeps for others has reached its quota.
    Quota,
    /// What it keeps for this ticket has reached the ticket's quota.
    TicketQuota,
    /// Its disk is nearly full.
    Disk,
    /// It keeps as many documents for this ticket as it allows.
    TooMany,
}

impl Shortage {
    const ALL: [Self; 4] = [Self::Quota, Self::TicketQuota, Self::Disk, Self::TooMany];

    const fn code(self) -> u8 {
        match self {
            Self::Quota => 1,
            Self::TicketQuota => 2,
            Self::Disk => 3,
            Self::TooMany => 4,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Quota => "the replica is full: its quota is used up",
            Self::TicketQuota => "the replica is full: what the ticket allows is used up",
            Self::Disk => "the replica is full: its disk has no room left",
            Self::TooMany => "the replica keeps as many documents as it allows",
        })
    }
}

/// One message.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    /// The assigner proves the ticket.
    Prove { proof: [u8; 32] },
    /// The replica proves it too and tells a digest of what it keeps for this assigner.
    Welcome { proof: [u8; 32], digest: [u8; 32] },
    /// Asks for the list behind the digest.
    List,
    /// A part of the list; `last` ends it.
    Held { topics: Vec<TopicId>, last: bool },
    /// A document to be kept.
    Assign { keys: DocumentKeys },
    /// It is on the disk.
    Taken { topic: TopicId },
    /// It is not taken.
    Refused { topic: TopicId, shortage: Shortage },
    /// A document that is no longer to be kept.
    Withdraw { topic: TopicId },
    /// It is no longer kept for this assigner.
    Dropped { topic: TopicId },
    /// Whether there is room for more operations.
    Storage { shortage: Option<Shortage> },
}

impl Frame {
    /// The frame with its length in front.
    pub(super) fn encode(&self) -> Vec<u8> {
        framing::encode(|encoder| self.encode_fields(encoder))
    }

    fn encode_fields(&self, encoder: &mut Encoder<&mut Vec<u8>>) -> Written {
        match self {
            Self::Prove { proof } => encoder.array(2)?.u8(0)?.bytes(proof)?,
            Self::Welcome { proof, digest } => {
                encoder.array(3)?.u8(1)?.bytes(proof)?.bytes(digest)?
            }
            Self::List => encoder.array(1)?.u8(2)?,
            Self::Held { topics, last } => {
                encoder
                    .array(3)?
                    .u8(3)?
                    .bool(*last)?
                    .array(topics.len() as u64)?;
                for topic in topics {
                    encoder.bytes(topic.as_bytes())?;
                }
                encoder
            }
            Self::Assign { keys } => encoder
                .array(3)?
                .u8(4)?
                .bytes(keys.sync_key())?
                .bytes(keys.write_public())?,
            Self::Taken { topic } => encoder.array(2)?.u8(5)?.bytes(topic.as_bytes())?,
            Self::Refused { topic, shortage } => encoder
                .array(3)?
                .u8(6)?
                .bytes(topic.as_bytes())?
                .u8(shortage.code())?,
            Self::Withdraw { topic } => encoder.array(2)?.u8(7)?.bytes(topic.as_bytes())?,
            Self::Dropped { topic } => encoder.array(2)?.u8(8)?.bytes(topic.as_bytes())?,
            Self::Storage { shortage } => encoder
                .array(2)?
                .u8(9)?
                .u8(shortage.map_or(0, Shortage::code))?,
        };
        Ok(())
    }

    /// Decodes the bytes behind the length.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        framing::decode(bytes, |tag, elements, decoder| {
            Ok(match (tag, elements) {
                (0, 2) => Self::Prove {
                    proof: fixed(decoder)?,
                },
                (1, 3) => Self::Welcome {
                    proof: fixed(decoder)?,
                    digest: fixed(decoder)?,
                },
                (2, 1) => Self::List,
                (3, 3) => decode_held(decoder)?,
                (4, 3) => Self::Assign {
                    keys: DocumentKeys::from_parts(
                        Access::Replica,
                        fixed(decoder)?,
                        fixed(decoder)?,
                    ),
                },
                (5, 2) => Self::Taken {
                    topic: topic(decoder)?,
                },
                (6, 3) => Self::Refused {
                    topic: topic(decoder)?,
                    shortage: Shortage::from_code(decoder.u8()?).ok_or(Malformed)?,
                },
                (7, 2) => Self::Withdraw {
                    topic: topic(decoder)?,
                },
                (8, 2) => Self::Dropped {
                    topic: topic(decoder)?,
                },
                (9, 2) => Self::Storage {
                    shortage: match decoder.u8()? {
                        0 => None,
                        code => Some(Shortage::from_code(code).ok_or(Malformed)?),
                    },
                },
                _ => return Err(Malformed),
            })
        })
    }
}

/// What is said about assignments.
#[cfg(feature = "testing")]
pub(crate) const DECODER: crate::testing::decoders::Decoder = crate::testing::decoders::Decoder {
    name: "replication",
    family: "replication",
    decode: |bytes| {
        if let Ok(frame) = Frame::decode(bytes) {
            let encoded = frame.encode();
            let again = Frame::decode(&encoded[4..]).map(|frame| frame.encode());
            assert_eq!(again, Ok(encoded));
        }
    },
    samples: || {
        let encoded = examples().into_iter().map(|frame| frame.encode());
        encoded.map(|bytes| bytes[4..].to_vec()).collect()
    },
};

/// One of each frame.
#[cfg(feature = "testing")]
fn examples() -> Vec<Frame> {
    let topic = TopicId::from_bytes([3; 32]);
    let secret = crate::access::DocumentSecret::from_bytes([4; 32]);
    vec![
        Frame::Prove { proof: [1; 32] },
        Frame::Welcome {
            proof: [1; 32],
            digest: [2; 32],
        },
        Frame::List,
        Frame::Held {
            topics: vec![topic; 3],
            last: true,
        },
        Frame::Assign {
            keys: DocumentKeys::for_writing(secret),
        },
        Frame::Taken { topic },
        Frame::Refused {
            topic,
            shortage: Shortage::Disk,
        },
        Frame::Withdraw { topic },
        Frame::Dropped { topic },
        Frame::Storage { shortage: None },
        Frame::Storage {
            shortage: Some(Shortage::TicketQuota),
        },
    ]
}

fn decode_held(decoder: &mut Decoder<'_>) -> Result<Frame, Malformed> {
    let last = decoder.bool()?;
    let count = count(decoder, TOPICS_PER_FRAME_MAX)?;
    let topics = (0..count)
        .map(|_| topic(decoder))
        .collect::<Result<_, _>>()?;
    Ok(Frame::Held { topics, last })
}

fn topic(decoder: &mut Decoder<'_>) -> Result<TopicId, Malformed> {
    Ok(TopicId::from_bytes(fixed(decoder)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::DocumentSecret;
    use proptest::prelude::*;

    #[test]
    fn every_frame_survives_the_round_trip_and_no_cut_of_it_does() {
        let largest = Frame::Held {
            topics: vec![TopicId::from_bytes([3; 32]); TOPICS_PER_FRAME_MAX],
            last: true,
        };
        for frame in examples().into_iter().chain([largest]) {
            let bytes = frame.encode();
            assert!(bytes.len() - 4 <= FRAME_BYTES_MAX);
            assert_eq!(Frame::decode(&bytes[4..]).unwrap().encode(), bytes);
            for end in (4..bytes.len()).take(2_000) {
                assert!(Frame::decode(&bytes[4..end]).is_err());
            }
        }
    }

    #[test]
    fn what_is_handed_over_cannot_read() {
        let keys = DocumentKeys::for_writing(DocumentSecret::from_bytes([4; 32]));
        let bytes = Frame::Assign { keys: keys.clone() }.encode();
        let read_key = keys.read_key().unwrap();
        assert!(!bytes.windows(32).any(|part| part == *read_key));
        let Frame::Assign { keys: handed } = Frame::decode(&bytes[4..]).unwrap() else {
            panic!()
        };
        assert_eq!(handed.access(), Access::Replica);
        assert_eq!(handed.topic(), keys.topic());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Frame::decode(&bytes);
        }

        #[test]
        fn no_mutation_makes_the_decoder_panic(which in 0_usize..11, at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = examples()[which].encode();
            let at = 4 + at.index(bytes.len() - 4);
            bytes[at] = to;
            let _ = Frame::decode(&bytes[4..]);
        }
    }
}
