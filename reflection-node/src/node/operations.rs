// SPDX-License-Identifier: GPL-3.0-or-later
//! Writing and reading operations, and the tables beside them.

use std::sync::Arc;

use super::Node;
use crate::access::{Access, TopicId};
use crate::events::Event;
use crate::operation::Kind;
use crate::pipeline::{
    DocumentStream, NewOperation, PublishError, Published, StreamError, StreamStart, publish,
};
use crate::shared::now_us;
use crate::store::operations::{self, Position};
use crate::store::{Durability, StoreError, documents, forks};

impl Node {
    /// Appends an operation to this installation's log. On return it is on the disk, and on its
    /// way to the peers that are connected.
    pub async fn publish(
        &self,
        topic: &TopicId,
        kind: Kind,
        incarnation: u64,
        body: Vec<u8>,
    ) -> Result<Published, PublishError> {
        let new = NewOperation {
            topic: *topic,
            kind,
            incarnation,
            body,
            time_us: now_us(),
            sequence: None,
        };
        let published = self.publish_new(new).await;
        if let Err(PublishError::Store(error)) = &published {
            let message = error.to_string();
            self.inner
                .shared
                .events
                .emit(&Event::StorageTrouble { message });
        }
        published
    }

    pub(super) async fn publish_new(&self, new: NewOperation) -> Result<Published, PublishError> {
        let (topic, own) = (new.topic, self.id());
        let shared = Arc::clone(&self.inner.shared);
        let published = self
            .inner
            .shared
            .writer
            .run_then(
                Durability::Durable,
                move |connection, processor| publish(connection, processor, &new),
                move |(published, head, operation)| {
                    let is_anew = operation.header().kind == Kind::Compaction;
                    shared
                        .commits
                        .remember(topic, std::slice::from_ref(operation), is_anew);
                    shared.commits.committed(
                        topic,
                        published.position,
                        [(own, *head)],
                        Durability::Durable,
                    );
                },
            )
            .await;
        published.map(|(published, ..)| published)
    }

    /// A document's operations accepted after `position`; 0 gives all.
    pub async fn stream(
        &self,
        topic: &TopicId,
        position: Position,
    ) -> Result<DocumentStream, StreamError> {
        let shared = &self.inner.shared;
        let document = shared.document(topic).ok_or(StreamError::Closed)?;
        if document.keys.access() < Access::Read {
            return Err(StreamError::Unreadable);
        }
        let commits = shared.watch_commits(*topic, document.row).await?;
        let row = document.row;
        let wanted = *topic;
        let (generation, incarnation) = shared
            .readers
            .run(move |connection| {
                // In this order: a newer incarnation under an older number ends the stream.
                let generation = forks::generation(connection, row)?;
                let stored = documents::find(connection, &wanted)?;
                Ok((generation, stored.map(|stored| stored.incarnation)))
            })
            .await?;
        Ok(DocumentStream {
            generation,
            incarnation: incarnation.ok_or(StreamError::Closed)?,
            readers: Arc::clone(&shared.readers),
            commits,
            row: document.row,
            keys: document.keys,
            position,
        })
    }

    /// A document's operations from some point on.
    pub async fn stream_from(
        &self,
        topic: &TopicId,
        start: StreamStart,
    ) -> Result<DocumentStream, StreamError> {
        let position = match start {
            StreamStart::Beginning => 0,
            StreamStart::After(position) => position,
            StreamStart::At(time_us) => {
                let shared = &self.inner.shared;
                let row = shared.document(topic).ok_or(StreamError::Closed)?.row;
                let read =
                    move |connection: &_| operations::position_before(connection, row, time_us);
                shared.readers.run(read).await?
            }
        };
        self.stream(topic, position).await
    }

    /// Reads from the application's tables, beside whatever is being written.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.shared.readers.run(read).await
    }

    /// Writes to the application's tables in a transaction of its own.
    pub async fn write<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner
            .shared
            .writer
            .run(Durability::Refetchable, move |connection, _| {
                write(connection)
            })
            .await
    }
}
