// SPDX-License-Identifier: GPL-3.0-or-later
//! Frames as they come from a peer's stream.

use std::time::Duration;

use iroh::endpoint::{RecvStream, SendStream};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use super::driver::DriverError;
use super::exchange::ExchangeError;
use super::frame::Frame;
use super::patience;
use crate::wire::framing::{self, LENGTH_BYTES, ReadError};

/// While a frame is under way, so many bytes of it have to arrive in [`CHUNK_TIMEOUT`].
const CHUNK_BYTES: usize = 16 * 1024;
const CHUNK_TIMEOUT: Duration = Duration::from_secs(15);

/// Reads one frame of at most `most` bytes; also gives its size on the wire.
pub(crate) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    most: usize,
) -> Result<(Frame, usize), DriverError> {
    let bytes = framing::read(stream, most).await?;
    decode(&bytes)
}

/// Reads the next frame of a peer that may be silent as long as it likes, but not between the
/// first byte of a frame and its last.
pub(crate) async fn next_frame(
    stream: &mut (impl AsyncBufRead + Unpin),
    most: usize,
) -> Result<(Frame, usize), DriverError> {
    if stream.fill_buf().await.map_err(read_error)?.is_empty() {
        return Err(DriverError::Ended);
    }
    let mut announced = [0; LENGTH_BYTES];
    read_in_time(stream, &mut announced).await?;
    let mut bytes = vec![0; framing::length(announced, most)?];
    for chunk in bytes.chunks_mut(CHUNK_BYTES) {
        read_in_time(stream, chunk).await?;
    }
    #[cfg(feature = "testing")]
    crate::testing::tape::heard(&bytes);
    decode(&bytes)
}

fn decode(bytes: &[u8]) -> Result<(Frame, usize), DriverError> {
    let frame = Frame::decode(bytes).map_err(|_| DriverError::Malformed)?;
    Ok((frame, bytes.len() + LENGTH_BYTES))
}

async fn read_in_time(
    stream: &mut (impl AsyncBufRead + Unpin),
    bytes: &mut [u8],
) -> Result<(), DriverError> {
    match tokio::time::timeout(patience(CHUNK_TIMEOUT), stream.read_exact(bytes)).await {
        Ok(read) => read.map(|_| ()).map_err(read_error),
        Err(_) => Err(ExchangeError::TimedOut.into()),
    }
}

#[allow(clippy::needless_pass_by_value)]
fn read_error(error: std::io::Error) -> DriverError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        DriverError::Ended
    } else {
        DriverError::Connection(error.to_string())
    }
}

impl From<ReadError> for DriverError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Stream(error) => read_error(error),
            ReadError::TooLarge => Self::Malformed,
        }
    }
}

/// The two halves of a document stream.
pub(crate) struct Streams {
    pub(crate) send: SendStream,
    pub(crate) receive: BufReader<RecvStream>,
}
