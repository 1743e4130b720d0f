// SPDX-License-Identifier: GPL-3.0-or-later
//! The frames that travel on a connection: CBOR arrays `[tag, …]`, each behind its length as four
//! big-endian bytes. docs/format.md lists them.

use minicbor::{Decoder, Encoder};

use super::heights::Head;
use super::summary::Mark;
use crate::identity::AuthorId;
use crate::operation::{BODY_BYTES_MAX, HEADER_BYTES_MAX, OperationId};
use crate::wire::framing::{self, Malformed, Written, bounded, count, fixed};

/// Largest frame: one operation with its framing.
pub(crate) const FRAME_BYTES_MAX: usize = HEADER_BYTES_MAX + BODY_BYTES_MAX + 64;
/// Most tokens in one offer or match.
pub(crate) const TOKENS_PER_FRAME_MAX: usize = 1024;
/// Most logs in one frame that says which are not wanted.
pub(crate) const DECLINED_PER_FRAME_MAX: usize = 256;
/// Most heads in one frame.
pub(crate) const HEADS_PER_FRAME_MAX: usize = 256;

/// Stands for a document in the talk of two peers; means nothing to anybody else. 16 bytes, since
/// nobody can look for two documents whose tokens agree: both sides draw a salt. What must not be
/// guessed is proved by a session's proofs, not by tokens.
pub(crate) type Token = [u8; 16];

/// Most documents in one summary.
pub(crate) const MARKS_PER_FRAME_MAX: usize = 1024;

/// One message between two peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// First on the control stream, from both sides: a salt for tokens, and a number that a
    /// process draws at its start, so that a restarted peer is known as such.
    Hello { salt: [u8; 16], boot: [u8; 16] },
    /// Documents of the sender.
    Offer { tokens: Vec<Token> },
    /// Those of the offered that the answering side has too, by its own tokens.
    Match { tokens: Vec<Token> },
    /// First on a document stream.
    Open { token: Token, nonce: [u8; 32] },
    /// The answering side proves the sync key.
    Challenge { nonce: [u8; 32], proof: [u8; 32] },
    /// The opening side proves it too.
    Proof { proof: [u8; 32] },
    /// A digest of everything the sender holds.
    Digest { digest: [u8; 32] },
    /// How far the sender's logs reach; `last` ends the list. Later: what it holds in addition.
    Heads {
        heads: Vec<(AuthorId, Head)>,
        last: bool,
    },
    /// One operation.
    Operation { header: Vec<u8>, body: Vec<u8> },
    /// Everything that the receiver lacked by its heads has been sent.
    Done,
    /// What the sender holds of common documents: see [`super::summary`].
    Summary { marks: Vec<(Token, Mark)> },
    /// The sender has news of these documents and asks for a stream of each.
    Changed { tokens: Vec<Token> },
    /// The sender does not take part in these documents any more.
    Gone { tokens: Vec<Token> },
    /// Logs of which the sender wants nothing from a sequence number on, because it refused the
    /// operation there; only a later opening of the log is of use to it.
    Declined { logs: Vec<(AuthorId, u64)> },
    /// The proof that a log goes on in two ways: two encoded headers.
    Fork { one: Vec<u8>, other: Vec<u8> },
    /// Asks for the sender's form of a log: `whole`, or the header at one place alone.
    Fetch {
        author: AuthorId,
        from: u64,
        whole: bool,
    },
    /// One operation of what was fetched; the body is empty where a header alone was asked for.
    /// `last` ends the answer, and such a frame carries nothing.
    Branch {
        last: bool,
        header: Vec<u8>,
        body: Vec<u8>,
    },
    /// The sender gets a log from somebody else too: of what others than the receiver wrote it need
    /// not be sent what it has not been seen to lack for a while.
    Prune { author: AuthorId },
    /// First on a stream about assignments; what follows are frames of their own.
    Assignments,
}

impl Frame {
    /// The frame with its length in front.
    pub(crate) fn encode(&self) -> Vec<u8> {
        framing::encode(|encoder| self.encode_fields(encoder))
    }

