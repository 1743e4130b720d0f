// SPDX-License-Identifier: GPL-3.0-or-later
//! `stats`: what documents take on the disk and in memory.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stats {
    /// Which document; all without it
    #[arg(value_name = "DOC")]
    document: Option<String>,
}

impl Stats {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topics = document::one_or_all(library, self.document.as_deref()).await?;
        let storage = library.node().storage().await?;
        for topic in topics {
            let statistics = library.node().statistics(&topic).await?;
            let line = json!({
                "document": topic.to_string(),
                "operations": statistics.operations,
                "authors": statistics.authors,
                "bytes": {
                    "headers": statistics.header_bytes,
                    "bodies": statistics.body_bytes,
                },
                // Of all documents together.
                "disk": {
                    "database": storage.database_bytes,
                    "log": storage.log_bytes,
                    "free": storage.free_bytes,
                    "backups": storage.backup_bytes,
                },
                "memory_bytes": resident_bytes(),
            });
            give(results, line).await;
        }
        Ok(())
    }
}

/// Resident memory of this process, in bytes; `None` where the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
