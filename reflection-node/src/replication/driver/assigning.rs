// SPDX-License-Identifier: GPL-3.0-or-later
//! Our side of the talk with a replica: what it is to keep is told, and its answers are written
//! down. A talk that ends before its time is begun again after a pause that grows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::SendStream;
use rusqlite::Connection;
use tokio::io::BufReader;
use tokio::time::Instant;

use super::{DriverError, Reader, START_TIMEOUT, Tell, Told, write_bytes};
use crate::access::TopicId;
use crate::events::Event;
use crate::identity::AuthorId;
use crate::network::PeersHandle;
use crate::pipeline::Processor;
use crate::replication::assigner::{Assigner, Heard, TalkError, Task};
use crate::replication::assignments;
use crate::replication::proof::Ends;
use crate::replication::ticket::GrantSecret;
use crate::shared::{Shared, now_us};
use crate::store::{Durability, StoreError};
use crate::sync::frame::Frame as SyncFrame;
use crate::sync::proof::Salts;

/// Pauses before the talk is begun again on a connection that stands.
const PAUSE_MIN: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// Things told at once at the beginning of a talk, those that changed last first; the rest follows
/// at a low rate.
const HOT_TASKS_MAX: usize = 64;
const COLD_INTERVAL: Duration = Duration::from_millis(20);
/// Tasks read from the store at once.
const TASKS_READ: usize = 128;

/// Tells a peer of the assignments that it is to keep, for as long as the connection stands.
pub(super) async fn assign(
    shared: Arc<Shared>,
    connection: iroh::endpoint::Connection,
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
        connection: &iroh::endpoint::Connection,
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
        let (replica, noted) = (self.replica, heard.clone());
        let durability = match &heard {
            Heard::Nothing => return Ok(()),
            Heard::Proved { .. } => {
                let _ = self.tell.try_send(Told::Acquainted);
                Durability::Refetchable
            }
            Heard::Dropped(topic) => {
                self.shared.replication.progress.forget(replica, *topic);
                Durability::Durable
            }
            // What is noted here can be asked again, so that nobody waits for the disk.
            _ => Durability::Refetchable,
        };
        let note = move |connection: &Connection, _: &mut Processor| {
            assignments::heard(connection, &replica, &noted, now_us())
        };
        let writer = &self.shared.writer;
        self.is_over = writer.run::<_, StoreError, _>(durability, note).await?;
        let changes_nothing = matches!(
            heard,
            Heard::Proved { .. } | Heard::Refused(..) | Heard::Storage(Some(_))
        );
        self.is_read &= changes_nothing;
        match heard {
            Heard::Taken(topic) | Heard::Dropped(topic) => self.progress(topic).await?,
            Heard::Refused(_, shortage) => self.trouble(Some(shortage.to_string())).await,
            Heard::Storage(shortage) => {
                self.trouble(shortage.map(|shortage| shortage.to_string()))
                    .await;
            }
            Heard::Nothing | Heard::Proved { .. } | Heard::Lost(_) => {}
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
        let note = move |connection: &Connection, _: &mut Processor| {
            assignments::set_trouble(connection, &replica, noted.as_deref())
        };
        let writer = &self.shared.writer;
        let result: Result<(), StoreError> = writer.run(Durability::Refetchable, note).await;
        if let Err(error) = result {
            tracing::debug!(%error, "a replica's trouble was not noted");
        }
        self.shared.events.emit(&Event::ReplicaTrouble {
            replica,
            reason: trouble,
        });
    }
}
