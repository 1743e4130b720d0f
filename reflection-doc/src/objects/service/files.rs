// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents from files and documents as files; the files are read and written on other threads.

use std::path::Path;

use super::{Service, ServiceError};
use crate::library::files::{ExportError, Format, ImportError};
use crate::objects::{Document, DocumentPhase};

/// What became of an export of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportCounts {
    /// Documents that are in the folder now.
    pub exported: usize,
    /// Documents that are not.
    pub failed: usize,
}

/// Why a file did not become a document, or a document no file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The library could not do it.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The file is not taken.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The file cannot be made.
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl Service {
    /// Makes a document of a file.
    pub async fn import(&self, path: &Path) -> Result<Document, FileError> {
        let library = self.library()?;
        let topic = library.import(path).await?;
        Ok(self.shown(&library, &topic).await?)
    }

    /// The text of a document, open or not.
    pub async fn text(&self, document: &Document) -> Result<String, ServiceError> {
        if document.phase() == DocumentPhase::Open {
            return Ok(document.text());
        }
        match document.topic() {
            Some(topic) => Ok(self.library()?.text(&topic).await?),
            None => Ok(String::new()),
        }
    }

    /// Writes all documents that can be read into a folder, the text as it stands on the disk.
    pub async fn export_all(&self, folder: &Path) -> Result<ExportCounts, FileError> {
        let library = self.library()?;
        let flushed = self.documents().to_vec();
        futures_util::future::join_all(flushed.iter().map(Document::flush)).await;
        let topics = library.exportable().await.map_err(ServiceError::from)?;
        let mut counts = ExportCounts::default();
        for topic in topics {
            match library.export(&topic, folder, Format::Markdown).await {
                Ok(_) => counts.exported += 1,
                // Nothing can be written there at all.
                Err(error @ ExportError::Folder(_)) => return Err(error.into()),
                Err(_) => counts.failed += 1,
            }
        }
        Ok(counts)
    }
}
