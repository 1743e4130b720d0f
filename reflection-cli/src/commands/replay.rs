// SPDX-License-Identifier: GPL-3.0-or-later
//! `replay`: a document's operations in the order in which they were accepted here.

use clap::Args;
use reflection_doc::library::Library;
use reflection_node::operation::Kind;
use reflection_node::pipeline::StreamStart;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, document, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// Which document
    #[arg(value_name = "DOC")]
    document: String,
    /// Where to begin: a position as this command shows it, or a time such as
    /// 2026-11-21T13:00:00Z; the first operation without it
    #[arg(long, value_name = "POSITION|TIME")]
    from: Option<String>,
}

impl Replay {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let topic = document::find(library, &self.document).await?;
        let start = self
            .from
            .as_deref()
            .map_or(Ok(StreamStart::Beginning), start)?;
        let mut stream = library
            .node()
            .stream_from(&topic, start)
            .await
            .map_err(CommandError::failed)?;
        loop {
            let batch = stream.stored().await.map_err(CommandError::failed)?;
            if batch.is_empty() {
                return Ok(());
            }
            for operation in batch {
                let line = json!({
                    "position": operation.position,
                    "operation": operation.id.to_string(),
                    "author": operation.author.to_string(),
                    "sequence": operation.sequence,
                    "time": crate::output::time(operation.time_us),
                    "kind": match operation.kind {
                        Kind::Edit => "edit",
                        Kind::Compaction => "compaction",
                    },
                    "bytes": operation.body.len(),
                });
                give(results, line).await;
            }
        }
    }
}

/// The point that the option names.
fn start(text: &str) -> Result<StreamStart, CommandError> {
    if let Ok(position) = text.parse::<i64>() {
        return Ok(StreamStart::After(position.max(1) - 1));
    }
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| CommandError::WrongUse(format!("{text} is neither a position nor a time")))?;
    Ok(StreamStart::At(
        u64::try_from(time.as_microsecond()).unwrap_or(0),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_position_is_where_it_begins_and_a_time_is_one_with_a_zone() {
        assert_eq!(start("1").unwrap(), StreamStart::After(0));
        assert_eq!(start("0").unwrap(), StreamStart::After(0));
        assert_eq!(start("17").unwrap(), StreamStart::After(16));
        let second = start("1970-01-01T00:00:01Z").unwrap();
        assert_eq!(second, StreamStart::At(1_000_000));
        assert!(matches!(start("soon"), Err(CommandError::WrongUse(_))));
    }
}
