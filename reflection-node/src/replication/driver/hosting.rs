// SPDX-License-Identifier: GPL-3.0-or-later
//! A replica's side of the talk: what is assigned is kept or refused, what is withdrawn is dropped,
//! and each is answered once it is committed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{RecvStream, SendStream};
use tokio::io::BufReader;

use super::{DriverError, Reader, START_TIMEOUT, Tell, Told, write_bytes};
use crate::access::{DocumentKeys, TopicId};
use crate::identity::AuthorId;
use crate::network::PeersHandle;
use crate::replication::assigner::{ASSIGNMENTS_MAX, TalkError, digest};
use crate::replication::frame::{Frame, Shortage, TOPICS_PER_FRAME_MAX};
use crate::replication::host::{Host, Wanted};
use crate::replication::proof::Ends;
use crate::replication::{hosting, quota};
use crate::shared::{Shared, now_us};
use crate::store::documents::StoredDocument;
use crate::store::{Durability, StoreError};
use crate::sync::proof::Salts;
use crate::sync::stream::Streams;

/// How often a full replica looks whether there is room again.
const STORAGE_INTERVAL: Duration = Duration::from_secs(30);

/// Answers a peer that opened a stream about assignments, until the stream ends.
pub(super) async fn host(
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

    async fn held(&self, grant: i64) -> Result<BTreeSet<TopicId>, StoreError> {
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
