// SPDX-License-Identifier: GPL-3.0-or-later
//! `search`: full text.

use clap::Args;
use reflection_doc::library::{HITS_MAX, Library};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, give};

#[derive(Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    /// What to look for; the last word may be the beginning of one, "quoted words" belong together
    #[arg(required = true, value_name = "WORDS")]
    words: Vec<String>,
}

impl std::fmt::Debug for Search {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Search")
    }
}

impl Search {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let found = library.search(&self.words.join(" "), HITS_MAX).await?;
        for hit in found.hits {
            let marks: Vec<[usize; 2]> = hit
                .snippet
                .hits
                .iter()
                .map(|place| [place.start, place.end])
                .collect();
            let line = json!({
                "document": hit.topic.to_string(),
                "title": hit.title.text,
                "snippet": hit.snippet.text,
                "hits": marks,
            });
            give(results, line).await;
        }
        match found.unsearchable {
            0 => Ok(()),
            1 => Err(CommandError::failed("one document could not be searched")),
            number => Err(CommandError::Failed(format!(
                "{number} documents could not be searched"
            ))),
        }
    }
}
