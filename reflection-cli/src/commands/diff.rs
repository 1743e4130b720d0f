// SPDX-License-Identifier: GPL-3.0-or-later
//! `diff`: what differs between two versions.

use clap::Args;
use reflection_doc::engine::{Part, difference_by_words};
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Diff {
    /// Which document
    #[arg(value_name = "DOC")]
    document: String,
    /// The older version: its id as history shows it, the beginning of one, or a name
    #[arg(value_name = "A")]
    from: String,
    /// The newer version
    #[arg(value_name = "B")]
    to: String,
}

impl Diff {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topic = document::find(library, &self.document).await?;
        let (from, to) = (self.from.clone(), self.to.clone());
        let parts = library
            .past(&topic, move |past| {
                let (from, to) = (past.find(&from)?, past.find(&to)?);
                Ok(difference_by_words(&past.text(&from)?, &past.text(&to)?))
            })
            .await?;
        for part in parts {
            let (change, text) = match &part {
                Part::Same(text) => ("same", text),
                Part::Removed(text) => ("removed", text),
                Part::Added(text) => ("added", text),
            };
            give(results, json!({ "change": change, "text": text })).await;
        }
        Ok(())
    }
}
