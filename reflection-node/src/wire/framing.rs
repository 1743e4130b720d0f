// SPDX-License-Identifier: GPL-3.0-or-later
//! How messages travel on a stream: CBOR arrays `[tag, …]`, each behind its length as four
//! big-endian bytes.
//!
//! Invariants: nothing is reserved for a length or a count beyond its bound; bytes that are left
//! over make a frame malformed.

use std::convert::Infallible;
use std::io;

use minicbor::{Decoder, Encoder};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of the length in front of a frame.
pub(crate) const LENGTH_BYTES: usize = 4;

/// The bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed frame")]
pub(crate) struct Malformed;

impl From<minicbor::decode::Error> for Malformed {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Stream(#[from] io::Error),
    #[error("a frame was announced that is larger than any")]
    TooLarge,
}

/// Writing to a vector cannot fail: the error type is uninhabited.
pub(crate) type Written = Result<(), minicbor::encode::Error<Infallible>>;

/// A frame with its length in front; `fields` writes the array.
pub(crate) fn encode(fields: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Written) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH_BYTES];
    let written = fields(&mut Encoder::new(&mut bytes));
    debug_assert!(written.is_ok());
    let length = u32::try_from(bytes.len() - LENGTH_BYTES).unwrap_or(u32::MAX);
    bytes[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Decodes the bytes behind a length; `fields` gets the tag, the number of the array's elements
/// and what follows the tag.
pub(crate) fn decode<F>(
    bytes: &[u8],
    fields: impl FnOnce(u8, u64, &mut Decoder<'_>) -> Result<F, Malformed>,
) -> Result<F, Malformed> {
    let mut decoder = Decoder::new(bytes);
    let elements = decoder.array()?.ok_or(Malformed)?;
    let tag = decoder.u8()?;
    let frame = fields(tag, elements, &mut decoder)?;
    if decoder.position() == bytes.len() {
        Ok(frame)
    } else {
        Err(Malformed)
    }
}

/// The length of an array of at most `most` elements.
pub(crate) fn count(decoder: &mut Decoder<'_>, most: usize) -> Result<usize, Malformed> {
    let count = decoder.array()?.ok_or(Malformed)?;
    usize::try_from(count)
        .ok()
        .filter(|&count| count <= most)
        .ok_or(Malformed)
}

/// Exactly so many bytes.
pub(crate) fn fixed<const N: usize>(decoder: &mut Decoder<'_>) -> Result<[u8; N], Malformed> {
    decoder.bytes()?.try_into().map_err(|_| Malformed)
}

/// At most so many bytes.
pub(crate) fn bounded(decoder: &mut Decoder<'_>, most: usize) -> Result<Vec<u8>, Malformed> {
    let bytes = decoder.bytes()?;
    if bytes.len() > most {
        Err(Malformed)
    } else {
        Ok(bytes.to_vec())
    }
}

/// The length that stands in front of a frame, if the frame has at most `most` bytes.
pub(crate) fn length(bytes: [u8; LENGTH_BYTES], most: usize) -> Result<usize, ReadError> {
    usize::try_from(u32::from_be_bytes(bytes))
        .ok()
        .filter(|&length| length <= most)
        .ok_or(ReadError::TooLarge)
}

/// Reads the bytes of one frame, without the length, which may be at most `most`.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut announced = [0; LENGTH_BYTES];
    stream.read_exact(&mut announced).await?;
    let mut bytes = vec![0; length(announced, most)?];
    stream.read_exact(&mut bytes).await?;
    #[cfg(feature = "testing")]
    crate::testing::tape::heard(&bytes);
    Ok(bytes)
}