    fn encode_fields(&self, encoder: &mut Encoder<&mut Vec<u8>>) -> Written {
        match self {
            Self::Hello { salt, boot } => {
                encoder.array(3)?.u8(0)?.bytes(salt)?.bytes(boot)?;
            }
            Self::Offer { tokens } => encode_tokens(encoder, 1, tokens)?,
            Self::Match { tokens } => encode_tokens(encoder, 2, tokens)?,
            Self::Open { token, nonce } => {
                encoder.array(3)?.u8(3)?.bytes(token)?.bytes(nonce)?;
            }
            Self::Challenge { nonce, proof } => {
                encoder.array(3)?.u8(4)?.bytes(nonce)?.bytes(proof)?;
            }
            Self::Proof { proof } => {
                encoder.array(2)?.u8(5)?.bytes(proof)?;
            }
            Self::Digest { digest } => {
                encoder.array(2)?.u8(6)?.bytes(digest)?;
            }
            Self::Heads { heads, last } => {
                encoder
                    .array(3)?
                    .u8(7)?
                    .bool(*last)?
                    .array(heads.len() as u64)?;
                for (author, head) in heads {
                    encoder
                        .array(3)?
                        .bytes(author.as_bytes())?
                        .u64(head.next)?
                        .bytes(head.id.as_bytes())?;
                }
            }
            Self::Operation { header, body } => {
                encoder.array(3)?.u8(8)?.bytes(header)?.bytes(body)?;
            }
            Self::Done => {
                encoder.array(1)?.u8(9)?;
            }
            Self::Summary { marks } => {
                encoder.array(2)?.u8(16)?.array(marks.len() as u64)?;
                for (token, mark) in marks {
                    encoder.array(2)?.bytes(token)?.bytes(mark)?;
                }
            }
            Self::Changed { tokens } => encode_tokens(encoder, 17, tokens)?,
            Self::Gone { tokens } => encode_tokens(encoder, 18, tokens)?,
            Self::Declined { logs } => {
                encoder.array(2)?.u8(10)?.array(logs.len() as u64)?;
                for (author, sequence) in logs {
                    encoder.array(2)?.bytes(author.as_bytes())?.u64(*sequence)?;
                }
            }
            Self::Fork { one, other } => {
                encoder.array(3)?.u8(11)?.bytes(one)?.bytes(other)?;
            }
            Self::Fetch {
                author,
                from,
                whole,
            } => {
                encoder.array(4)?.u8(12)?.bytes(author.as_bytes())?;
                encoder.u64(*from)?.bool(*whole)?;
            }
            Self::Branch { last, header, body } => {
                encoder.array(4)?.u8(13)?.bool(*last)?;
                encoder.bytes(header)?.bytes(body)?;
            }
            Self::Prune { author } => {
                encoder.array(2)?.u8(14)?.bytes(author.as_bytes())?;
            }
            Self::Assignments => {
                encoder.array(1)?.u8(32)?;
            }
        }
        Ok(())
    }

    /// Decodes the bytes behind the length.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        framing::decode(bytes, |tag, elements, decoder| {
            Ok(match (tag, elements) {
                (0, 3) => Self::Hello {
                    salt: fixed(decoder)?,
                    boot: fixed(decoder)?,
                },
                (1, 2) => Self::Offer {
                    tokens: decode_tokens(decoder)?,
                },
                (2, 2) => Self::Match {
                    tokens: decode_tokens(decoder)?,
                },
                (3, 3) => Self::Open {
                    token: fixed(decoder)?,
                    nonce: fixed(decoder)?,
                },
                (4, 3) => Self::Challenge {
                    nonce: fixed(decoder)?,
                    proof: fixed(decoder)?,
                },
                (5, 2) => Self::Proof {
                    proof: fixed(decoder)?,
                },
                (6, 2) => Self::Digest {
                    digest: fixed(decoder)?,
                },
                (7, 3) => decode_heads(decoder)?,
                (8, 3) => {
                    let header = bounded(decoder, HEADER_BYTES_MAX)?;
                    let body = bounded(decoder, BODY_BYTES_MAX)?;
                    Self::Operation { header, body }
                }
                (9, 1) => Self::Done,
                (10, 2) => decode_declined(decoder)?,
                (11, 3) => Self::Fork {
                    one: bounded(decoder, HEADER_BYTES_MAX)?,
                    other: bounded(decoder, HEADER_BYTES_MAX)?,
                },
                (12, 4) => Self::Fetch {
                    author: AuthorId::from_bytes(fixed(decoder)?),
                    from: decoder.u64()?,
                    whole: decoder.bool()?,
                },
                (13, 4) => Self::Branch {
                    last: decoder.bool()?,
                    header: bounded(decoder, HEADER_BYTES_MAX)?,
                    body: bounded(decoder, BODY_BYTES_MAX)?,
                },
                (14, 2) => Self::Prune {
                    author: AuthorId::from_bytes(fixed(decoder)?),
                },
                (16, 2) => {
                    let count = count(decoder, MARKS_PER_FRAME_MAX)?;
                    let marks = (0..count)
                        .map(|_| {
                            if decoder.array()? != Some(2) {
                                return Err(Malformed);
                            }
                            Ok((fixed(decoder)?, fixed(decoder)?))
                        })
                        .collect::<Result<_, _>>()?;
                    Self::Summary { marks }
                }
                (17, 2) => Self::Changed {
                    tokens: decode_tokens(decoder)?,
                },
                (18, 2) => Self::Gone {
                    tokens: decode_tokens(decoder)?,
                },
                (32, 1) => Self::Assignments,
                _ => return Err(Malformed),
            })
        })
    }
}

