// SPDX-License-Identifier: GPL-3.0-or-later
//! Looking after the store while the node runs.

use std::collections::HashMap;

use super::{DocumentError, Node};
use crate::access::TopicId;
use crate::maintenance::{self, CheckReport, Cure, Finding, Problem};
use crate::operation::OperationId;
use crate::pipeline::{Delivered, Rebuilt, open_operation, rebuild};
use crate::store::operations::{self, State};
use crate::store::storage::StorageStatistics;
use crate::store::{Durability, StoreError, documents, storage};

/// Pages given back to the file system in one go, between which others may write.
const VACUUM_PAGES: u32 = 2_000;

impl Node {
    /// Checks everything that is stored, or one document: the file, references, every operation's
    /// bytes, signature, seal and place, the ends of logs, and the application's state. Changes
    /// nothing.
    pub async fn check(&self, topic: Option<TopicId>) -> Result<CheckReport, StoreError> {
        let shared = &self.inner.shared;
        let mut report = shared
            .readers
            .run(move |connection| maintenance::check(connection, topic.as_ref()))
            .await?;
        for info in self.documents().await? {
            if topic.is_some_and(|only| only != info.topic) {
                continue;
            }
            let differs = shared
                .writer
                .run(Durability::Refetchable, move |connection, processor| {
                    maintenance::state_differs(connection, processor, &info.topic)
                })
                .await;
            let differs = match differs {
                // Making it again takes things out of indexes, which damaged ones do not allow.
                Err(error) if error.is_damaged() => {
                    report.find_damaged(&error);
                    continue;
                }
                differs => differs?,
            };
            // Operations that are not sound explain it already.
            let is_explained = |finding: &Finding| finding.topic == Some(info.topic);
            if differs && !report.findings.iter().any(is_explained) {
                report.findings.push(Finding {
                    topic: Some(info.topic),
                    author: None,
                    problem: Problem::State,
                    is_repaired: false,
                    cure: Cure::Rebuild,
                });
            }
        }
        Ok(report)
    }

    /// Mends the indexes that a check found damaged, if it did and that is all of them: then
    /// another check says more. Nothing else is touched.
    pub async fn mend_indexes(&self, report: &mut CheckReport) -> Result<bool, StoreError> {
        let mut is_any = false;
        for finding in &mut report.findings {
            if matches!(finding.cure, Cure::Reindex) {
                finding.is_repaired = self.repair(finding.clone()).await?;
                if !finding.is_repaired {
                    return Ok(false);
                }
                is_any = true;
            }
        }
        Ok(is_any)
    }

    /// Mends what a check found: what can be derived is made again, and operations that are not
    /// sound are moved aside. Documents that are open and were mended have to be opened again.
    pub async fn mend(&self, report: &mut CheckReport) -> Result<(), StoreError> {
        for finding in &mut report.findings {
            finding.is_repaired = self.repair(finding.clone()).await?;
        }
        Ok(())
    }

    /// The operations of a document that are left once what a check found is mended, in the order
    /// of their acceptance. Those that cannot be opened are not among them.
    pub async fn left_by(
        &self,
        report: &CheckReport,
        topic: &TopicId,
    ) -> Result<Vec<Delivered>, DocumentError> {
        let shared = &self.inner.shared;
        let document = shared.document(topic).ok_or(DocumentError::NotFound)?;
        let of_it = |finding: &&Finding| finding.topic == Some(*topic);
        let ends: HashMap<_, _> = report
            .findings
            .iter()
            .filter(of_it)
            .filter_map(|finding| match (&finding.cure, finding.author) {
                (Cure::EndLog { head, .. }, Some(author)) => {
                    Some((author, head.map_or(0, |head| head.next)))
                }
                _ => None,
            })
            .collect();
        let left: Result<_, StoreError> = shared
            .readers
            .run(move |connection| {
                let (mut left, mut after) = (Vec::new(), 0);
                loop {
                    let batch = operations::all_after(connection, document.row, after)?;
                    let Some((last, _)) = batch.last() else {
                        return Ok(left);
                    };
                    after = *last;
                    for (position, operation) in batch {
                        let Some(operation) = operation else { continue };
                        let header = operation.header();
                        let end = ends.get(&header.author);
                        if end.is_none_or(|end| header.sequence < *end) {
                            left.extend(open_operation(&document.keys, position, &operation).ok());
                        }
                    }
                }
            })
            .await;
        Ok(left?)
    }

