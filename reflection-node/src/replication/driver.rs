// SPDX-License-Identifier: GPL-3.0-or-later
//! Runs the talks about assignments over a stream of the connection to a peer, and the store.
//!
//! The side that assigns opens the stream, and again with growing pauses where the talk ends
//! before its time; the replica answers each request once it is committed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::io::BufReader;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::assigner::{ASSIGNMENTS_MAX, Assigner, Heard, TalkError, Task, digest};
use super::assignments::{self, AssignmentState};
use super::frame::{FRAME_BYTES_MAX, Frame, Shortage, TOPICS_PER_FRAME_MAX};
use super::host::{Host, Wanted};
use super::proof::Ends;
use super::ticket::GrantSecret;
use super::{hosting, quota};
use crate::access::{DocumentKeys, TopicId};
use crate::events::Event;
use crate::identity::AuthorId;
use crate::network::PeersHandle;
use crate::shared::{Shared, now_us};
use crate::store::documents::StoredDocument;
use crate::store::{Durability, StoreError};
use crate::sync::frame::Frame as SyncFrame;
use crate::sync::proof::Salts;
use crate::sync::stream::Streams;
use crate::wire::framing::{self, ReadError};

/// How long the proofs and the list may take.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a peer may take to read an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Pauses before the talk is begun again on a connection that stands.
const PAUSE_MIN: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// Things told at once at the beginning of a talk, those that changed last first; the rest follows
/// at a low rate.
const HOT_TASKS_MAX: usize = 64;
const COLD_INTERVAL: Duration = Duration::from_millis(20);
/// Tasks read from the store at once.
const TASKS_READ: usize = 128;
/// How often a full replica looks whether there is room again.
const STORAGE_INTERVAL: Duration = Duration::from_secs(30);
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

/// Tells a peer of the assignments that it is to keep, for as long as the connection stands.
async fn assign(
    shared: Arc<Shared>,
    connection: Connection,
    peer: AuthorId,
    salts: Salts,
    peers: PeersHandle,
    tell: Tell,
) {
    let mut changed = shared.replication.watch_assignments();
    let mut pause = PAUSE_MIN;
    loop {
        changed.borrow_and_update();
        let secret = if shared.replication.is_replica(&peer) {
            let read = shared
                .readers
                .run(move |connection| assignments::secret(connection, &peer))
                .await;
            read.unwrap_or_default()
        } else {
            None
        };
        let Some(secret) = secret else {
            if changed.changed().await.is_err() {
                return;
            }
            continue;
        };
        let started = Instant::now();
        let mut talk = Assigning {
            shared: Arc::clone(&shared),
            replica: peer,
            tell: tell.clone(),
            tasks: VecDeque::new(),
            is_read: false,
            told: 0,
            next_at: started,
            is_over: false,
        };
        let ends = Ends {
            assigner: shared.id,
            replica: peer,
            salts,
        };
        match talk.run(&connection, secret, ends).await {
            Ok(()) => {
                shared.replication.remove(&peer);
                forget(&shared, &peers, peer).await;
                continue;
            }
            Err(error) => {
                tracing::debug!(?peer, %error, "the talk about assignments ended");
                if let DriverError::NotWelcome | DriverError::Talk(TalkError::BadProof) = error {
                    talk.trouble(Some(DriverError::NotWelcome.to_string()))
                        .await;
                }
            }
        }
        if started.elapsed() > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
            // A new ticket, perhaps.
            result = changed.changed() => if result.is_err() { return },
        }
    }
}

/// Parts from a peer with which nothing is left to be done.
async fn forget(shared: &Shared, peers: &PeersHandle, peer: AuthorId) {
    if forget_stored(shared, peer).await {
        peers.forget(peer).await;
    }
}

/// Stops dialling a replica from which everything has been withdrawn; while it is connected it is
/// told of that.
pub(crate) async fn leave(shared: &Shared, peers: &PeersHandle, peer: AuthorId) {
    if forget_stored(shared, peer).await {
        peers.leave(peer).await;
    }
}

/// Takes a peer out of the address book if it is there for nothing but replication that has ended.
pub(crate) async fn forget_stored(shared: &Shared, peer: AuthorId) -> bool {
    let is_forgotten: Result<bool, StoreError> = shared
        .writer
        .run(Durability::Refetchable, move |connection, _| {
            assignments::forget_peer(connection, &peer)
        })
        .await;
    is_forgotten.unwrap_or_default()
}

