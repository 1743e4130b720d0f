// SPDX-License-Identifier: GPL-3.0-or-later
//! `import`: documents from files.

use std::path::{Path, PathBuf};

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::values::path;
use super::{CommandError, Results, give};

/// Files in folders that are taken, by how their names end.
const ENDINGS: [&str; 5] = ["md", "markdown", "mkd", "txt", "text"];
/// How deep folders are looked into.
const DEPTH_MAX: usize = 32;
/// Files that were not imported of which it is told why.
const TOLD_MAX: usize = 20;
/// Most files of one import.
const FILES_MAX: usize = 100_000;

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    /// Text files in any common encoding, or folders
    #[arg(required = true, value_name = "PATH")]
    #[serde(with = "path::many")]
    paths: Vec<PathBuf>,
}

impl Import {
    pub(super) fn prepare(mut self) -> Result<Self, CommandError> {
        for path in &mut self.paths {
            *path = std::path::absolute(&path).map_err(CommandError::failed)?;
        }
        Ok(self)
    }

    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let mut failed = Failed::default();
        let mut files = Vec::new();
        for path in &self.paths {
            if path.is_dir() {
                look_into(path, DEPTH_MAX, &mut files, &mut failed);
            } else {
                files.push(path.clone());
            }
        }
        if files.len() > FILES_MAX {
            return Err(CommandError::Failed(format!(
                "there are more than {FILES_MAX} files"
            )));
        }
        for path in files {
            match library.import(&path).await {
                Ok(topic) => {
                    let line = json!({
                        "document": topic.to_string(),
                        "path": path.display().to_string(),
                    });
                    give(results, line).await;
                }
                Err(error) => failed.add(&path, &error),
            }
        }
        failed.into_result()
    }
}

/// What was not imported.
#[derive(Default)]
struct Failed {
    told: Vec<String>,
    others: usize,
}

impl Failed {
    fn add(&mut self, path: &Path, error: &dyn std::fmt::Display) {
        if self.told.len() < TOLD_MAX {
            let sentence = format!("{} was not imported: {error}", path.display());
            self.told.push(sentence);
        } else {
            self.others += 1;
        }
    }

    fn into_result(self) -> Result<(), CommandError> {
        if self.told.is_empty() {
            return Ok(());
        }
        let mut told = self.told.join("; ");
        if self.others > 0 {
            told = format!("{told}; and so it was with {} more", self.others);
        }
        Err(CommandError::Failed(told))
    }
}

/// Text files of a folder and those in it, by name. Links and hidden files are left out.
fn look_into(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, failed: &mut Failed) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return failed.add(folder, &error),
    };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if is_hidden || files.len() > FILES_MAX {
            continue;
        }
        if kind.is_dir() && depth > 0 {
            look_into(&path, depth - 1, files, failed);
        } else if kind.is_file() && is_text(&path) {
            files.push(path);
        }
    }
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|ending| {
        ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    })
}
