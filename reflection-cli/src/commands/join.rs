// SPDX-License-Identifier: GPL-3.0-or-later
//! `join`: taking part by a code.

use std::io::Read;

use clap::Args;
use reflection_doc::library::Library;
use reflection_node::access::Code;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, give};

/// Longest standard input that is looked at for a code, in bytes.
const INPUT_BYTES_MAX: u64 = 4096;

#[derive(Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Join {
    /// The code, a reflection: link, or - for standard input
    #[arg(value_name = "CODE")]
    code: String,
}

impl std::fmt::Debug for Join {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Join")
    }
}

impl Join {
    pub(super) fn prepare(mut self) -> Result<Self, CommandError> {
        if self.code == "-" {
            self.code.clear();
            std::io::stdin()
                .take(INPUT_BYTES_MAX)
                .read_to_string(&mut self.code)
                .map_err(|_| CommandError::failed("standard input is not a code"))?;
        }
        Ok(self)
    }

    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let code: Code = self.code.parse().map_err(CommandError::failed)?;
        let (topic, access) = library.node().join(&code).await?;
        let result = json!({ "document": topic.to_string(), "access": access.as_str() });
        give(results, result).await;
        Ok(())
    }
}