/// Our side of a talk with a replica.
struct Assigning {
    shared: Arc<Shared>,
    replica: AuthorId,
    tell: Tell,
    tasks: VecDeque<Task>,
    /// Whether the store has been asked since something changed.
    is_read: bool,
    told: usize,
    /// When the next thing may be told.
    next_at: Instant,
    /// Whether nothing is left to be said to the replica, ever.
    is_over: bool,
}

impl Assigning {
    /// Ends well only when nothing is left to be said to the replica, ever.
    async fn run(
        &mut self,
        connection: &Connection,
        secret: GrantSecret,
        ends: Ends,
    ) -> Result<(), DriverError> {
        let replica = self.replica;
        let believed = self
            .shared
            .readers
            .run(move |connection| assignments::taken(connection, &replica))
            .await?;
        let opening = tokio::time::timeout(START_TIMEOUT, connection.open_bi());
        let (mut send, receive) = opening
            .await
            .map_err(|_| DriverError::TimedOut)?
            .map_err(|_| DriverError::Connection)?;
        let (mut machine, first) = Assigner::begin(secret, ends, believed);
        let mut bytes = SyncFrame::Assignments.encode();
        bytes.extend(first.encode());
        write_bytes(&mut send, &bytes).await?;
        let mut reader = Reader::spawn(BufReader::new(receive));
        let deadline = Instant::now() + START_TIMEOUT;
        let mut is_proved = false;
        let mut changed = self.shared.replication.watch_assignments();
        loop {
            if machine.is_live() {
                self.say(&mut machine, &mut send).await?;
            }
            let waits = machine.has_room() && !self.tasks.is_empty();
            tokio::select! {
                frame = reader.next() => {
                    let frame = match frame {
                        // Whoever does not know the ticket says nothing.
                        Err(DriverError::Connection)
                            if !is_proved && connection.close_reason().is_none() =>
                        {
                            return Err(DriverError::NotWelcome);
                        }
                        frame => frame?,
                    };
                    let (heard, answer) = machine.receive(frame)?;
                    if let Some(answer) = answer {
                        write_bytes(&mut send, &answer.encode()).await?;
                    }
                    is_proved = true;
                    self.heard(heard).await?;
                    if self.is_over {
                        return Ok(());
                    }
                }
                result = changed.changed() => {
                    result.map_err(|_| DriverError::Connection)?;
                    self.is_read = false;
                }
                () = tokio::time::sleep_until(self.next_at), if waits => {}
                () = tokio::time::sleep_until(deadline), if !machine.is_live() => {
                    return Err(DriverError::TimedOut);
                }
            }
        }
    }

    /// Tells as much as may be told now.
    async fn say(
        &mut self,
        machine: &mut Assigner,
        send: &mut SendStream,
    ) -> Result<(), DriverError> {
        while machine.has_room() && Instant::now() >= self.next_at {
            if self.tasks.is_empty() && !self.is_read {
                let replica = self.replica;
                let due = self
                    .shared
                    .readers
                    .run(move |connection| assignments::due(connection, &replica, TASKS_READ))
                    .await?;
                // A full read may have left some behind.
                self.is_read = due.len() < TASKS_READ;
                self.tasks = due
                    .into_iter()
                    .filter(|task| !machine.is_in_flight(&task.topic()))
                    .collect();
                if self.tasks.is_empty() {
                    self.is_read = true;
                }
            }
            let Some(task) = self.tasks.pop_front() else {
                return Ok(());
            };
            if machine.is_in_flight(&task.topic()) {
                continue;
            }
            write_bytes(send, &machine.tell(task).encode()).await?;
            self.told += 1;
            if self.told > HOT_TASKS_MAX {
                self.next_at = Instant::now() + COLD_INTERVAL;
            }
        }
        Ok(())
    }

