// SPDX-License-Identifier: GPL-3.0-or-later
//! `edit`: one edit.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    /// Which document
    #[arg(value_name = "DOC")]
    document: String,
    /// Characters before the edit
    #[arg(long, value_name = "N")]
    at: usize,
    /// How many characters to delete
    #[arg(long, value_name = "N", default_value_t = 0)]
    #[serde(default)]
    delete: usize,
    /// What to insert
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        allow_hyphen_values = true
    )]
    #[serde(default)]
    insert: String,
}

impl std::fmt::Debug for Edit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Edit")
    }
}

impl Edit {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topic = document::find(library, &self.document).await?;
        let mut document = library.open_document(&topic).await?;
        document
            .engine
            .edit(self.at, self.delete, &self.insert)
            .map_err(CommandError::failed)?;
        let published = document.flush().await.map_err(CommandError::failed)?;
        let result = json!({
            "document": topic.to_string(),
            "operation": published.map(|published| published.id.to_string()),
        });
        give(results, result).await;
        Ok(())
    }
}