    async fn repair(&self, finding: Finding) -> Result<bool, StoreError> {
        let shared = std::sync::Arc::clone(&self.inner.shared);
        let topic = finding.topic;
        let done: Result<_, StoreError> = self
            .inner
            .shared
            .writer
            .run_then(
                Durability::Durable,
                move |connection, processor| {
                    let is_repaired = maintenance::repair(connection, processor, &finding)?;
                    let stored = match &finding.topic {
                        Some(topic) => documents::find_sound(connection, topic)?,
                        None => None,
                    };
                    Ok((is_repaired, stored))
                },
                // Who listens would go on from a log that is shorter now.
                move |(is_repaired, stored)| {
                    if let (true, Some(topic), Some(stored)) = (is_repaired, &topic, stored) {
                        shared.replace_document(topic, stored.clone());
                    }
                },
            )
            .await;
        done.map(|(is_repaired, _)| is_repaired)
    }

    /// Wipes the application's state of a document and makes it again from the operations, in one
    /// transaction.
    pub async fn rebuild(&self, topic: &TopicId) -> Result<Rebuilt, DocumentError> {
        let topic = *topic;
        let rebuilt: Result<Option<Rebuilt>, StoreError> = self
            .inner
            .shared
            .writer
            .run(Durability::Refetchable, move |connection, processor| {
                let found = documents::find(connection, &topic)?;
                found
                    .map(|document| rebuild(connection, processor, &document))
                    .transpose()
            })
            .await;
        rebuilt?.ok_or(DocumentError::NotFound)
    }

    /// Operations that the application left for later, or has not been able to process.
    pub async fn unacknowledged(&self, topic: &TopicId) -> Result<Vec<Delivered>, DocumentError> {
        let document = self
            .inner
            .shared
            .document(topic)
            .ok_or(DocumentError::NotFound)?;
        let waiting = self
            .inner
            .shared
            .readers
            .run(move |connection| {
                let waiting = operations::waiting(connection, document.row, 0)?;
                Ok(waiting
                    .into_iter()
                    .filter_map(|(position, operation)| {
                        open_operation(&document.keys, position, &operation).ok()
                    })
                    .collect())
            })
            .await?;
        Ok(waiting)
    }

    /// Acknowledges operations that the application had left for later; gives how many of them
    /// had been waiting.
    pub async fn acknowledge(
        &self,
        topic: &TopicId,
        ids: Vec<OperationId>,
    ) -> Result<u64, DocumentError> {
        let row = self
            .inner
            .shared
            .document(topic)
            .ok_or(DocumentError::NotFound)?
            .row;
        let acknowledged: Result<u64, StoreError> = self
            .inner
            .shared
            .writer
            .run(Durability::Refetchable, move |connection, _| {
                let mut count = 0;
                let mut after = 0;
                loop {
                    let waiting = operations::waiting(connection, row, after)?;
                    let Some((last, _)) = waiting.last() else {
                        return Ok(count);
                    };
                    after = *last;
                    for (position, operation) in &waiting {
                        if ids.contains(&operation.id()) {
                            operations::set_state(connection, *position, State::Acknowledged)?;
                            count += 1;
                        }
                    }
                }
            })
            .await;
        Ok(acknowledged?)
    }

    /// Gives the space that is not used any more back to the file system. Others go on writing in
    /// between, unless the database is of a kind that has to be written anew first.
    pub async fn reclaim(&self) -> Result<(), StoreError> {
        let writer = &self.inner.shared.writer;
        if writer.outside(storage::make_incremental).await? {
            loop {
                let left = writer
                    .outside(|connection| storage::vacuum(connection, VACUUM_PAGES))
                    .await?;
                if left == 0 {
                    break;
                }
            }
        }
        writer.checkpoint().await
    }

    /// What the database takes.
    pub async fn storage(&self) -> Result<StorageStatistics, StoreError> {
        let path = self.inner.path.clone();
        self.inner
            .shared
            .readers
            .run(move |connection| storage::statistics(connection, &path))
            .await
    }
}
