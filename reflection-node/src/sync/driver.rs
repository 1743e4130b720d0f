// SPDX-License-Identifier: GPL-3.0-or-later
//! Runs an [`Exchange`] over a QUIC stream and the store.
//!
//! Three tasks: one reads frames, one writes them, and one between them drives the machine. None
//! ever waits for a peer while holding something that another one needs, so both directions flow
//! at once. What is held of a peer's data is bounded by [`INCOMING_KIB_MAX`] and the batches.

mod announce;
mod work;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use iroh::endpoint::{RecvStream, SendStream};
use tokio::io::BufReader;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::exchange::{Action, Exchange, ExchangeError};
use super::frame::{FRAME_BYTES_MAX, Frame};
use super::heights::Heights;
use super::patience;
use super::session::Session;
use super::stream::{Streams, next_frame};
use crate::access::TopicId;
use crate::identity::{AuthorId, VerifyingKeys};
use crate::operation::{Operation, OperationError};
use crate::pipeline::{Commit, Ingested, Verified};
use crate::replication::progress;
use crate::shared::{KnownDocument, PeerStatus, Shared};
use crate::store::documents::DocumentRow;
use crate::store::peers::Confirmed;
use crate::store::{Durability, StoreError, forks, operations, peers};

#[cfg(feature = "testing")]
pub(crate) use announce::announce_heights;
#[cfg(feature = "testing")]
pub(crate) use work::is_forked;

/// Kibibytes of received frames that wait for the machine.
const INCOMING_KIB_MAX: usize = 2 * 1024;
/// Frames that wait for the machine.
const INCOMING_FRAMES_MAX: usize = 1024;
/// How long a peer may not take what is written to it.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// Writes that wait, each of some kibibytes or one frame.
const OUTGOING_WRITES_MAX: usize = 4;

/// Why a document's session with a peer ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriverError {
    #[error("the peer ended the stream")]
    Ended,
    #[error("the connection failed: {0}")]
    Connection(String),
    #[error("the peer sent something that is not a frame")]
    Malformed,
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("closed here")]
    Cancelled,
}

/// Counts the sessions and summaries of this process.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// A number by which what is reported later is told from what was reported before.
pub(crate) fn next_number() -> u64 {
    NEXT_NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// How a session ended.
pub(crate) struct Outcome {
    /// Whether both sides held the same then; the peer's status stays in this case.
    pub(crate) is_in_step: bool,
    /// Tells what has been committed here since it looked last.
    pub(crate) commits: tokio::sync::watch::Receiver<Commit>,
    /// Whether the peer broke the rules, rather than the document or the connection being bad.
    pub(crate) is_breach: bool,
}

/// A frame and its size on the wire, in bytes.
type Incoming = (Frame, usize, OwnedSemaphorePermit);
/// What passed, what did not, and the keys that were made for it.
type Checked = (
    Vec<Verified>,
    Vec<(AuthorId, OperationError)>,
    VerifyingKeys,
);
type Verifying = Pin<Box<dyn Future<Output = Result<Checked, JoinError>> + Send>>;
type Storing = Pin<Box<dyn Future<Output = Result<Ingested, StoreError>> + Send>>;
/// Something that is being done about a log that goes on in two ways.
type Work<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;
type Reading = Pin<Box<dyn Future<Output = Result<Vec<Operation>, StoreError>> + Send>>;

/// One session at work.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    peer: AuthorId,
    topic: TopicId,
    document: KnownDocument,
    exchange: Exchange,
    /// Of those whose operations the peer has sent.
    authors: VerifyingKeys,
    commits: tokio::sync::watch::Receiver<Commit>,
    verifying: Option<Verifying>,
    storing: Option<Storing>,
    reading: Option<Reading>,
    examining: Option<Work<()>>,
    comparing: Option<Work<bool>>,
    mending: Option<Work<bool>>,
    started: Instant,
    /// By which a status that this session reported is told from its successor's.
    number: u64,
}

