// SPDX-License-Identifier: GPL-3.0-or-later
//! `rebuild`: making again from the operations what is kept beside them.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::check::kept_line;
use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rebuild {
    /// Which document; all without it
    #[arg(value_name = "DOC")]
    document: Option<String>,
}

impl Rebuild {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        for topic in document::one_or_all(library, self.document.as_deref()).await? {
            let (rebuilt, kept) = library.rebuild(&topic).await?;
            if let Some(kept) = &kept {
                give(results, kept_line(kept)).await;
            }
            let line = json!({
                "document": topic.to_string(),
                "operations": rebuilt.operations,
                "refused": rebuilt.refused,
                "damaged": rebuilt.damaged,
            });
            give(results, line).await;
        }
        Ok(())
    }
}