fn encode_tokens(encoder: &mut Encoder<&mut Vec<u8>>, tag: u8, tokens: &[Token]) -> Written {
    encoder.array(2)?.u8(tag)?.array(tokens.len() as u64)?;
    for token in tokens {
        encoder.bytes(token)?;
    }
    Ok(())
}

fn decode_tokens(decoder: &mut Decoder<'_>) -> Result<Vec<Token>, Malformed> {
    let count = count(decoder, TOKENS_PER_FRAME_MAX)?;
    (0..count).map(|_| fixed(decoder)).collect()
}

fn decode_heads(decoder: &mut Decoder<'_>) -> Result<Frame, Malformed> {
    let last = decoder.bool()?;
    let count = count(decoder, HEADS_PER_FRAME_MAX)?;
    let mut heads = Vec::with_capacity(count);
    for _ in 0..count {
        if decoder.array()? != Some(3) {
            return Err(Malformed);
        }
        let author = AuthorId::from_bytes(fixed(decoder)?);
        let next = decoder.u64()?;
        let id = OperationId::from_bytes(fixed(decoder)?);
        let base = 0;
        heads.push((author, Head { next, id, base }));
    }
    Ok(Frame::Heads { heads, last })
}

fn decode_declined(decoder: &mut Decoder<'_>) -> Result<Frame, Malformed> {
    let count = count(decoder, DECLINED_PER_FRAME_MAX)?;
    let mut logs = Vec::with_capacity(count);
    for _ in 0..count {
        if decoder.array()? != Some(2) {
            return Err(Malformed);
        }
        logs.push((AuthorId::from_bytes(fixed(decoder)?), decoder.u64()?));
    }
    Ok(Frame::Declined { logs })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn frames() -> Vec<Frame> {
        let head = Head {
            next: 70_000,
            id: OperationId::from_bytes([5; 32]),
            base: 0,
        };
        vec![
            Frame::Hello {
                salt: [1; 16],
                boot: [2; 16],
            },
            Frame::Offer {
                tokens: vec![[3; 16]; 17],
            },
            Frame::Match { tokens: vec![] },
            Frame::Open {
                token: [4; 16],
                nonce: [5; 32],
            },
            Frame::Challenge {
                nonce: [6; 32],
                proof: [7; 32],
            },
            Frame::Proof { proof: [8; 32] },
            Frame::Digest { digest: [9; 32] },
            Frame::Heads {
                heads: vec![(AuthorId::from_bytes([1; 32]), head)],
                last: true,
            },
            Frame::Operation {
                header: vec![1; 300],
                body: vec![2; 70_000],
            },
            Frame::Summary {
                marks: vec![([1; 16], [2; 16]); 3],
            },
            Frame::Changed {
                tokens: vec![[4; 16]; 2],
            },
            Frame::Gone {
                tokens: vec![[5; 16]],
            },
            Frame::Done,
            Frame::Prune {
                author: AuthorId::from_bytes([8; 32]),
            },
            Frame::Declined {
                logs: vec![(AuthorId::from_bytes([3; 32]), 70_000)],
            },
            Frame::Fork {
                one: vec![1; 300],
                other: vec![2; 300],
            },
            Frame::Fetch {
                author: AuthorId::from_bytes([3; 32]),
                from: 70_000,
                whole: true,
            },
            Frame::Branch {
                last: false,
                header: vec![1; 300],
                body: vec![2; 70_000],
            },
            Frame::Assignments,
        ]
    }

    #[test]
    fn every_frame_survives_the_round_trip_and_no_cut_of_it_does() {
        for frame in frames() {
            let bytes = frame.encode();
            let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            assert_eq!(length, bytes.len() - 4);
            assert_eq!(Frame::decode(&bytes[4..]), Ok(frame));
            for end in 4..bytes.len().min(2_000) {
                assert!(Frame::decode(&bytes[4..end]).is_err());
            }
        }
    }

    #[test]
    fn declared_counts_beyond_the_bound_are_refused_before_anything_is_reserved() {
        // [1, array of 2^32 - 1 …]
        let bytes = [0x82, 0x01, 0x9a, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Frame::decode(&bytes), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Frame::decode(&bytes);
        }

        #[test]
        fn no_mutation_makes_the_decoder_panic(which in 0_usize..14, at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = frames()[which].encode();
            let at = 4 + at.index(bytes.len() - 4);
            bytes[at] = to;
            let _ = Frame::decode(&bytes[4..]);
        }
    }
}