    async fn heard(&mut self, heard: Heard) -> Result<(), DriverError> {
        let replica = self.replica;
        match heard {
            Heard::Nothing => {}
            Heard::Proved { .. } => {
                let _ = self.tell.try_send(Told::Acquainted);
                self.note(move |connection| {
                    assignments::met(connection, &replica, now_us())?;
                    assignments::retry_refused(connection, &replica)
                })
                .await?;
            }
            Heard::Lost(topics) => {
                self.note(move |connection| assignments::lost(connection, &replica, &topics))
                    .await?;
                self.is_read = false;
            }
            Heard::Taken(topic) => {
                self.note(move |connection| {
                    assignments::answered(connection, &replica, &topic, AssignmentState::Taken)
                })
                .await?;
                self.is_read = false;
                self.progress(topic).await?;
            }
            Heard::Refused(topic, shortage) => {
                self.note(move |connection| {
                    assignments::answered(connection, &replica, &topic, AssignmentState::Refused)
                })
                .await?;
                self.trouble(Some(shortage.to_string())).await;
            }
            Heard::Dropped(topic) => {
                self.shared.replication.progress.forget(replica, topic);
                self.is_over = self
                    .shared
                    .writer
                    .run::<_, StoreError, _>(Durability::Durable, move |connection, _| {
                        assignments::dropped(connection, &replica, &topic)?;
                        assignments::forget_finished(connection, &replica)
                    })
                    .await?;
                self.is_read = false;
                self.progress(topic).await?;
            }
            Heard::Storage(shortage) => {
                if shortage.is_none() {
                    self.note(move |connection| assignments::retry_refused(connection, &replica))
                        .await?;
                    self.is_read = false;
                }
                self.trouble(shortage.map(|shortage| shortage.to_string()))
                    .await;
            }
        }
        Ok(())
    }

    /// Tells how a document stands after the replica's answer.
    async fn progress(&self, topic: TopicId) -> Result<(), StoreError> {
        let replica = self.replica;
        let assignment = self
            .shared
            .readers
            .run(move |connection| assignments::one(connection, &replica, &topic))
            .await?;
        self.shared.events.emit(&Event::ReplicaProgress {
            replica,
            topic,
            acknowledged: assignment.map_or(0, |assignment| assignment.acknowledged),
            pending: assignment.map_or(0, |assignment| assignment.pending),
        });
        Ok(())
    }

    /// Writes down and tells why the replica takes nothing, or that it does again.
    async fn trouble(&self, trouble: Option<String>) {
        let (replica, noted) = (self.replica, trouble.clone());
        let result = self
            .note(move |connection| {
                assignments::set_trouble(connection, &replica, noted.as_deref())
            })
            .await;
        if let Err(error) = result {
            tracing::debug!(%error, "a replica's trouble was not noted");
        }
        self.shared.events.emit(&Event::ReplicaTrouble {
            replica,
            reason: trouble,
        });
    }

    /// What is noted here can be asked again, so that nobody waits for the disk.
    async fn note(
        &self,
        job: impl FnOnce(&rusqlite::Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.shared
            .writer
            .run(Durability::Refetchable, move |connection, _| {
                job(connection)
            })
            .await
    }
}

/// Answers a peer that opened a stream about assignments, until the stream ends.
async fn host(
    shared: Arc<Shared>,
    streams: Streams,
    peer: AuthorId,
    salts: Salts,
    peers: PeersHandle,
    tell: Tell,
) {
    if !shared.replication.is_offering() {
        return;
    }
    let hosting = Hosting {
        shared,
        assigner: peer,
        send: streams.send,
        tell,
        shortage: None,
    };
    let ends = Ends {
        assigner: peer,
        replica: hosting.shared.id,
        salts,
    };
    if let Err(error) = hosting.run(streams.receive, ends, &peers).await {
        tracing::debug!(?peer, %error, "the talk about what is kept for a peer ended");
    }
}

/// A replica's side of a talk.
struct Hosting {
    shared: Arc<Shared>,
    assigner: AuthorId,
    send: SendStream,
    tell: Tell,
    /// What the assigner was told last.
    shortage: Option<Shortage>,
}

impl Hosting {
    async fn run(
        mut self,
        receive: BufReader<RecvStream>,
        ends: Ends,
        peers: &PeersHandle,
    ) -> Result<(), DriverError> {
        let grants = self.shared.readers.run(hosting::grants).await?;
        let mut machine = Host::new(ends, grants);
        let mut reader = Reader::spawn(receive);
        let first = tokio::time::timeout(START_TIMEOUT, reader.next());
        let first = first.await.map_err(|_| DriverError::TimedOut)??;
        let Wanted::Welcome(grant) = machine.receive(first)? else {
            return Err(TalkError::Unexpected.into());
        };
        let _ = self.tell.try_send(Told::Acquainted);
        let mut storage = self.shared.replication.watch_storage();
        let held = self.held(grant).await?;
        let welcome = machine.welcome(digest(&held)).ok_or(TalkError::BadProof)?;
        self.answer(&welcome).await?;
        self.look(grant).await?;
        loop {
            tokio::select! {
                frame = reader.next() => {
                    let wanted = machine.receive(frame?)?;
                    self.carry_out(grant, wanted, peers).await?;
                }
                changed = storage.changed() => {
                    changed.map_err(|_| DriverError::Connection)?;
                    self.look(grant).await?;
                }
                () = tokio::time::sleep(STORAGE_INTERVAL), if self.shortage.is_some() => {
                    self.look(grant).await?;
                }
            }
        }
    }

