// SPDX-License-Identifier: GPL-3.0-or-later
//! `new`: a new document.

use std::path::PathBuf;

use clap::Args;
use reflection_doc::library::Library;
use reflection_node::access::Access;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, give};

/// Largest file that is taken as a document, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    /// Text to begin with, UTF-8
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
        let unreadable =
            |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", file.display());
        let size = std::fs::metadata(file)
            .map_err(|error| CommandError::Failed(unreadable(&error)))?
            .len();
        if size > FILE_BYTES_MAX {
            return Err(CommandError::Failed(unreadable(
                &"it is larger than 64 MiB",
            )));
        }
        let bytes =
            std::fs::read(file).map_err(|error| CommandError::Failed(unreadable(&error)))?;
        self.text = String::from_utf8(bytes)
            .map_err(|_| CommandError::Failed(unreadable(&"it is not UTF-8 text")))?;
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
