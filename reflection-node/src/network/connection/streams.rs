// SPDX-License-Identifier: GPL-3.0-or-later
//! Frames of the control stream, and the streams that the peer opens.

use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::io::BufReader;
use tokio::sync::mpsc;

use super::{CONTROL_FRAME_BYTES_MAX, HELLO_TIMEOUT};
use crate::sync::driver::DriverError;
use crate::sync::frame::{Frame, Token};
use crate::sync::patience;
use crate::sync::stream::{Streams, next_frame, read_frame};

/// With this one if a document stream does not begin with an `Open`.
const OPENING_CODE: u32 = 4;

/// Document streams at once that have not been opened yet.
const OPENINGS_MAX: usize = 64;
/// Bytes of a document stream that are read at once.
const STREAM_BUFFER_BYTES: usize = 64 * 1024;

/// A stream that the peer opened.
pub(super) enum Opened {
    Document {
        token: Token,
        nonce: [u8; 32],
        streams: Streams,
    },
    Assignments(Streams),
}

/// Writes a control frame. A peer that does not read is not waited for.
pub(super) async fn say(send: &mut SendStream, frame: &Frame) -> Result<(), String> {
    let bytes = frame.encode();
    match tokio::time::timeout(patience(HELLO_TIMEOUT), send.write_all(&bytes)).await {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(_) => Err("the peer does not read".into()),
    }
}

pub(super) async fn read_control(
    mut receive: BufReader<RecvStream>,
    control: mpsc::Sender<Result<Frame, DriverError>>,
) {
    loop {
        let frame = next_frame(&mut receive, CONTROL_FRAME_BYTES_MAX).await;
        let is_last = frame.is_err();
        if control.send(frame.map(|(frame, _)| frame)).await.is_err() || is_last {
            return;
        }
    }
}

/// Accepts document streams and reads the first frame of each. A stream that does not begin as it
/// must ends the connection.
pub(super) async fn accept(connection: Connection, opened: mpsc::Sender<Opened>) {
    let mut opening = tokio::task::JoinSet::new();
    while let Ok((send, receive)) = connection.accept_bi().await {
        while opening.try_join_next().is_some() {}
        if opening.len() >= OPENINGS_MAX {
            opening.join_next().await;
        }
        let (opened, connection) = (opened.clone(), connection.clone());
        opening.spawn(async move {
            let mut receive = BufReader::with_capacity(STREAM_BUFFER_BYTES, receive);
            let first = tokio::time::timeout(
                patience(HELLO_TIMEOUT),
                read_frame(&mut receive, CONTROL_FRAME_BYTES_MAX),
            );
            let streams = |receive| Streams { send, receive };
            let stream = match first.await {
                Ok(Ok((Frame::Open { token, nonce }, _))) => Opened::Document {
                    token,
                    nonce,
                    streams: streams(receive),
                },
                Ok(Ok((Frame::Assignments, _))) => Opened::Assignments(streams(receive)),
                Ok(Err(DriverError::Connection(_))) => return,
                _ => {
                    connection.close(OPENING_CODE.into(), b"a stream was not opened");
                    return;
                }
            };
            let _ = opened.send(stream).await;
        });
    }
}
