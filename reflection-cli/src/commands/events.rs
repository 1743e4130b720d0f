// SPDX-License-Identifier: GPL-3.0-or-later
//! `events`: what the running process has told.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{CommandError, Results, give};
use crate::output::event_log::EventLog;

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsCommand {
    /// Go on with those that come
    #[arg(long)]
    #[serde(default)]
    follow: bool,
}

/// Why there are no events to show.
pub(super) fn nothing_runs() -> CommandError {
    CommandError::failed("no process is running on this data folder")
}

impl EventsCommand {
    /// Tells the events of this process.
    pub(crate) async fn tell(&self, log: &EventLog, results: &Results) {
        let (kept, coming) = log.listen();
        for event in kept {
            give(results, event).await;
        }
        if !self.follow {
            return;
        }
        while let Ok(event) = coming.recv().await {
            if results.send(event).await.is_err() {
                return;
            }
        }
    }
}
