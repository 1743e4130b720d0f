// SPDX-License-Identifier: GPL-3.0-or-later
//! Runs a [`Session`] over a QUIC stream and the store.
//!
//! Three tasks: one reads frames, one writes them, and one between them drives the machine. None
//! ever waits for a peer while holding something that another one needs, so both directions flow
//! at once. What is held of a peer's data is bounded by [`INCOMING_KIB_MAX`] and the batches.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use iroh::endpoint::{RecvStream, SendStream};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::frame::{FRAME_BYTES_MAX, Frame};
use super::heights::Heights;
use super::session::{Received, Session, SessionError};
use crate::access::TopicId;
use crate::events::{Event, SyncCounts};
use crate::identity::AuthorId;
use crate::operation::{Operation, OperationError};
use crate::pipeline::{Commit, Ingested, Verified, ingest, verify_batch};
use crate::shared::{KnownDocument, PeerStatus, Shared};
use crate::store::{Durability, StoreError, operations, peers};

/// How long proofs, digests and heads may take.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Kibibytes of received frames that wait for the pipeline.
const INCOMING_KIB_MAX: usize = 4 * 1024;
/// Frames that wait to be written.
const OUTGOING_FRAMES_MAX: usize = 64;
/// Bytes gathered into one write.
const WRITE_BYTES: usize = 64 * 1024;
/// Operations handed to the pipeline at once.
const BATCH_OPERATIONS_MAX: usize = 1_000;
/// Malformed or forged operations after which a peer is cut off.
const BAD_OPERATIONS_MAX: u64 = 16;
/// How often at most it is written down what a peer has confirmed.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(1);

/// Why a document's session with a peer ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriverError {
    #[error("the peer ended the stream")]
    Ended,
    #[error("the connection failed: {0}")]
    Connection(String),
    #[error("the peer sent something that is not a frame")]
    Malformed,
    #[error("the peer took too long")]
    TimedOut,
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("the peer sent too many operations that are not valid")]
    BadOperations,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("closed here")]
    Cancelled,
}

/// Reads one frame of at most `most` bytes; also gives its size on the wire.
pub(crate) async fn read_frame(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
    most: usize,
) -> Result<(Frame, usize), DriverError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.map_err(read_error)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > most {
        return Err(DriverError::Malformed);
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.map_err(read_error)?;
    let frame = Frame::decode(&bytes).map_err(|_| DriverError::Malformed)?;
    Ok((frame, length + 4))
}

#[allow(clippy::needless_pass_by_value)]
fn read_error(error: std::io::Error) -> DriverError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        DriverError::Ended
    } else {
        DriverError::Connection(error.to_string())
    }
}

/// The two halves of a document stream.
pub(crate) struct Streams {
    pub(crate) send: SendStream,
    pub(crate) receive: BufReader<RecvStream>,
}

/// Counts the sessions of this process.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

type Incoming = (Frame, OwnedSemaphorePermit);
type Verifying = JoinHandle<(Vec<Verified>, Vec<(AuthorId, OperationError)>)>;
type Storing = Pin<Box<dyn Future<Output = Result<Ingested, StoreError>> + Send>>;
type Reading = Pin<Box<dyn Future<Output = Result<Vec<Operation>, StoreError>> + Send>>;

