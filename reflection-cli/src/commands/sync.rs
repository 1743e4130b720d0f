// SPDX-License-Identifier: GPL-3.0-or-later
//! `sync`: exchanging until nothing is left.

use std::time::{Duration, Instant};

use clap::Args;
use reflection_doc::library::Library;
use reflection_node::access::TopicId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
pub(crate) struct Sync {
    /// Which documents; all without any
    #[arg(value_name = "DOC")]
    documents: Vec<String>,
    /// Give up after so many seconds
    #[arg(long, value_name = "S", default_value_t = 30.0, value_parser = parse_seconds)]
    timeout: f64,
}

/// A number of seconds that a clock can count.
pub(super) fn parse_seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=1e9).contains(seconds))
        .ok_or_else(|| format!("{text} is not a number of seconds"))
}

impl Sync {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let mut topics: Vec<TopicId> = Vec::new();
        for argument in &self.documents {
            topics.push(document::find(library, argument).await?);
        }
        if self.documents.is_empty() {
            topics.extend(
                library
                    .node()
                    .documents()
                    .await?
                    .iter()
                    .map(|info| info.topic),
            );
        }
        let started = Instant::now();
        let report = library
            .node()
            .sync(&topics, Duration::from_secs_f64(self.timeout))
            .await;
        let result = json!({
            "documents": report.complete.len(),
            "operations_in": report.counts.operations_in,
            "operations_out": report.counts.operations_out,
            "bytes_in": report.counts.bytes_in,
            "bytes_out": report.counts.bytes_out,
            "seconds": started.elapsed().as_secs_f64(),
        });
        give(results, result).await;
        match report.missing.as_slice() {
            [] => Ok(()),
            [topic] => Err(CommandError::Failed(format!(
                "nobody could be reached who has the document {topic}, or not all of it came"
            ))),
            missing => Err(CommandError::Failed(format!(
                "{} of {} documents could not be exchanged with anybody",
                missing.len(),
                topics.len()
            ))),
        }
    }
}
