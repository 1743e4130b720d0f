// SPDX-License-Identifier: GPL-3.0-or-later
//! `restore`: a version again, as a new edit.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restore {
    /// Which document
    #[arg(value_name = "DOC")]
    document: String,
    /// The version: its id as history shows it, the beginning of one, or a name
    #[arg(value_name = "V")]
    version: String,
}

impl Restore {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topic = document::find(library, &self.document).await?;
        let published = library.restore(&topic, &self.version).await?;
        let result = json!({
            "document": topic.to_string(),
            "operation": published.map(|published| published.id.to_string()),
        });
        give(results, result).await;
        Ok(())
    }
}
