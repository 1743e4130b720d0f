// SPDX-License-Identifier: GPL-3.0-or-later
//! `delete`: removing a document from this machine.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delete {
    /// Which document
    #[arg(value_name = "DOC")]
    document: String,
}

impl Delete {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topic = document::find_any(library, &self.document).await?;
        library.node().delete(&topic).await?;
        give(results, json!({ "document": topic.to_string() })).await;
        Ok(())
    }
}
