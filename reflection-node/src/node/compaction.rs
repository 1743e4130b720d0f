// SPDX-License-Identifier: GPL-3.0-or-later
//! Shortening this installation's own logs, when asked and by itself.
//!
//! Invariants: a compaction is made beside the writing thread and published only if the log has
//! not grown meanwhile; it takes the place of what it replaces in one transaction, so that a crash
//! leaves the one or the other. Nobody's log but our own is ever rewritten.

use std::collections::HashMap;
use std::time::Duration;

use super::{DocumentError, Node};
use crate::access::{Access, TopicId};
use crate::operation::Kind;
use crate::pipeline::{NewOperation, PublishError, read_all};
use crate::shared::now_us;
use crate::store::StoreError;
use crate::store::compaction::{self, Candidate};
use crate::sync::patience;

/// How often it is looked for logs that have become long.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// Operations after which a log for which compaction failed is tried again.
const RETRY_OPERATIONS: u64 = 4_096;

/// How much a log takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSize {
    /// Operations.
    pub operations: u64,
    /// Bytes of their headers and bodies.
    pub bytes: u64,
}

/// What a compaction did to our log in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// The log before.
    pub before: LogSize,
    /// The log after; the same where nothing could be gained.
    pub after: LogSize,
}

/// Why a log was not compacted. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The document is not here.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// It is not written to from here.
    #[error("the document can only be read here")]
    ReadOnly,
    /// All own changes together do not fit one operation, or are not all there.
    #[error("this document's own changes cannot be put into one operation")]
    NotPossible,
    /// The result could not be stored.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl From<StoreError> for CompactError {
    fn from(error: StoreError) -> Self {
        Self::Document(error.into())
    }
}

impl Node {
    /// Replaces our own operations in a document by one that holds the same changes.
    pub async fn compact(&self, topic: &TopicId) -> Result<Compacted, CompactError> {
        let shared = &self.inner.shared;
        let document = shared.document(topic).ok_or(DocumentError::NotFound)?;
        if document.keys.access() != Access::Write {
            return Err(CompactError::ReadOnly);
        }
        let compactor = self
            .inner
            .compactor
            .clone()
            .ok_or(CompactError::NotPossible)?;
        let (own, topic, row) = (self.id(), *topic, document.row);
        let (size, next, operations) = shared
            .readers
            .run(move |connection| {
                let (size, next) = compaction::own_log(connection, row, &own)?;
                let is_worth_it = size.operations > 1;
                let operations = if is_worth_it {
                    read_all(connection, row, &document.keys)?
                } else {
                    Vec::new()
                };
                Ok((size, next, operations))
            })
            .await?;
        if size.operations <= 1 {
            return Ok(Compacted {
                before: size,
                after: size,
            });
        }
        let making = self.inside(async move {
            tokio::task::spawn_blocking(move || {
                let newest = operations
                    .iter()
                    .rev()
                    .find(|operation| operation.author == own)
                    .map(|operation| (operation.sequence + 1, operation.incarnation));
                let body = compactor.compact(&topic, &own, &operations);
                newest.zip(body)
            })
            .await
        });
        let made = making.await.map_err(|_| CompactError::NotPossible)?;
        let ((sequence, incarnation), body) = made.ok_or(CompactError::NotPossible)?;
        if sequence != next {
            return Err(PublishError::Overtaken.into());
        }
        self.publish_new(NewOperation {
            topic,
            kind: Kind::Compaction,
            incarnation,
            body,
            time_us: now_us(),
            sequence: Some(sequence),
        })
        .await?;
        let (after, _) = shared
            .readers
            .run(move |connection| compaction::own_log(connection, row, &own))
            .await?;
        Ok(Compacted {
            before: size,
            after,
        })
    }
}

/// Compacts logs that have become long, while nobody types in them, until the node ends.
pub(super) async fn by_itself(node: Node) {
    let closing = node.inner.closing.clone();
    let mut failed: HashMap<TopicId, u64> = HashMap::new();
    loop {
        let round = async {
            tokio::time::sleep(patience(LOOK_INTERVAL)).await;
            look(&node, &mut failed).await;
        };
        tokio::select! {
            () = closing.cancelled() => return,
            () = round => {}
        }
    }
}

async fn look(node: &Node, failed: &mut HashMap<TopicId, u64>) {
    let own = node.id();
    let candidates = node
        .inner
        .shared
        .readers
        .run(move |connection| compaction::candidates(connection, &own, now_us()))
        .await
        .unwrap_or_default();
    failed.retain(|topic, _| candidates.iter().any(|candidate| candidate.topic == *topic));
    for Candidate { topic, next } in candidates {
        let is_too_soon = failed
            .get(&topic)
            .is_some_and(|tried| next < tried + RETRY_OPERATIONS);
        if is_too_soon {
            continue;
        }
        match node.compact(&topic).await {
            Ok(compacted) => {
                tracing::debug!(?topic, ?compacted, "a log was compacted");
            }
            // Somebody typed meanwhile: it is tried again when that has come to an end.
            Err(CompactError::Publish(PublishError::Overtaken)) => {}
            Err(error) => {
                tracing::debug!(?topic, %error, "a log was not compacted");
                failed.insert(topic, next);
            }
        }
    }
}
