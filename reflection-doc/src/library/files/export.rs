// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents as files in a folder.
//!
//! A file appears whole or not at all, and never in the place of another one: a name that is
//! taken gets a number. Exporting the same text to the same folder again makes no second file.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use reflection_node::access::{Access, TopicId};

use super::{file_name, html};
use crate::engine::title;
use crate::library::{Library, LibraryError};

/// Most documents of one name in a folder.
const NUMBER_MAX: u32 = 100_000;

/// What is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The text as it is, as Markdown.
    #[default]
    Markdown,
    /// The text as it is.
    Text,
    /// A page.
    Html,
}

impl Format {
    /// How names of such files end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Text => "txt",
            Self::Html => "html",
        }
    }

    /// What stands in such a file.
    pub fn contents(self, text: &str) -> String {
        match self {
            Self::Markdown | Self::Text => text.to_owned(),
            Self::Html => html(&title(text), text),
        }
    }
}

/// Why a document was not written to a file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The folder cannot be used.
    #[error("the folder cannot be used: {0}")]
    Folder(#[source] std::io::Error),
    /// The file cannot be written.
    #[error("a file cannot be written: {0}")]
    Write(#[source] std::io::Error),
    /// All names that a document could have are taken.
    #[error("the folder has too many files of one name")]
    NoName,
    /// The document could not be read.
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// A document that was written to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Which.
    pub topic: TopicId,
    /// Where its text is now.
    pub path: PathBuf,
}

impl Library {
    /// Writes a document into a folder, which is made if it is missing.
    pub async fn export(
        &self,
        topic: &TopicId,
        folder: &Path,
        format: Format,
    ) -> Result<Exported, ExportError> {
        let text = self.text(topic).await?;
        let folder = folder.to_owned();
        let path = self
            .node
            .aside(async move { write_text(&folder, &text, format) })
            .await?;
        Ok(Exported {
            topic: *topic,
            path,
        })
    }

    /// The documents that an export of the whole library holds: all that can be read here.
    pub async fn exportable(&self) -> Result<Vec<TopicId>, LibraryError> {
        let mut documents = self.documents().await?;
        documents.retain(|document| document.access >= Access::Read);
        // The oldest first, so that numbers of equal names stay the same from time to time.
        documents.reverse();
        Ok(documents.iter().map(|document| document.topic).collect())
    }
}

/// Writes a text into a folder under a name of its own, and gives its path.
pub(super) fn write_text(
    folder: &Path,
    text: &str,
    format: Format,
) -> Result<PathBuf, ExportError> {
    std::fs::create_dir_all(folder).map_err(ExportError::Folder)?;
    let contents = format.contents(text);
    let title = title(text);
    let draft = Draft::write(folder, contents.as_bytes()).map_err(ExportError::Write)?;
    for number in 1..=NUMBER_MAX {
        let path = folder.join(file_name(&title, number, format.ending()));
        if holds(&path, contents.as_bytes()) {
            return Ok(path);
        }
        match draft.publish(&path) {
            Ok(()) => {
                sync_folder(folder);
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(ExportError::Write(error)),
        }
    }
    Err(ExportError::NoName)
}

/// Whether a file holds these bytes and no others.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let is_like = std::fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64);
    if !is_like {
        return false;
    }
    let mut found = Vec::new();
    let limit = bytes.len() as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut found))
        .is_ok()
        && found == bytes
}

/// A whole file under a name that nobody looks for; removed when dropped.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn write(folder: &Path, bytes: &[u8]) -> std::io::Result<Self> {
        let (path, mut file) = Self::create(folder)?;
        let draft = Self { path };
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(draft)
    }

    fn create(folder: &Path) -> std::io::Result<(PathBuf, File)> {
        let process = std::process::id();
        let mut number = 0;
        loop {
            let path = folder.join(format!(".reflection-{process}-{number}.part"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && number < NUMBER_MAX => {
                    number += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the file a name that nothing has yet.
    fn publish(&self, path: &Path) -> std::io::Result<()> {
        match std::fs::hard_link(&self.path, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            Ok(()) => Ok(()),
            // A file system without links: the name is taken first, with an empty file.
            Err(_) => {
                OpenOptions::new().write(true).create_new(true).open(path)?;
                std::fs::rename(&self.path, path)
            }
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Has the disk keep the new names. Some file systems cannot; the files are whole all the same.
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_that_is_there_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("to");
        let write = |text: &str| {
            let path = write_text(&folder, text, Format::Markdown).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(write("# Plan\n\none"), "Plan.md");
        assert_eq!(write("# Plan\n\ntwo"), "Plan (2).md");
        assert_eq!(write("# Plan\n\none"), "Plan.md", "the same text once");
        assert_eq!(write("# Plan\n\ntwo"), "Plan (2).md");
        assert_eq!(write("# Plan\n\nthree"), "Plan (3).md");
        std::os::unix::fs::symlink("/dev/null", folder.join("Link.md")).unwrap();
        assert_eq!(write("Link"), "Link (2).md");
        std::fs::create_dir(folder.join("Untitled.md")).unwrap();
        assert_eq!(write(""), "Untitled (2).md");
        assert_eq!(
            names(&folder),
            [
                "Link (2).md",
                "Link.md",
                "Plan (2).md",
                "Plan (3).md",
                "Plan.md",
                "Untitled (2).md",
                "Untitled.md",
            ],
            "no drafts stay"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let failed = write_text(&file, "text", Format::Text);
        assert!(matches!(failed, Err(ExportError::Folder(_))));
    }
}
