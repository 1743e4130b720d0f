// SPDX-License-Identifier: GPL-3.0-or-later
//! The first words of both sides, by which each knows the run and the salt of the other.

use iroh::endpoint::{Connection, ConnectionError, RecvStream, SendStream};
use tokio::io::BufReader;

use super::CONTROL_FRAME_BYTES_MAX;
use crate::network::peers::Boot;
use crate::sync::driver::DriverError;
use crate::sync::frame::Frame;
use crate::sync::stream::read_frame;

pub(super) struct Greeted {
    pub(super) send: SendStream,
    pub(super) receive: BufReader<RecvStream>,
    pub(super) own_salt: [u8; 16],
    pub(super) salt: [u8; 16],
    pub(super) boot: Boot,
}

pub(super) async fn greet(
    connection: &Connection,
    boot: Boot,
    is_dialer: bool,
) -> Result<Greeted, DriverError> {
    let lost = |error: ConnectionError| DriverError::Connection(error.to_string());
    let (mut send, receive) = if is_dialer {
        connection.open_bi().await.map_err(lost)?
    } else {
        connection.accept_bi().await.map_err(lost)?
    };
    let own_salt = crate::random::array();
    let hello = Frame::Hello {
        salt: own_salt,
        boot,
    }
    .encode();
    send.write_all(&hello)
        .await
        .map_err(|error| DriverError::Connection(error.to_string()))?;
    let mut receive = BufReader::new(receive);
    match read_frame(&mut receive, CONTROL_FRAME_BYTES_MAX).await?.0 {
        Frame::Hello { salt, boot } => Ok(Greeted {
            send,
            receive,
            own_salt,
            salt,
            boot,
        }),
        _ => Err(DriverError::Malformed),
    }
}