impl Driver {
    /// A driver for a session that was just made from `commits`' present heights.
    pub(crate) fn new(
        shared: Arc<Shared>,
        peer: AuthorId,
        document: KnownDocument,
        session: Session,
        commits: tokio::sync::watch::Receiver<Commit>,
    ) -> Self {
        let topic = document.keys.topic();
        let mut exchange = Exchange::new(shared.id, peer, topic, session, &commits.borrow());
        exchange.committed(&commits.borrow());
        Self {
            exchange,
            authors: VerifyingKeys::default(),
            shared,
            peer,
            topic,
            document,
            commits,
            verifying: None,
            storing: None,
            reading: None,
            examining: None,
            comparing: None,
            mending: None,
            started: Instant::now(),
            number: next_number(),
        }
    }

    /// Runs until the stream or the document ends; always for some reason.
    pub(crate) async fn run(mut self, streams: Streams, cancel: CancellationToken) -> Outcome {
        let (incoming_sender, mut incoming) = mpsc::channel(INCOMING_FRAMES_MAX);
        let reader = AbortOnDropHandle::new(tokio::spawn(read(streams.receive, incoming_sender)));
        let (outgoing, outgoing_receiver) = mpsc::channel(OUTGOING_WRITES_MAX);
        let writer = AbortOnDropHandle::new(tokio::spawn(write(streams.send, outgoing_receiver)));
        let result = tokio::select! {
            () = cancel.cancelled() => Err(DriverError::Cancelled),
            result = self.drive(&mut incoming, &outgoing) => result,
        };
        drop((reader, writer));
        let error = result.err().unwrap_or(DriverError::Ended);
        tracing::debug!(peer = ?self.peer, topic = ?self.topic, %error, "session ended");
        self.end(&error).await
    }

    /// By which this session is told from others.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    async fn drive(
        &mut self,
        incoming: &mut mpsc::Receiver<Result<Incoming, DriverError>>,
        outgoing: &mpsc::Sender<Vec<u8>>,
    ) -> Result<(), DriverError> {
        let row = self.document.row;
        let known = self.shared.readers.run(move |connection| {
            let refusals = operations::refusals(connection, row)?;
            Ok((refusals, forks::all(connection, row)?))
        });
        let (refusals, proofs) = known.await?;
        self.exchange.declined(refusals);
        self.exchange.prove(&proofs);
        loop {
            while let Some(action) = self.exchange.next_action(self.started.elapsed()) {
                self.act(action);
            }
            self.look_at_replica();
            let deadline = self.exchange.deadline().map(|after| self.started + after);
            tokio::select! {
                frame = incoming.recv(), if self.exchange.has_room() => {
                    let (frame, bytes, permit) = frame.ok_or(DriverError::Ended)??;
                    drop(permit);
                    self.exchange.receive(frame, bytes)?;
                }
                permit = outgoing.reserve(), if self.exchange.has_bytes() => {
                    let permit =
                        permit.map_err(|_| DriverError::Connection("cannot write".into()))?;
                    if let Some(bytes) = self.exchange.next_bytes() {
                        permit.send(bytes);
                    }
                }
                operations = optional(self.reading.as_mut()) => {
                    self.reading = None;
                    self.exchange.read(operations?)?;
                }
                verified = optional(self.verifying.as_mut()) => {
                    self.verifying = None;
                    let (verified, refused, authors) =
                        verified.map_err(|error| DriverError::Connection(error.to_string()))?;
                    self.authors = authors;
                    self.exchange.verified(verified, refused)?;
                }
                ingested = optional(self.storing.as_mut()) => {
                    self.storing = None;
                    self.exchange.stored(&ingested?);
                }
                changed = self.commits.changed() => {
                    changed.map_err(|_| DriverError::Cancelled)?;
                    self.exchange.committed(&self.commits.borrow_and_update());
                }
                examined = optional(self.examining.as_mut()) => {
                    self.examining = None;
                    examined?;
                    self.exchange.examined();
                }
                is_forked = optional(self.comparing.as_mut()) => {
                    self.comparing = None;
                    self.exchange.compared(is_forked?);
                }
                mended = optional(self.mending.as_mut()) => {
                    self.mending = None;
                    self.exchange.mended(mended?);
                }
                () = sleep_until(deadline) => self.exchange.expire(self.started.elapsed())?,
            }
        }
    }

    /// Begins what the machine asks for.
    fn act(&mut self, action: Action) {
        match action {
            Action::Verify(batch) => self.verifying = Some(self.verify(batch)),
            Action::Store(batch) => self.storing = Some(self.store(batch)),
            Action::Read(requests) => self.reading = Some(self.read(requests)),
            Action::Examine(evidence) => self.examining = Some(self.examine(evidence)),
            Action::Compare(head) => self.comparing = Some(self.compare(head)),
            Action::Mend(branch) => self.mending = Some(self.mend(branch)),
            Action::Emit(event) => self.shared.events.emit(&event),
            Action::Status(status) => {
                // Who learns that both are equal finds what a replica has confirmed, too.
                self.look_at_replica();
                self.shared
                    .set_status(self.topic, self.peer, self.number, Some(status));
            }
            Action::Confirm(confirmed) => {
                let shared = Arc::clone(&self.shared);
                let (row, peer) = (self.document.row, self.peer);
                tokio::spawn(async move { confirm(&shared, row, peer, confirmed).await });
            }
        }
    }

    /// Takes note of what the peer has confirmed, where it keeps the document for us.
    fn look_at_replica(&self) {
        progress::confirmed(&self.shared, self.peer, self.topic, || self.exchange.held());
    }

    async fn end(&mut self, error: &DriverError) -> Outcome {
        // What was received whole is kept, so that the next session goes on from there.
        if let Some(storing) = self.storing.take()
            && let Ok(ingested) = storing.await
        {
            self.exchange.stored(&ingested);
        }
        let position = {
            let commit = self.commits.borrow_and_update();
            self.exchange.committed(&commit);
            commit.position
        };
        for action in self.exchange.end(self.started.elapsed(), error) {
            if let Action::Confirm(confirmed) = action {
                confirm(&self.shared, self.document.row, self.peer, confirmed).await;
            } else {
                self.act(action);
            }
        }
        self.look_at_replica();
        let is_in_step = self.exchange.is_settled();
        let status = is_in_step.then_some(PeerStatus {
            is_exchanged: true,
            is_in_step: true,
            position,
        });
        self.shared
            .set_status(self.topic, self.peer, self.number, status);
        Outcome {
            is_in_step,
            commits: self.commits.clone(),
            is_breach: match error {
                DriverError::Malformed => true,
                DriverError::Exchange(error) => error.is_breach(),
                _ => false,
            },
        }
    }
}

