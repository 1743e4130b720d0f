// SPDX-License-Identifier: GPL-3.0-or-later
//! Bootstrap nodes: asking one for peers, and being one.
//!
//! A peer keeps a connection of a protocol of its own to each bootstrap node, shows the tokens of
//! its documents there, and dials whom it is introduced to. The node needs no document of theirs.
//! What it knows of a peer is the address that it sees, those that the peer states, and tokens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use iroh::{Endpoint, EndpointAddr, Watcher};
use tokio::io::BufReader;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::rendezvous::{EXPIRY, Introduction, PEERS_MAX, Registry, Token, tokens};
use super::rendezvous_frame::{ADDRESSES_MAX, FRAME_BYTES_MAX, Frame, Reach, TOKENS_PER_FRAME_MAX};
use crate::access::Hint;
use crate::events::{Event, Found};
use crate::identity::AuthorId;
use crate::network::{PeersHandle, own_hint, seen_at};
use crate::shared::{Shared, now_us};
use crate::wire::framing;

/// The protocol of bootstrap nodes.
pub(crate) const ALPN: &[u8] = b"app.reflection/rendezvous/1";
/// How long a dial, or the first frame on a connection, may take.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a frame may take to be written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often tokens are shown again, so that registrations do not expire and the day's change is
/// followed.
const REGISTER_INTERVAL: Duration = Duration::from_mins(10);
/// Changes within this time lead to one registration.
const CHANGES_JOINED: Duration = Duration::from_secs(4);
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// Introductions that wait to be sent to one peer; a newer registration brings what was dropped.
const WAITING_MAX: usize = 256;
/// Introductions taken from a bootstrap node between two registrations.
const TAKEN_MAX: usize = 1024;

