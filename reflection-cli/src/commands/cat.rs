// SPDX-License-Identifier: GPL-3.0-or-later
//! `cat`: the exact text.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
pub(crate) struct Cat {
    /// Which document
    #[arg(value_name = "DOC")]
    document: String,
}

impl Cat {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topic = document::find(library, &self.document).await?;
        give(results, json!({ "text": library.text(&topic).await? })).await;
        Ok(())
    }
}