async fn confirm(shared: &Shared, row: DocumentRow, peer: AuthorId, confirmed: Confirmed) {
    let noted: Result<(), StoreError> = shared
        .writer
        .run(Durability::Refetchable, move |connection, _| {
            peers::confirm(connection, row, &peer, confirmed)
        })
        .await;
    if let Err(error) = noted {
        tracing::debug!(%error, "what a peer confirmed was not noted");
    }
}

/// A future that may not be there; then it never ends.
async fn optional<F: Future + Unpin>(future: Option<&mut F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Ends never where there is no deadline.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn read(
    mut stream: BufReader<RecvStream>,
    incoming: mpsc::Sender<Result<Incoming, DriverError>>,
) {
    let budget = Arc::new(Semaphore::new(INCOMING_KIB_MAX));
    loop {
        let result = next_frame(&mut stream, FRAME_BYTES_MAX).await;
        let item = match result {
            Ok((frame, bytes)) => {
                let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
                match Arc::clone(&budget).acquire_many_owned(kib).await {
                    Ok(permit) => Ok((frame, bytes, permit)),
                    Err(_) => return,
                }
            }
            Err(error) => Err(error),
        };
        let is_last = item.is_err();
        if incoming.send(item).await.is_err() || is_last {
            return;
        }
    }
}

async fn write(mut stream: SendStream, mut outgoing: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = outgoing.recv().await {
        let writing = tokio::time::timeout(patience(WRITE_TIMEOUT), stream.write_all(&bytes));
        if !matches!(writing.await, Ok(Ok(()))) {
            return;
        }
    }
}

/// The heights with which a session begins; the rest follows with the first look at the commits.
pub(crate) fn present_heights(commits: &tokio::sync::watch::Receiver<Commit>) -> Arc<Heights> {
    Arc::clone(&commits.borrow().durable)
}
