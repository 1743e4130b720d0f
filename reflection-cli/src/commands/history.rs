// SPDX-License-Identifier: GPL-3.0-or-later
//! `history`: the versions of a document.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    /// Which document
    #[arg(value_name = "DOC")]
    document: String,
    /// Give a version a name, which everybody in the document sees
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Which version gets the name; what is there now if none is given
    #[arg(long, value_name = "V", requires = "name")]
    version: Option<String>,
}

impl std::fmt::Debug for History {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("History")
    }
}

impl History {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topic = document::find(library, &self.document).await?;
        if let Some(name) = &self.name {
            library
                .name_version(&topic, self.version.as_deref(), name)
                .await?;
        }
        let versions = library.past(&topic, |past| Ok(past.versions())).await?;
        for version in versions {
            let others: Vec<String> = version.others.iter().map(ToString::to_string).collect();
            let line = json!({
                "version": version.version.to_string(),
                "author": version.author.map(|author| author.to_string()),
                "others": others,
                "time": crate::output::time(version.ended_s.saturating_mul(1_000_000)),
                "added": version.added,
                "deleted": version.deleted,
                "names": version.names,
            });
            give(results, line).await;
        }
        Ok(())
    }
}
