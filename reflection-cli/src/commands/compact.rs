// SPDX-License-Identifier: GPL-3.0-or-later
//! `compact`: own logs packed into one operation each, and unused space given back.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compact {
    /// Which document; all without it
    #[arg(value_name = "DOC")]
    document: Option<String>,
}

impl Compact {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topics = document::one_or_all(library, self.document.as_deref()).await?;
        let before = library.node().storage().await?;
        for topic in topics {
            let compacted = match library.node().compact(&topic).await {
                Ok(compacted) => compacted,
                // Asked for by name it has to be possible; of all documents those that can be.
                Err(error) if self.document.is_some() => return Err(CommandError::failed(error)),
                Err(_) => continue,
            };
            let line = json!({
                "document": topic.to_string(),
                "operations_before": compacted.before.operations,
                "operations": compacted.after.operations,
                "bytes_before": compacted.before.bytes,
                "bytes": compacted.after.bytes,
            });
            give(results, line).await;
        }
        library.node().reclaim().await?;
        let after = library.node().storage().await?;
        let line = json!({
            "disk_before": before.database_bytes + before.log_bytes,
            "disk": after.database_bytes + after.log_bytes,
        });
        give(results, line).await;
        Ok(())
    }
}
