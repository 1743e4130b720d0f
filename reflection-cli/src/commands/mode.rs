// SPDX-License-Identifier: GPL-3.0-or-later
//! `mode`: how far the running process reaches.

use clap::Args;
use reflection_doc::library::Library;
use reflection_node::Mode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModeCommand {
    /// offline, local or internet; shows the present one without
    #[arg(value_name = "MODE", value_parser = parse)]
    to: Option<String>,
    /// Whether no process runs on the folder, so that it is about the next one. Not told to a
    /// running process.
    #[arg(skip)]
    #[serde(skip)]
    is_alone: bool,
}

fn parse(text: &str) -> Result<String, String> {
    text.parse::<Mode>()
        .map(|mode| mode.as_str().to_owned())
        .map_err(|error| error.to_string())
}

impl ModeCommand {
    pub(super) fn prepare(mut self) -> Self {
        self.is_alone = true;
        self
    }

    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let node = library.node();
        let to = match &self.to {
            Some(word) => Some(
                word.parse::<Mode>()
                    .map_err(|error| CommandError::WrongUse(error.to_string()))?,
            ),
            None => None,
        };
        if let Some(mode) = to {
            if self.is_alone {
                node.remember_mode(mode).await?;
            } else {
                node.set_mode(mode).await.map_err(|error| {
                    let kept = format!("the mode is {mode} all the same, and it is tried again");
                    CommandError::Failed(format!("{error}; {kept}"))
                })?;
            }
        }
        let mode = if self.is_alone {
            node.remembered_mode().await?
        } else {
            node.mode().await
        };
        give(results, json!({ "mode": mode.as_str() })).await;
        Ok(())
    }
}