/// Keeps a connection to a bootstrap node until cancelled, and dials whom it introduces.
pub(crate) async fn run_client(
    shared: Arc<Shared>,
    endpoint: Endpoint,
    peers: PeersHandle,
    node: EndpointAddr,
    cancel: CancellationToken,
) {
    let mut pause = PAUSE_MIN;
    let mut is_told = false;
    loop {
        let dial = tokio::time::timeout(START_TIMEOUT, endpoint.connect(node.clone(), ALPN));
        let dialled = tokio::select! {
            () = cancel.cancelled() => return,
            dialled = dial => dialled,
        };
        if let Ok(Ok(connection)) = dialled {
            is_told = false;
            pause = PAUSE_MIN;
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = ask(&shared, &endpoint, &peers, &connection) => {}
            }
        } else if !is_told {
            is_told = true;
            let message = format!(
                "the bootstrap node {} cannot be reached",
                AuthorId::from(node.id).short()
            );
            shared.events.emit(&Event::Error { message });
        }
        let [chance] = crate::random::array::<1>();
        let rest = pause.mul_f64(0.75 + f64::from(chance) / 512.0);
        pause = (pause * 2).min(PAUSE_MAX);
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// Registers and takes introductions until the connection is lost.
async fn ask(
    shared: &Shared,
    endpoint: &Endpoint,
    peers: &PeersHandle,
    connection: &Connection,
) -> Option<()> {
    let mut documents = shared.watch_documents();
    let mut addresses = endpoint.watch_addr().stream();
    let (mut send, receive) = connection.open_bi().await.ok()?;
    let (frames, mut received) = mpsc::channel(1);
    let _reader = AbortOnDropHandle::new(tokio::spawn(read_all(receive, frames)));
    let mut due = Instant::now();
    let mut taken = 0;
    loop {
        tokio::select! {
            frame = received.recv() => {
                let Some(Frame::Introduce { peer, reach }) = frame else {
                    return None;
                };
                taken += 1;
                if taken <= TAKEN_MAX {
                    peers.add(reach.into_hint(peer), Found::Bootstrap);
                }
            }
            changed = documents.changed() => {
                changed.ok()?;
                due = due.min(Instant::now() + CHANGES_JOINED);
            }
            Some(_) = addresses.next() => due = due.min(Instant::now() + CHANGES_JOINED),
            () = tokio::time::sleep_until(due) => {
                taken = 0;
                register(shared, endpoint, &mut send).await?;
                due = Instant::now() + REGISTER_INTERVAL;
            }
        }
    }
}

async fn register(shared: &Shared, endpoint: &Endpoint, send: &mut SendStream) -> Option<()> {
    let reach = Reach::of(&own_hint(endpoint));
    let shown = tokens(&shared.all_keys(), now_us());
    let mut chunks = shown.chunks(TOKENS_PER_FRAME_MAX);
    let mut is_first = true;
    loop {
        let chunk = chunks.next();
        if chunk.is_none() && !is_first {
            return Some(());
        }
        let frame = Frame::Register {
            is_first,
            reach: reach.clone(),
            tokens: chunk.map(<[Token]>::to_vec).unwrap_or_default(),
        };
        write(send, &frame).await?;
        is_first = false;
    }
}

/// Introduces peers to each other.
pub(crate) struct Introducer {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    peers: PeersHandle,
    registry: Mutex<Registry>,
    clients: Mutex<HashMap<AuthorId, (u64, mpsc::Sender<Hint>)>>,
    next_number: AtomicU64,
    room: Semaphore,
    /// Tells when this node's own documents are to be registered anew.
    own: Mutex<(watch::Receiver<u64>, Option<Instant>)>,
}

impl Introducer {
    pub(crate) fn new(shared: Arc<Shared>, endpoint: Endpoint, peers: PeersHandle) -> Self {
        let documents = shared.watch_documents();
        Self {
            shared,
            endpoint,
            peers,
            registry: Mutex::default(),
            clients: Mutex::default(),
            next_number: AtomicU64::new(0),
            room: Semaphore::new(PEERS_MAX),
            own: Mutex::new((documents, None)),
        }
    }

    /// Serves one peer until it goes.
    pub(crate) async fn serve(&self, connection: Connection, cancel: CancellationToken) {
        let Ok(_room) = self.room.try_acquire() else {
            connection.close(4_u32.into(), b"full");
            return;
        };
        let peer = AuthorId::from(connection.remote_id());
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let (introductions, waiting) = mpsc::channel(WAITING_MAX);
        lock(&self.clients).insert(peer, (number, introductions));
        tokio::select! {
            () = cancel.cancelled() => {}
            _ = self.answer(&connection, waiting) => {}
        }
        connection.close(0_u32.into(), b"closing");
        let mut clients = lock(&self.clients);
        // A peer that came back has taken its place.
        if clients
            .get(&peer)
            .is_some_and(|(present, _)| *present == number)
        {
            clients.remove(&peer);
            lock(&self.registry).remove(&peer);
        }
    }

    async fn answer(
        &self,
        connection: &Connection,
        mut waiting: mpsc::Receiver<Hint>,
    ) -> Option<()> {
        let peer = AuthorId::from(connection.remote_id());
        let accepted = tokio::time::timeout(START_TIMEOUT, connection.accept_bi());
        let (mut send, receive) = accepted.await.ok()?.ok()?;
        let (frames, mut received) = mpsc::channel(1);
        let _reader = AbortOnDropHandle::new(tokio::spawn(read_all(receive, frames)));
        loop {
            tokio::select! {
                frame = tokio::time::timeout(EXPIRY, received.recv()) => {
                    let Frame::Register { is_first, reach, tokens } = frame.ok()?? else {
                        return None;
                    };
                    let hint = reached_at(connection, peer, reach);
                    if let Err(refusal) = self.register(hint, &tokens, is_first) {
                        tracing::debug!(?peer, %refusal, "a registration was refused");
                        return None;
                    }
                }
                hint = waiting.recv() => {
                    let hint = hint?;
                    let frame = Frame::Introduce { peer: hint.endpoint, reach: Reach::of(&hint) };
                    write(&mut send, &frame).await?;
                }
            }
        }
    }

    fn register(
        &self,
        hint: Hint,
        tokens: &[Token],
        is_first: bool,
    ) -> Result<(), super::rendezvous::Refusal> {
        self.register_own();
        let introductions =
            lock(&self.registry).register(hint, tokens, is_first, Instant::now())?;
        self.introduce(introductions);
        Ok(())
    }

    /// This node's own documents are met like those of anybody else.
    fn register_own(&self) {
        let now = Instant::now();
        {
            let mut own = lock(&self.own);
            let is_changed = own.0.has_changed().unwrap_or(false);
            if !is_changed && own.1.is_some_and(|last| now - last < REGISTER_INTERVAL) {
                return;
            }
            own.0.mark_unchanged();
            own.1 = Some(now);
        }
        let shown = tokens(&self.shared.all_keys(), now_us());
        let hint = own_hint(&self.endpoint);
        match lock(&self.registry).register(hint, &shown, true, now) {
            Ok(introductions) => self.introduce(introductions),
            Err(refusal) => tracing::debug!(%refusal, "own documents were not registered"),
        }
    }

    fn introduce(&self, introductions: Vec<Introduction>) {
        for Introduction { to, peer } in introductions {
            if to == self.shared.id {
                self.peers.add(peer, Found::Bootstrap);
            } else if let Some((_, client)) = lock(&self.clients).get(&to) {
                // One that does not read is told again when it registers again.
                let _ = client.try_send(peer);
            }
        }
    }
}

/// Where a peer can be reached: as it is seen from here, and as it says.
fn reached_at(connection: &Connection, peer: AuthorId, reach: Reach) -> Hint {
    let mut hint = reach.into_hint(peer);
    let (seen, relay) = seen_at(connection);
    if let Some(address) = seen
        && !hint.addresses.contains(&address)
    {
        hint.addresses.truncate(ADDRESSES_MAX - 1);
        hint.addresses.push(address);
    }
    hint.relay = hint.relay.or(relay);
    hint
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads frames in a task of its own, so that none is cut in half when something else happens.
async fn read_all(receive: RecvStream, frames: mpsc::Sender<Frame>) {
    let mut receive = BufReader::new(receive);
    while let Some(frame) = read_frame(&mut receive).await {
        if frames.send(frame).await.is_err() {
            return;
        }
    }
}

async fn read_frame(receive: &mut BufReader<RecvStream>) -> Option<Frame> {
    let bytes = framing::read(receive, FRAME_BYTES_MAX).await.ok()?;
    Frame::decode(&bytes).ok()
}

async fn write(send: &mut SendStream, frame: &Frame) -> Option<()> {
    let bytes = frame.encode();
    let written = tokio::time::timeout(WRITE_TIMEOUT, send.write_all(&bytes));
    written.await.ok()?.ok()
}
