// SPDX-License-Identifier: GPL-3.0-or-later
//! The header: a CBOR array of twelve elements in deterministic encoding (RFC 8949 §4.2).

use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::{HEADER_BYTES_MAX, Kind, OperationId};
use crate::access::TopicId;
use crate::identity::{AuthorId, AuthorKey};

const FORMAT_VERSION: u64 = 1;
const ELEMENTS: u64 = 12;
const SIGNATURE_DOMAIN: &[u8] = b"app.reflection operation v1";
/// Sequence numbers stay below this, so that they fit SQLite's signed integers with room.
const SEQUENCE_MAX: u64 = 1 << 48;

/// Why bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Longer than any header.
    #[error("too large")]
    TooLarge,
    /// Written by a newer program.
    #[error("unknown version")]
    UnknownVersion,
    /// Not CBOR of the right shape.
    #[error("not a header")]
    Malformed,
    /// The right values in another spelling.
    #[error("not in the one allowed encoding")]
    NotCanonical,
    /// A number outside its range, or a backlink where none belongs.
    #[error("a field is out of its range")]
    OutOfRange,
}

/// The signed part of an operation that everybody can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who made it.
    pub author: AuthorId,
    /// The document it belongs to.
    pub topic: TopicId,
    /// Its place in the author's log, from 0.
    pub sequence: u64,
    /// The operation before it; absent at 0.
    pub backlink: Option<OperationId>,
    /// The author's clock, microseconds since 1970. A claim, never used for order.
    pub time_us: u64,
    /// What it is.
    pub kind: Kind,
    /// Which CRDT identity of the author the body was made under.
    pub incarnation: u64,
    /// The right to write, where the operation opens a log.
    pub write_proof: Option<[u8; 64]>,
    /// Bytes of the sealed body.
    pub body_size: u32,
    /// BLAKE3 of the sealed body.
    pub body_hash: [u8; 32],
    /// Ed25519 over all of the above.
    pub signature: [u8; 64],
}

/// What its author decides about an operation; the rest follows from the body.
pub(crate) struct NewHeader {
    pub(crate) topic: TopicId,
    pub(crate) sequence: u64,
    pub(crate) backlink: Option<OperationId>,
    pub(crate) time_us: u64,
    pub(crate) kind: Kind,
    pub(crate) incarnation: u64,
    pub(crate) write_proof: Option<[u8; 64]>,
}

impl NewHeader {
    pub(crate) fn sign(self, key: &AuthorKey, body: &[u8]) -> Header {
        let mut header = Header {
            author: key.id(),
            topic: self.topic,
            sequence: self.sequence,
            backlink: self.backlink,
            time_us: self.time_us,
            kind: self.kind,
            incarnation: self.incarnation,
            write_proof: self.write_proof,
            body_size: u32::try_from(body.len()).unwrap_or(u32::MAX),
            body_hash: *blake3::hash(body).as_bytes(),
            signature: [0; 64],
        };
        header.signature = key.sign(&header.signed_message()).to_bytes();
        header
    }
}

impl Header {
    /// Whether this operation begins its author's log.
    pub fn opens_log(&self) -> bool {
        self.sequence == 0 || self.kind == Kind::Compaction
    }

