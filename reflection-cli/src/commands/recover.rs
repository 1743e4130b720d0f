// SPDX-License-Identifier: GPL-3.0-or-later
//! `recover`: documents of another database as new documents.

use std::path::PathBuf;

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::values::path;
use super::{CommandError, Results, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recover {
    /// A data folder, or a database file such as a backup
    #[arg(value_name = "FOLDER")]
    #[serde(with = "path")]
    folder: PathBuf,
}

impl Recover {
    /// The process that carries it out may run in another folder.
    pub(super) fn prepare(mut self) -> Result<Self, CommandError> {
        self.folder = std::path::absolute(&self.folder).map_err(CommandError::failed)?;
        Ok(self)
    }

    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let recovered = library
            .recover(&self.folder)
            .await
            .map_err(CommandError::failed)?;
        let (mut unreadable, mut in_part) = (0, 0);
        for document in recovered {
            match document.new {
                _ if document.is_whole => {}
                None => unreadable += 1,
                Some(_) => in_part += 1,
            }
            let line = json!({
                "old": document.old.map(|old| old.to_string()),
                "document": document.new.map(|new| new.to_string()),
                "chars": document.chars,
                "damaged": document.damaged,
                "whole": document.is_whole,
            });
            give(results, line).await;
        }
        match (unreadable, in_part) {
            (0, 0) => Ok(()),
            (unreadable, 0) => Err(CommandError::Failed(format!(
                "documents that could not be read: {unreadable}"
            ))),
            (unreadable, in_part) => Err(CommandError::Failed(format!(
                "documents that could not be read: {unreadable}, and in part only: {in_part}"
            ))),
        }
    }
}
