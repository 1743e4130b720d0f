// SPDX-License-Identifier: GPL-3.0-or-later
//! `check`: whether everything that is stored is sound.

use clap::Args;
use reflection_doc::library::{KeptText, Library};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// Which document; everything without it
    #[arg(value_name = "DOC")]
    document: Option<String>,
    /// Make again what follows from operations, and move aside operations that are not sound; a
    /// text that could not be read any more after that becomes a new document first
    #[arg(long)]
    #[serde(default)]
    repair: bool,
}

/// A text that the repair would have lost: of which document, and where it is now.
pub(super) fn kept_line(kept: &KeptText) -> Value {
    json!({
        "document": kept.topic.to_string(),
        "kept_as": kept.kept_as.to_string(),
        "chars": kept.chars,
    })
}

impl Check {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topic = match &self.document {
            Some(argument) => Some(document::find(library, argument).await?),
            None => None,
        };
        let report = library.check(topic, self.repair).await?;
        for kept in &report.kept {
            give(results, kept_line(kept)).await;
        }
        let mut left = 0_u64;
        for finding in &report.findings {
            left += u64::from(!finding.is_repaired);
            let line = json!({
                "document": finding.topic.map(|topic| topic.to_string()),
                "author": finding.author.map(|author| author.to_string()),
                "problem": finding.problem.to_string(),
                "repaired": finding.is_repaired,
            });
            give(results, line).await;
        }
        let line = json!({
            "documents": report.documents,
            "operations": report.operations,
            "problems": report.findings.len(),
            "repaired": report.findings.len() as u64 - left,
            "kept": report.kept.len(),
        });
        give(results, line).await;
        match left {
            0 => Ok(()),
            1 => Err(CommandError::failed("one thing is not as it should be")),
            left => Err(CommandError::Failed(format!(
                "{left} things are not as they should be"
            ))),
        }
    }
}
