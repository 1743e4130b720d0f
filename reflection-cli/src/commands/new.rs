// SPDX-License-Identifier: GPL-3.0-or-later
//! `new`: a new document.

use std::path::PathBuf;

use clap::Args;
use reflection_doc::library::Library;
use reflection_doc::library::files;
use reflection_node::access::Access;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, give};

#[derive(Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    /// Text to begin with, in any common encoding
    #[serde(skip)]
    file: Option<PathBuf>,
    /// Begin with the heading `# T`
    #[arg(long, value_name = "T")]
    title: Option<String>,
    /// What the file holds.
    #[arg(skip)]
    #[serde(default)]
    text: String,
}

impl std::fmt::Debug for New {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("New")
    }
}

impl New {
    pub(super) fn prepare(mut self) -> Result<Self, CommandError> {
        let Some(file) = &self.file else {
            return Ok(self);
        };
        // What another program writes into a pipe is taken as well.
        self.text = std::fs::File::open(file)
            .map_err(files::ImportError::from)
            .and_then(files::read)
            .map_err(|error| CommandError::Failed(format!("{}: {error}", file.display())))?;
        Ok(self)
    }

    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let text = match &self.title {
            Some(title) if self.text.is_empty() => format!("# {title}\n"),
            Some(title) => format!("# {title}\n\n{}", self.text),
            None => self.text.clone(),
        };
        let topic = library.create(&text).await?;
        let code = library.code(&topic, Access::Write, true).await?;
        let result = json!({ "document": topic.to_string(), "code": code.to_string() });
        give(results, result).await;
        Ok(())
    }
}
