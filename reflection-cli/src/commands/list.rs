// SPDX-License-Identifier: GPL-3.0-or-later
//! `list`: all documents.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {}

impl List {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        for document in library.documents().await? {
            let line = json!({
                "document": document.topic.to_string(),
                "title": document.title,
                "access": document.access.as_str(),
                "chars": document.chars,
                "unread": document.unread,
                "updated": crate::output::time(document.updated_us),
                "copies": document.copies,
            });
            give(results, line).await;
        }
        Ok(())
    }
}
