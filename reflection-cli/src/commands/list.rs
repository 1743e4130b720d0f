// SPDX-License-Identifier: GPL-3.0-or-later
//! `list`: all documents.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {}

impl List {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        for listed in library.documents().await? {
            let line = json!({
                "document": listed.topic.to_string(),
                "title": listed.title,
                "access": listed.access.as_str(),
                "chars": listed.chars,
                "unread": listed.unread,
                "updated": crate::output::time(listed.updated_us),
                "copies": listed.copies,
            });
            give(results, line).await;
        }
        document::all_are_sound(library).await
    }
}
