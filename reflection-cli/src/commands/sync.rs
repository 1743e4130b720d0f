// SPDX-License-Identifier: GPL-3.0-or-later
//! `sync`: exchanging until nothing is left.

use std::time::Instant;

use clap::Args;
use reflection_doc::library::Library;
use reflection_node::access::TopicId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::values::Seconds;
use super::{CommandError, Results, document, give};

const TIMEOUT: Seconds = Seconds::new(30);
/// Documents whose ids are told when they could not be exchanged.
const TOLD_MAX: usize = 8;

fn timeout() -> Seconds {
    TIMEOUT
}

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sync {
    /// Which documents; all without any
    #[arg(value_name = "DOC")]
    #[serde(default)]
    documents: Vec<String>,
    /// Give up after so many seconds
    #[arg(long, value_name = "S", default_value_t = TIMEOUT)]
    #[serde(default = "timeout")]
    timeout: Seconds,
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
        let report = library.node().sync(&topics, self.timeout.duration()).await;
        let result = json!({
            "documents": report.complete.len(),
            "operations_in": report.counts.operations_in,
            "operations_out": report.counts.operations_out,
            "bytes_in": report.counts.bytes_in,
            "bytes_out": report.counts.bytes_out,
            "seconds": started.elapsed().as_secs_f64(),
        });
        give(results, result).await;
        let mut missing = report.missing;
        // What nobody else ever had is missing nowhere, unless it was asked for, or nobody was reached.
        if !self.documents.is_empty() || report.complete.is_empty() {
            missing.extend(report.alone);
        }
        let complaints: Vec<String> = [
            ("nobody could be reached who has", missing),
            ("not all came or went in time of", report.incomplete),
        ]
        .into_iter()
        .filter(|(_, topics)| !topics.is_empty())
        .map(|(complaint, topics)| format!("{complaint} {}", listed(&topics)))
        .collect();
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(CommandError::Failed(complaints.join(", and ")))
        }
    }
}

/// Some documents, by their ids.
fn listed(topics: &[TopicId]) -> String {
    let ids: Vec<String> = topics
        .iter()
        .take(TOLD_MAX)
        .map(ToString::to_string)
        .collect();
    let noun = if topics.len() == 1 {
        "document"
    } else {
        "documents"
    };
    let more = match topics.len().saturating_sub(TOLD_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the {noun} {}{more}", ids.join(", "))
}