/// One session at work.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    peer: AuthorId,
    topic: TopicId,
    document: KnownDocument,
    session: Session,
    commits: tokio::sync::watch::Receiver<Commit>,
    /// Operations encoded and ready to be written.
    ready: VecDeque<Vec<u8>>,
    /// Operations received, not yet verified.
    pending: Vec<Operation>,
    pending_permits: Vec<OwnedSemaphorePermit>,
    verifying: Option<Verifying>,
    verified: Option<Vec<Verified>>,
    storing: Option<Storing>,
    reading: Option<Reading>,
    counts: SyncCounts,
    bytes_in: Arc<AtomicU64>,
    bad_operations: u64,
    started: Instant,
    is_started: bool,
    is_finished: bool,
    /// By which a status that this session reported is told from its successor's.
    number: u64,
    /// The status that was reported last.
    reported: Option<PeerStatus>,
    /// What was written down last of what the peer confirmed, and when.
    noted: Option<(u64, Instant)>,
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
        Self {
            shared,
            peer,
            topic: document.keys.topic(),
            document,
            session,
            commits,
            ready: VecDeque::new(),
            pending: Vec::new(),
            pending_permits: Vec::new(),
            verifying: None,
            verified: None,
            storing: None,
            reading: None,
            counts: SyncCounts::default(),
            bytes_in: Arc::new(AtomicU64::new(0)),
            bad_operations: 0,
            started: Instant::now(),
            is_started: false,
            is_finished: false,
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            reported: None,
            noted: None,
        }
    }

    /// Runs until the stream or the document ends; always for some reason.
    pub(crate) async fn run(mut self, streams: Streams, cancel: CancellationToken) {
        let (incoming_sender, mut incoming) = mpsc::channel(1024);
        let budget = Arc::new(Semaphore::new(INCOMING_KIB_MAX));
        let bytes_in = Arc::clone(&self.bytes_in);
        let reader = AbortOnDropHandle::new(tokio::spawn(read(
            streams.receive,
            incoming_sender,
            budget,
            bytes_in,
        )));
        let (outgoing, outgoing_receiver) = mpsc::channel(OUTGOING_FRAMES_MAX);
        let writer = AbortOnDropHandle::new(tokio::spawn(write(streams.send, outgoing_receiver)));
        let result = tokio::select! {
            () = cancel.cancelled() => Err(DriverError::Cancelled),
            result = self.drive(&mut incoming, &outgoing) => result,
        };
        drop((reader, writer));
        let error = result.err().unwrap_or(DriverError::Ended);
        tracing::debug!(peer = ?self.peer, topic = ?self.topic, %error, "session ended");
        self.end(&error).await;
    }

    async fn drive(
        &mut self,
        incoming: &mut mpsc::Receiver<Result<Incoming, DriverError>>,
        outgoing: &mpsc::Sender<Vec<u8>>,
    ) -> Result<(), DriverError> {
        let deadline = self.started + START_TIMEOUT;
        loop {
            self.advance();
            let has_room = self.pending.len() < BATCH_OPERATIONS_MAX;
            tokio::select! {
                frame = incoming.recv(), if has_room => {
                    let (frame, permit) = frame.ok_or(DriverError::Ended)??;
                    self.take(frame, permit)?;
                }
                permit = outgoing.reserve(), if !self.ready.is_empty() => {
                    let permit =
                        permit.map_err(|_| DriverError::Connection("cannot write".into()))?;
                    if let Some(bytes) = self.ready.pop_front() {
                        self.counts.bytes_out += bytes.len() as u64;
                        permit.send(bytes);
                    }
                }
                operations = optional(self.reading.as_mut()) => {
                    self.reading = None;
                    self.supply(operations?)?;
                }
                verified = optional(self.verifying.as_mut()) => {
                    self.verifying = None;
                    let (verified, refused) =
                        verified.map_err(|error| DriverError::Connection(error.to_string()))?;
                    self.refuse(refused)?;
                    self.verified = Some(verified);
                }
                ingested = optional(self.storing.as_mut()) => {
                    self.storing = None;
                    self.stored(&ingested?);
                }
                changed = self.commits.changed() => {
                    changed.map_err(|_| DriverError::Cancelled)?;
                    let heights = Arc::clone(&self.commits.borrow_and_update().heights);
                    self.session.committed(heights);
                }
                () = tokio::time::sleep_until(deadline), if self.session.is_starting() => {
                    return Err(DriverError::TimedOut);
                }
            }
        }
    }

    /// Starts whatever can be started now, and tells of changes.
    fn advance(&mut self) {
        if self.verifying.is_none() && self.verified.is_none() && !self.pending.is_empty() {
            let batch = std::mem::take(&mut self.pending);
            self.pending_permits.clear();
            let keys = self.document.keys.clone();
            self.verifying = Some(tokio::task::spawn_blocking(move || {
                verify_batch(&keys, batch)
            }));
        }
        if self.storing.is_none()
            && let Some(batch) = self.verified.take()
        {
            self.storing = Some(self.store(batch));
        }
        while self.ready.len() < OUTGOING_FRAMES_MAX
            && let Some(frame) = self.session.next_frame()
        {
            self.ready.push_back(frame.encode());
        }
        if self.reading.is_none()
            && self.ready.is_empty()
            && let Some(request) = self.session.next_request()
        {
            let (shared, row) = (Arc::clone(&self.shared), self.document.row);
            self.reading = Some(Box::pin(async move {
                shared
                    .readers
                    .run(move |connection| {
                        operations::range(
                            connection,
                            row,
                            &request.author,
                            request.from,
                            request.count,
                        )
                    })
                    .await
            }));
        }
        self.report();
    }

    fn take(&mut self, frame: Frame, permit: OwnedSemaphorePermit) -> Result<(), DriverError> {
        match self.session.receive(frame)? {
            Received::Nothing => {}
            Received::Proved => {
                self.is_started = true;
                self.shared.events.emit(&Event::SyncStarted {
                    peer: self.peer,
                    topic: self.topic,
                });
            }
            Received::Operation { header, body } => match Operation::decode(header, body) {
                Ok(operation) if self.session.is_stuck(&operation.author()) => {}
                Ok(operation) => {
                    self.session.heard(&operation)?;
                    self.pending.push(operation);
                    self.pending_permits.push(permit);
                }
                Err(error) => self.refuse(vec![(self.peer, error)])?,
            },
        }
        Ok(())
    }

    fn supply(&mut self, operations: Vec<Operation>) -> Result<(), DriverError> {
        if operations.is_empty() {
            return Err(StoreError::Damaged("a log has a gap").into());
        }
        self.counts.operations_out += operations.len() as u64;
        let frames = self.session.supplied(operations);
        self.ready.extend(frames.iter().map(Frame::encode));
        Ok(())
    }

    fn store(&self, batch: Vec<Verified>) -> Storing {
        let shared = Arc::clone(&self.shared);
        let (keys, topic) = (self.document.keys.clone(), self.topic);
        Box::pin(async move {
            let after = Arc::clone(&shared);
            shared
                .writer
                .run_then(
                    Durability::Refetchable,
                    move |connection, processor| ingest(connection, processor, &keys, batch),
                    move |ingested: &Ingested| announce(&after, topic, ingested),
                )
                .await
        })
    }

    fn stored(&mut self, ingested: &Ingested) {
        self.counts.operations_in += ingested.accepted.values().sum::<u64>();
        let untakeable = ingested
            .refused
            .iter()
            .map(|(author, _)| *author)
            .chain(ingested.forks.iter().map(|(author, _)| *author))
            .chain(ingested.stuck.iter().copied());
        for author in untakeable {
            self.session.give_up(author);
        }
        if ingested.early > 0 {
            tracing::debug!(peer = ?self.peer, early = ingested.early, "operations came early");
        }
    }

    fn refuse(&mut self, refused: Vec<(AuthorId, OperationError)>) -> Result<(), DriverError> {
        for (author, error) in refused {
            self.bad_operations += 1;
            self.shared.events.emit(&Event::OperationRefused {
                topic: self.topic,
                author,
                reason: error.to_string(),
            });
        }
        if self.bad_operations > BAD_OPERATIONS_MAX {
            return Err(DriverError::BadOperations);
        }
        Ok(())
    }

    /// Tells the rest of the node how the peer stands.
    fn report(&mut self) {
        if !self.is_started {
            return;
        }
        let status = PeerStatus {
            is_exchanged: self.is_finished || (self.session.is_exchanged() && self.is_idle()),
            is_in_step: self.session.is_in_step(),
        };
        if status.is_exchanged && !self.is_finished {
            self.is_finished = true;
            self.finish(None);
            for (author, sequence) in self.session.forks() {
                let topic = self.topic;
                self.shared.events.emit(&Event::Fork {
                    topic,
                    author,
                    sequence,
                });
            }
        }
        if self.reported != Some(status) {
            self.reported = Some(status);
            self.shared
                .set_status(self.topic, self.peer, self.number, Some(status));
        }
        let confirmed = self.session.confirmed(&self.shared.id);
        let is_news = self
            .noted
            .is_none_or(|(noted, when)| confirmed > noted && when.elapsed() >= CONFIRM_INTERVAL);
        if status.is_in_step && is_news {
            self.noted = Some((confirmed, Instant::now()));
            let shared = Arc::clone(&self.shared);
            let (row, peer) = (self.document.row, self.peer);
            tokio::spawn(async move { confirm(&shared, row, peer, confirmed).await });
        }
    }

    /// Whether nothing received is on its way through the pipeline, so that all of it is counted.
    fn is_idle(&self) -> bool {
        self.pending.is_empty()
            && self.verifying.is_none()
            && self.verified.is_none()
            && self.storing.is_none()
    }

    fn finish(&self, error: Option<String>) {
        let mut counts = self.counts.clone();
        counts.bytes_in = self.bytes_in.load(Ordering::Relaxed);
        self.shared.events.emit(&Event::SyncFinished {
            peer: self.peer,
            topic: self.topic,
            counts,
            duration_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            error,
        });
    }

    async fn end(&mut self, error: &DriverError) {
        // What was received whole is kept, so that the next session goes on from there.
        if let Some(storing) = self.storing.take()
            && let Ok(ingested) = storing.await
        {
            self.stored(&ingested);
        }
        self.session
            .committed(Arc::clone(&self.commits.borrow().heights));
        if self.is_started && !self.is_finished {
            // A peer that has all it came for may go before this side has looked up.
            let is_complete = self.session.is_exchanged() && self.is_idle();
            self.finish((!is_complete).then(|| error.to_string()));
        }
        self.shared
            .set_status(self.topic, self.peer, self.number, None);
        let confirmed = self.session.confirmed(&self.shared.id);
        if self.is_started {
            confirm(&self.shared, self.document.row, self.peer, confirmed).await;
        }
    }
}

