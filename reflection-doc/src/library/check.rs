// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether what is stored is sound, up to the text that it makes.

use std::collections::BTreeSet;

use reflection_node::access::{Access, TopicId};
use reflection_node::pipeline::Rebuilt;
use reflection_node::{CheckReport, DocumentError, DocumentInfo, Finding, Problem};

use super::{KeptText, Library, LibraryError, search};
use crate::engine::title;

/// What a check looked at, what it found, and what was kept before that was repaired.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Documents that were looked at.
    pub documents: u64,
    /// Operations that were verified.
    pub operations: u64,
    /// What is not as it should be; empty where all is well.
    pub findings: Vec<Finding>,
    /// Texts that would not have been there any more after the repair.
    pub kept: Vec<KeptText>,
}

impl Library {
    /// Checks the store ([`reflection_node::Node::check`]), and of every document that can be read
    /// that its operations make a text, and that this is the one that lists and searches know. With
    /// `is_repair` what was found is mended ([`reflection_node::Node::mend`]); a text that can be
    /// read before that and not after it becomes a document of its own first.
    pub async fn check(
        &self,
        topic: Option<TopicId>,
        is_repair: bool,
    ) -> Result<Checked, LibraryError> {
        let mut report = self.node.check(topic).await?;
        let mut kept = Vec::new();
        let mut indexes = Vec::new();
        if is_repair {
            // With a damaged index nothing can be said of what it was made of.
            if self.node.mend_indexes(&mut report).await? {
                indexes = report.findings;
                indexes.retain(|found| found.is_repaired);
                report = self.node.check(topic).await?;
            }
            let found: BTreeSet<_> = report.findings.iter().map(|found| found.topic).collect();
            for damaged in found.iter().flatten() {
                kept.extend(self.keep_readable(damaged, &report).await?);
            }
            self.node.mend(&mut report).await?;
        }
        for info in self.node.documents().await? {
            if topic.is_some_and(|only| only != info.topic) || self.is_sound(&info).await? {
                continue;
            }
            let is_mended = is_repair && self.mend(&info.topic, &mut kept).await?;
            report.add_application(info.topic, Problem::State, is_mended);
        }
        if !indexes.is_empty() {
            self.refresh_all().await?;
        }
        indexes.append(&mut report.findings);
        Ok(Checked {
            documents: report.documents,
            operations: report.operations,
            findings: indexes,
            kept,
        })
    }

    /// Makes again from the operations what is kept beside them. A text that they do not give
    /// becomes a document of its own first.
    pub async fn rebuild(
        &self,
        topic: &TopicId,
    ) -> Result<(Rebuilt, Option<KeptText>), LibraryError> {
        let kept = self.keep_readable(topic, &CheckReport::default()).await?;
        let rebuilt = match self.node.rebuild(topic).await {
            // A search index that is damaged does not let go of what is in it. It is a cache, too.
            Err(DocumentError::Store(error)) if error.is_damaged() => {
                tracing::warn!(%error, "the search index is made anew");
                self.node.write(search::reset).await?;
                self.node.rebuild(topic).await?
            }
            rebuilt => rebuilt?,
        };
        Ok((rebuilt, kept))
    }

    /// `false` where the operations make no text, so that nothing can be made again of them.
    async fn mend(&self, topic: &TopicId, kept: &mut Vec<KeptText>) -> Result<bool, LibraryError> {
        let is_readable = self.node.access(topic) >= Some(Access::Read);
        if is_readable && self.load_operations(topic).await.is_err() {
            return Ok(false);
        }
        kept.extend(self.rebuild(topic).await?.1);
        Ok(true)
    }

    /// Whether what is kept of a document beside its operations is what they make.
    async fn is_sound(&self, info: &DocumentInfo) -> Result<bool, LibraryError> {
        let topic = &info.topic;
        let Some(stored) = self.stored_summary(topic).await? else {
            // A document that was deleted meanwhile has none either.
            return Ok(self.node.document(topic).await?.is_none());
        };
        if info.access < Access::Read {
            return Ok(true);
        }
        let Ok(engine) = self.load_operations(topic).await else {
            return Ok(false);
        };
        let text = engine.text();
        if self.is_text_damaged(topic).await? || self.is_history_damaged(topic, &engine).await? {
            return Ok(false);
        }
        let cached = self.cached_text(topic).await?;
        let is_text = cached.is_none_or(|cached| !cached.is_fresh || cached.text == text);
        Ok(is_text && (stored.is_stale || stored.says(&title(&text), engine.len_chars())))
    }
}
