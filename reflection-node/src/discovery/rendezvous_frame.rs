// SPDX-License-Identifier: GPL-3.0-or-later
//! The two frames between a peer and a bootstrap node: CBOR arrays behind their length as four
//! big-endian bytes. docs/format.md lists them.

use std::net::SocketAddr;

use minicbor::{Decoder, Encoder};

use super::rendezvous::Token;
use crate::access::Hint;
use crate::identity::AuthorId;
use crate::wire::framing::{self, Malformed, Written, count, fixed};
use crate::wire::{decode_address, encode_address};

/// Most tokens in one frame.
pub(super) const TOKENS_PER_FRAME_MAX: usize = 1024;
/// Largest frame.
pub(super) const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Most addresses of one peer.
pub(super) const ADDRESSES_MAX: usize = 8;
/// Longest name of a relay.
const RELAY_BYTES_MAX: usize = 512;

/// Where a peer says that it can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) relay: Option<iroh::RelayUrl>,
}

impl Reach {
    pub(super) fn of(hint: &Hint) -> Self {
        Self {
            addresses: hint.addresses.iter().take(ADDRESSES_MAX).copied().collect(),
            relay: hint.relay.clone(),
        }
    }

    pub(super) fn into_hint(self, endpoint: AuthorId) -> Hint {
        Hint {
            endpoint,
            addresses: self.addresses,
            relay: self.relay,
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// From a peer: the tokens of its documents. The first frame of a registration replaces all
    /// that came before.
    Register {
        is_first: bool,
        reach: Reach,
        tokens: Vec<Token>,
    },
    /// To a peer: somebody who showed the same token.
    Introduce { peer: AuthorId, reach: Reach },
}

impl Frame {
    /// The frame with its length in front.
    pub(super) fn encode(&self) -> Vec<u8> {
        framing::encode(|encoder| self.encode_fields(encoder))
    }

    fn encode_fields(&self, encoder: &mut Encoder<&mut Vec<u8>>) -> Written {
        match self {
            Self::Register {
                is_first,
                reach,
                tokens,
            } => {
                encoder.array(5)?.u8(0)?.bool(*is_first)?;
                encode_reach(encoder, reach)?;
                encoder.array(tokens.len() as u64)?;
                for token in tokens {
                    encoder.bytes(token)?;
                }
            }
            Self::Introduce { peer, reach } => {
                encoder.array(4)?.u8(1)?.bytes(peer.as_bytes())?;
                encode_reach(encoder, reach)?;
            }
        }
        Ok(())
    }

    /// Decodes the bytes behind the length.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        framing::decode(bytes, |tag, elements, decoder| {
            Ok(match (tag, elements) {
                (0, 5) => Self::Register {
                    is_first: decoder.bool()?,
                    reach: decode_reach(decoder)?,
                    tokens: decode_tokens(decoder)?,
                },
                (1, 4) => Self::Introduce {
                    peer: AuthorId::from_bytes(fixed(decoder)?),
                    reach: decode_reach(decoder)?,
                },
                _ => return Err(Malformed),
            })
        })
    }
}

/// What peers and bootstrap nodes say to each other.
#[cfg(feature = "testing")]
pub(crate) const DECODER: crate::testing::decoders::Decoder = crate::testing::decoders::Decoder {
    name: "rendezvous",
    family: "rendezvous",
    decode: |bytes| {
        if let Ok(frame) = Frame::decode(bytes) {
            assert_eq!(Frame::decode(&frame.encode()[4..]), Ok(frame));
        }
    },
    samples: || {
        let encoded = examples().map(|frame| frame.encode()[4..].to_vec());
        encoded.to_vec()
    },
};

/// One of each frame, and an empty one.
#[cfg(feature = "testing")]
fn examples() -> [Frame; 3] {
    let reach = Reach {
        addresses: vec![
            ([192, 168, 1, 4], 4000).into(),
            ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 5).into(),
        ],
        relay: "https://relay.example".parse().ok(),
    };
    [
        Frame::Register {
            is_first: true,
            reach: reach.clone(),
            tokens: vec![[7; 32]; 3],
        },
        Frame::Register {
            is_first: false,
            reach: Reach::default(),
            tokens: Vec::new(),
        },
        Frame::Introduce {
            peer: AuthorId::from_bytes([4; 32]),
            reach,
        },
    ]
}

fn encode_reach(encoder: &mut Encoder<&mut Vec<u8>>, reach: &Reach) -> Written {
    encoder.array(reach.addresses.len() as u64)?;
    for address in &reach.addresses {
        encoder.bytes(&encode_address(address))?;
    }
    match &reach.relay {
        Some(relay) => encoder.str(relay.as_str())?,
        None => encoder.null()?,
    };
    Ok(())
}

fn decode_reach(decoder: &mut Decoder<'_>) -> Result<Reach, Malformed> {
    let count = count(decoder, ADDRESSES_MAX)?;
    let addresses = (0..count)
        .map(|_| decode_address(decoder.bytes()?).ok_or(Malformed))
        .collect::<Result<_, _>>()?;
    let relay = if decoder.datatype()? == minicbor::data::Type::Null {
        decoder.null()?;
        None
    } else {
        let text = decoder.str()?;
        if text.len() > RELAY_BYTES_MAX {
            return Err(Malformed);
        }
        Some(text.parse().map_err(|_| Malformed)?)
    };
    Ok(Reach { addresses, relay })
}

fn decode_tokens(decoder: &mut Decoder<'_>) -> Result<Vec<Token>, Malformed> {
    let count = count(decoder, TOKENS_PER_FRAME_MAX)?;
    (0..count).map(|_| fixed(decoder)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_frame_survives_the_round_trip_and_no_cut_of_it_does() {
        for frame in examples() {
            let bytes = frame.encode();
            assert_eq!(Frame::decode(&bytes[4..]), Ok(frame));
            for end in 4..bytes.len() {
                assert!(Frame::decode(&bytes[4..end]).is_err());
            }
        }
    }

    #[test]
    fn the_largest_frame_is_within_the_bound() {
        let frame = Frame::Register {
            is_first: true,
            reach: Reach {
                addresses: vec!["[2001:db8::1]:5".parse().unwrap(); ADDRESSES_MAX],
                relay: None,
            },
            tokens: vec![[7; 32]; TOKENS_PER_FRAME_MAX],
        };
        assert!(frame.encode().len() <= FRAME_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn no_mutation_makes_the_decoder_panic(which in 0_usize..3, at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = examples()[which].encode();
            let at = 4 + at.index(bytes.len() - 4);
            bytes[at] = to;
            let _ = Frame::decode(&bytes[4..]);
        }
    }
}
