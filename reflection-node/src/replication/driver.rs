// SPDX-License-Identifier: GPL-3.0-or-later
//! Runs the talks about assignments over a stream of the connection to a peer, and the store.
//!
//! The side that assigns opens the stream, and again with growing pauses where the talk ends
//! before its time; the replica answers each request once it is committed.

mod assigning;
mod hosting;

use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::io::BufReader;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use self::assigning::assign;
pub(crate) use self::assigning::{forget_stored, leave};
use self::hosting::host;
use super::assigner::TalkError;
use super::frame::{FRAME_BYTES_MAX, Frame};
use crate::identity::AuthorId;
use crate::network::PeersHandle;
use crate::shared::Shared;
use crate::store::StoreError;
use crate::sync::proof::Salts;
use crate::sync::stream::Streams;
use crate::wire::framing::{self, ReadError};

/// How long the proofs and the list may take.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a peer may take to read an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Frames that wait to be handled.
const QUEUE_FRAMES_MAX: usize = 16;

/// Why a talk ended.
#[derive(Debug, thiserror::Error)]
enum DriverError {
    #[error("the replica does not know the ticket, or takes no documents at present")]
    NotWelcome,
    #[error("the connection failed")]
    Connection,
    #[error("the peer sent something that is not a frame")]
    Malformed,
    #[error("the peer took too long")]
    TimedOut,
    #[error(transparent)]
    Talk(#[from] TalkError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The peer proved a ticket: it is no stranger.
    Acquainted,
    /// There is room again for what was refused: the sessions are to begin again.
    HasRoom,
}

/// Where to tell it.
type Tell = mpsc::Sender<Told>;

/// What one connection has to do with replication: a talk in which we assign, and one in which the
/// peer does, at most one of each at once. Both end with the connection.
pub(crate) struct Link {
    shared: Arc<Shared>,
    peer: AuthorId,
    salts: Salts,
    peers: PeersHandle,
    told: (Tell, mpsc::Receiver<Told>),
    _assigning: AbortOnDropHandle<()>,
    hosting: Option<AbortOnDropHandle<()>>,
}

impl Link {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        connection: &Connection,
        salts: Salts,
        peers: &PeersHandle,
    ) -> Self {
        let peer = AuthorId::from(connection.remote_id());
        let told = mpsc::channel(QUEUE_FRAMES_MAX);
        let assigning = assign(
            Arc::clone(shared),
            connection.clone(),
            peer,
            salts,
            peers.clone(),
            told.0.clone(),
        );
        Self {
            shared: Arc::clone(shared),
            peer,
            salts,
            peers: peers.clone(),
            told,
            _assigning: AbortOnDropHandle::new(tokio::spawn(assigning)),
            hosting: None,
        }
    }

    /// What the connection has to know next.
    pub(crate) async fn told(&mut self) -> Told {
        match self.told.1.recv().await {
            Some(told) => told,
            // Not while a sender is kept here.
            None => std::future::pending().await,
        }
    }

    /// Answers a stream on which the peer wants to speak of assignments.
    pub(crate) fn host(&mut self, streams: Streams) {
        // A second stream replaces the first: its opener gave that one up.
        self.hosting = Some(AbortOnDropHandle::new(tokio::spawn(host(
            Arc::clone(&self.shared),
            streams,
            self.peer,
            self.salts,
            self.peers.clone(),
            self.told.0.clone(),
        ))));
    }
}

/// The incoming frames; ends with the stream.
struct Reader {
    frames: mpsc::Receiver<Result<Frame, DriverError>>,
    _task: AbortOnDropHandle<()>,
}

impl Reader {
    fn spawn(mut stream: BufReader<RecvStream>) -> Self {
        let (sender, frames) = mpsc::channel(QUEUE_FRAMES_MAX);
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                let frame = read_frame(&mut stream).await;
                let is_last = frame.is_err();
                if sender.send(frame).await.is_err() || is_last {
                    return;
                }
            }
        }));
        Self {
            frames,
            _task: task,
        }
    }

    async fn next(&mut self) -> Result<Frame, DriverError> {
        self.frames
            .recv()
            .await
            .unwrap_or(Err(DriverError::Connection))
    }
}

async fn read_frame(stream: &mut BufReader<RecvStream>) -> Result<Frame, DriverError> {
    let bytes = framing::read(stream, FRAME_BYTES_MAX)
        .await
        .map_err(|error| match error {
            ReadError::Stream(_) => DriverError::Connection,
            ReadError::TooLarge => DriverError::Malformed,
        })?;
    Frame::decode(&bytes).map_err(|_| DriverError::Malformed)
}

async fn write_bytes(stream: &mut SendStream, bytes: &[u8]) -> Result<(), DriverError> {
    match tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(bytes)).await {
        Ok(written) => written.map_err(|_| DriverError::Connection),
        Err(_) => Err(DriverError::TimedOut),
    }
}