    /// Decodes one header; nothing may follow it.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() > HEADER_BYTES_MAX {
            return Err(HeaderError::TooLarge);
        }
        let header = Self::decode_fields(&mut Decoder::new(bytes))?;
        // One encoding alone is allowed: the one we would write.
        if header.encode() != bytes {
            return Err(HeaderError::NotCanonical);
        }
        if header.sequence >= SEQUENCE_MAX
            || header.backlink.is_some() != (header.sequence > 0)
            || i64::try_from(header.time_us).is_err()
            || i64::try_from(header.incarnation).is_err()
        {
            return Err(HeaderError::OutOfRange);
        }
        Ok(header)
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Self, HeaderError> {
        let malformed = |_| HeaderError::Malformed;
        let elements = decoder.array().map_err(malformed)?;
        let version = decoder.u64().map_err(malformed)?;
        if version != FORMAT_VERSION {
            return Err(HeaderError::UnknownVersion);
        }
        if elements != Some(ELEMENTS) {
            return Err(HeaderError::Malformed);
        }
        Ok(Self {
            author: AuthorId::from_bytes(fixed(decoder)?),
            topic: TopicId::from_bytes(fixed(decoder)?),
            sequence: decoder.u64().map_err(malformed)?,
            backlink: optional(decoder)?.map(OperationId::from_bytes),
            time_us: decoder.u64().map_err(malformed)?,
            kind: match decoder.u64().map_err(malformed)? {
                0 => Kind::Edit,
                1 => Kind::Compaction,
                _ => return Err(HeaderError::OutOfRange),
            },
            incarnation: decoder.u64().map_err(malformed)?,
            write_proof: optional(decoder)?,
            body_size: decoder.u32().map_err(malformed)?,
            body_hash: fixed(decoder)?,
            signature: fixed(decoder)?,
        })
    }

    /// The one encoding of this header.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.encode_unsigned(ELEMENTS);
        let mut encoder = Encoder::new(&mut bytes);
        infallible(encoder.bytes(&self.signature));
        bytes
    }

    fn signed_message(&self) -> Vec<u8> {
        [SIGNATURE_DOMAIN, &self.encode_unsigned(ELEMENTS - 1)].concat()
    }

    fn encode_unsigned(&self, elements: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(320);
        let mut encoder = Encoder::new(&mut bytes);
        infallible(encoder.array(elements));
        infallible(encoder.u64(FORMAT_VERSION));
        infallible(encoder.bytes(self.author.as_bytes()));
        infallible(encoder.bytes(self.topic.as_bytes()));
        infallible(encoder.u64(self.sequence));
        encode_optional(
            &mut encoder,
            self.backlink.as_ref().map(|id| &id.as_bytes()[..]),
        );
        infallible(encoder.u64(self.time_us));
        infallible(encoder.u64(match self.kind {
            Kind::Edit => 0,
            Kind::Compaction => 1,
        }));
        infallible(encoder.u64(self.incarnation));
        encode_optional(
            &mut encoder,
            self.write_proof.as_ref().map(|proof| &proof[..]),
        );
        infallible(encoder.u32(self.body_size));
        infallible(encoder.bytes(&self.body_hash));
        bytes
    }

    pub(crate) fn verify_signature(&self) -> bool {
        let key = self.author.verifying_key();
        key.is_some_and(|key| self.is_signed_with(&key))
    }

    /// The same where the author's key has been made already.
    pub(crate) fn is_signed_with(&self, key: &VerifyingKey) -> bool {
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&self.signed_message(), &signature)
            .is_ok()
    }
}

type Written<'a, 'b> =
    Result<&'a mut Encoder<&'b mut Vec<u8>>, minicbor::encode::Error<std::convert::Infallible>>;

/// Writing to a vector cannot fail; the error type says so, and an error would need a value of
/// an uninhabited type.
#[allow(clippy::needless_pass_by_value)]
fn infallible(written: Written<'_, '_>) {
    debug_assert!(written.is_ok());
}

fn encode_optional(encoder: &mut Encoder<&mut Vec<u8>>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => infallible(encoder.bytes(bytes)),
        None => infallible(encoder.null()),
    }
}

fn fixed<const N: usize>(decoder: &mut Decoder<'_>) -> Result<[u8; N], HeaderError> {
    decoder
        .bytes()
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(HeaderError::Malformed)
}

fn optional<const N: usize>(decoder: &mut Decoder<'_>) -> Result<Option<[u8; N]>, HeaderError> {
    if decoder.datatype().map_err(|_| HeaderError::Malformed)? == Type::Null {
        decoder.null().map_err(|_| HeaderError::Malformed)?;
        return Ok(None);
    }
    fixed(decoder).map(Some)
}
