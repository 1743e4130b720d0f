// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether what is stored is sound, up to the text that it makes.

use reflection_node::access::{Access, TopicId};
use reflection_node::{CheckReport, Problem};

use super::{Library, LibraryError};
use crate::engine::title;

impl Library {
    /// Checks the store ([`reflection_node::Node::check`]), and of every document that can be read
    /// that its operations make a text, and that this is the one that lists and searches know.
    pub async fn check(
        &self,
        topic: Option<TopicId>,
        is_repair: bool,
    ) -> Result<CheckReport, LibraryError> {
        let mut report = self.node.check(topic, is_repair).await?;
        for info in self.node.documents().await? {
            if topic.is_some_and(|only| only != info.topic) || info.access < Access::Read {
                continue;
            }
            let Ok(engine) = self.load_operations(&info.topic).await else {
                report.add_application(info.topic, Problem::State, false);
                continue;
            };
            let text = engine.text();
            let is_damaged = self.is_text_damaged(&info.topic).await?
                || self.is_history_damaged(&info.topic, &engine).await?;
            let cached = self.cached_text(&info.topic).await?;
            let is_text =
                !is_damaged && cached.is_none_or(|cached| !cached.is_fresh || cached.text == text);
            let stored = self.stored_summary(&info.topic).await?;
            let is_summary = stored.is_none_or(|stored| {
                stored.is_stale || stored.says(&title(&text), engine.len_chars())
            });
            if is_text && is_summary {
                continue;
            }
            if is_repair {
                self.node.rebuild(&info.topic).await?;
            }
            report.add_application(info.topic, Problem::State, is_repair);
        }
        Ok(report)
    }
}
