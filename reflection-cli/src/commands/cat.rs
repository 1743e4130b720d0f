// SPDX-License-Identifier: GPL-3.0-or-later
//! `cat`: the exact text.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cat {
    /// Which document
    #[arg(value_name = "DOC")]
    document: String,
    /// As it was: a version's id as history shows it, the beginning of one, or a name
    #[arg(long, value_name = "V")]
    version: Option<String>,
}

impl Cat {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topic = document::find(library, &self.document).await?;
        let text = match self.version.clone() {
            Some(version) => {
                let look = move |past: &reflection_doc::library::Past| {
                    let version = past.find(&version)?;
                    past.text(&version)
                };
                library.past(&topic, look).await?
            }
            None => library.text(&topic).await?,
        };
        give(results, json!({ "text": text })).await;
        Ok(())
    }
}
