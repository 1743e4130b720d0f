// SPDX-License-Identifier: GPL-3.0-or-later
//! `code`: a code that hands a right on.

use clap::Args;
use reflection_doc::library::Library;
use reflection_node::access::Access;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeCommand {
    /// Which document
    #[arg(value_name = "DOC")]
    document: String,
    /// A code for reading only
    #[arg(long, conflicts_with = "replica")]
    #[serde(default)]
    read_only: bool,
    /// A code for keeping a copy that cannot be read
    #[arg(long)]
    #[serde(default)]
    replica: bool,
    /// Leave out how this machine is reached
    #[arg(long)]
    #[serde(default)]
    no_hints: bool,
}

impl CodeCommand {
    /// Whether the code tells how this machine is reached.
    pub(super) fn has_hints(&self) -> bool {
        !self.no_hints
    }

    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let access = match (self.read_only, self.replica) {
            (true, _) => Access::Read,
            (_, true) => Access::Replica,
            _ => Access::Write,
        };
        let topic = document::find(library, &self.document).await?;
        let code = library.code(&topic, access, !self.no_hints).await?;
        let result = json!({ "code": code.to_string(), "access": access.as_str() });
        give(results, result).await;
        Ok(())
    }
}
