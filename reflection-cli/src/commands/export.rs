// SPDX-License-Identifier: GPL-3.0-or-later
//! `export`: documents as files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use reflection_doc::library::{Library, files};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::values::path;
use super::{CommandError, Results, document, give};

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Format {
    /// Markdown, the text as it is
    #[default]
    Md,
    /// Plain text, the text as it is
    Txt,
    /// A page to look at
    Html,
}

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// Which documents; all that can be read here if none is named
    #[arg(value_name = "DOC")]
    #[serde(default)]
    documents: Vec<String>,
    /// The folder, made if it is missing
    #[arg(long, value_name = "DIR")]
    #[serde(with = "path")]
    to: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Md)]
    #[serde(default)]
    format: Format,
}

impl Export {
    pub(super) fn prepare(mut self) -> Result<Self, CommandError> {
        self.to = std::path::absolute(&self.to).map_err(CommandError::failed)?;
        Ok(self)
    }

    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let format = match self.format {
            Format::Md => files::Format::Markdown,
            Format::Txt => files::Format::Text,
            Format::Html => files::Format::Html,
        };
        let mut topics = Vec::new();
        for argument in &self.documents {
            topics.push(document::find(library, argument).await?);
        }
        if self.documents.is_empty() {
            topics = library.exportable().await?;
        }
        std::fs::create_dir_all(&self.to).map_err(|error| {
            CommandError::Failed(format!("{} cannot be made: {error}", self.to.display()))
        })?;
        for topic in topics {
            let exported = library
                .export(&topic, &self.to, format)
                .await
                .map_err(CommandError::failed)?;
            let line = json!({
                "document": topic.to_string(),
                "path": exported.path.display().to_string(),
            });
            give(results, line).await;
        }
        if self.documents.is_empty() {
            document::all_are_sound(library).await?;
        }
        Ok(())
    }
}
