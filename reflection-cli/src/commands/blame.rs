// SPDX-License-Identifier: GPL-3.0-or-later
//! `blame`: who wrote which part of the text.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Blame {
    /// Which document
    #[arg(value_name = "DOC")]
    document: String,
}

impl Blame {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topic = document::find(library, &self.document).await?;
        for run in library.author_runs(&topic).await? {
            let line = json!({
                "from": run.from,
                "to": run.to,
                "author": run.author.map(|author| author.to_string()),
            });
            give(results, line).await;
        }
        Ok(())
    }
}