/// Tells everybody of a committed batch; called on the writing thread.
fn announce(shared: &Shared, topic: TopicId, ingested: &Ingested) {
    if let Some(position) = ingested.position {
        let heads = ingested.heads.iter().map(|(author, head)| (*author, *head));
        shared.commits.committed(topic, position, heads);
    }
    for (&author, &operations) in &ingested.accepted {
        shared.events.emit(&Event::DocumentChanged {
            topic,
            author,
            operations,
        });
    }
    for (author, reason) in &ingested.refused {
        let reason = reason.clone();
        shared.events.emit(&Event::OperationRefused {
            topic,
            author: *author,
            reason,
        });
    }
    for &(author, sequence) in &ingested.forks {
        shared.events.emit(&Event::Fork {
            topic,
            author,
            sequence,
        });
    }
}

async fn confirm(
    shared: &Shared,
    row: crate::store::documents::DocumentRow,
    peer: AuthorId,
    confirmed: u64,
) {
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

async fn read(
    mut stream: BufReader<RecvStream>,
    incoming: mpsc::Sender<Result<Incoming, DriverError>>,
    budget: Arc<Semaphore>,
    bytes_in: Arc<AtomicU64>,
) {
    loop {
        let result = read_frame(&mut stream, FRAME_BYTES_MAX).await;
        let item = match result {
            Ok((frame, bytes)) => {
                bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
                let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
                match Arc::clone(&budget).acquire_many_owned(kib).await {
                    Ok(permit) => Ok((frame, permit)),
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
    while let Some(mut bytes) = outgoing.recv().await {
        while bytes.len() < WRITE_BYTES
            && let Ok(more) = outgoing.try_recv()
        {
            bytes.extend_from_slice(&more);
        }
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// The heights with which a session begins.
pub(crate) fn present_heights(commits: &tokio::sync::watch::Receiver<Commit>) -> Arc<Heights> {
    Arc::clone(&commits.borrow().heights)
}