    async fn held(&self, grant: i64) -> Result<std::collections::BTreeSet<TopicId>, StoreError> {
        let assigner = self.assigner;
        self.shared
            .readers
            .run(move |connection| hosting::held(connection, grant, &assigner))
            .await
    }

    async fn answer(&mut self, frame: &Frame) -> Result<(), DriverError> {
        write_bytes(&mut self.send, &frame.encode()).await
    }

    /// Looks how much room there is and tells what has changed.
    async fn look(&mut self, grant: i64) -> Result<(), DriverError> {
        let shortage = self
            .shared
            .readers
            .run(move |connection| quota::shortage(connection, grant))
            .await?;
        if shortage == self.shortage {
            return Ok(());
        }
        let had = std::mem::replace(&mut self.shortage, shortage);
        self.answer(&Frame::Storage { shortage }).await?;
        if had.is_some() && shortage.is_none() {
            // What was refused on this connection is offered again on the next one.
            let _ = self.tell.try_send(Told::HasRoom);
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        grant: i64,
        wanted: Wanted,
        peers: &PeersHandle,
    ) -> Result<(), DriverError> {
        match wanted {
            Wanted::Welcome(_) => Err(TalkError::Unexpected.into()),
            Wanted::List => {
                let held: Vec<TopicId> = self.held(grant).await?.into_iter().collect();
                let mut chunks = held.chunks(TOPICS_PER_FRAME_MAX).peekable();
                let mut is_told = false;
                while !is_told {
                    let topics = chunks.next().unwrap_or_default().to_vec();
                    is_told = chunks.peek().is_none();
                    self.answer(&Frame::Held {
                        topics,
                        last: is_told,
                    })
                    .await?;
                }
                Ok(())
            }
            Wanted::Assign(keys) => self.take(grant, keys).await,
            Wanted::Withdraw(topic) => {
                let is_deleted = self.drop_document(topic).await?;
                self.answer(&Frame::Dropped { topic }).await?;
                if is_deleted {
                    self.shared.replication.storage_changed();
                    self.part(peers).await?;
                }
                Ok(())
            }
        }
    }

    async fn take(&mut self, grant: i64, keys: DocumentKeys) -> Result<(), DriverError> {
        let (topic, assigner) = (keys.topic(), self.assigner);
        let shortage = self
            .shared
            .readers
            .run(move |connection| {
                if hosting::held_count(connection, grant)? >= ASSIGNMENTS_MAX {
                    return Ok(Some(Shortage::TooMany));
                }
                quota::shortage(connection, grant)
            })
            .await?;
        if let Some(shortage) = shortage {
            return self.answer(&Frame::Refused { topic, shortage }).await;
        }
        let shared = Arc::clone(&self.shared);
        let _: Option<StoredDocument> = self
            .shared
            .writer
            .run_then::<_, StoreError, _, _>(
                Durability::Durable,
                move |connection, processor| {
                    hosting::host(connection, processor, grant, &assigner, &keys, now_us())
                },
                move |added: &Option<StoredDocument>| {
                    if let Some(added) = added {
                        shared.insert_document(added.clone());
                    }
                },
            )
            .await?;
        self.answer(&Frame::Taken { topic }).await
    }

    /// Drops a document; gives whether it was deleted with that.
    async fn drop_document(&self, topic: TopicId) -> Result<bool, StoreError> {
        let (assigner, shared) = (self.assigner, Arc::clone(&self.shared));
        let is_deleted = self
            .shared
            .writer
            .run_then::<_, StoreError, _, _>(
                Durability::Durable,
                move |connection, processor| {
                    hosting::drop_held(connection, processor, &assigner, &topic)
                },
                move |is_deleted: &bool| {
                    if *is_deleted {
                        shared.remove_document(&topic);
                    }
                },
            )
            .await?;
        if is_deleted {
            self.shared.writer.checkpoint().await?;
        }
        Ok(is_deleted)
    }

    /// Stops dialling an assigner that has nothing here any more.
    async fn part(&self, peers: &PeersHandle) -> Result<(), StoreError> {
        let assigner = self.assigner;
        let is_forgotten = self
            .shared
            .readers
            .run(move |connection| hosting::is_forgotten(connection, &assigner))
            .await?;
        if is_forgotten {
            peers.leave(assigner).await;
        }
        Ok(())
    }
}
