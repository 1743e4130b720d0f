// SPDX-License-Identifier: GPL-3.0-or-later
//! `run`: staying online, telling events, serving the other commands.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use reflection_doc::library::Library;
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::{Event, Events};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::{CommandError, Global};
use crate::output::{self, event};
use crate::rpc::server::Server;
use crate::session::{self, Session};

/// Changes of a document within this time are told as one.
const CHANGES_JOINED: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// End after so many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = super::sync::parse_seconds)]
    seconds: Option<f64>,
}

impl Run {
    pub(super) async fn run(&self, global: &Global) -> Result<(), CommandError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::failed)?;
        let session = Session::open(global, global.network()).await?;
        let folder = session::folder(global)?;
        let bound = Server::bind(&folder).map_err(|error| {
            CommandError::Failed(format!(
                "the socket in {} cannot be made: {error}",
                folder.display()
            ))
        });
        let server = match bound {
            Ok(server) => server,
            Err(error) => {
                session.close().await;
                return Err(error);
            }
        };
        let library = session.library.clone();
        let end = async {
            match self.seconds {
                Some(seconds) => tokio::time::sleep(Duration::from_secs_f64(seconds)).await,
                None => std::future::pending().await,
            }
        };
        let events = library.node().events();
        let told = ready(&library).await;
        let work = tokio::task::LocalSet::new();
        let result = work
            .run_until(async {
                told?;
                tokio::select! {
                    () = server.serve(library.clone()) => Ok(()),
                    result = tell(&library, events) => result,
                    _ = terminate.recv() => Ok(()),
                    _ = interrupt.recv() => Ok(()),
                    () = end => Ok(()),
                }
            })
            .await;
        // Callers that are being served are let go before the store closes under them.
        drop(work);
        drop(server);
        session.close().await;
        result
    }
}

async fn ready(library: &Library) -> Result<(), CommandError> {
    let addresses: Vec<String> = library
        .node()
        .addresses()
        .await
        .iter()
        .map(ToString::to_string)
        .collect();
    let line = json!({
        "event": "ready",
        "id": library.node().id().to_string(),
        "addresses": addresses,
    });
    output::print_event(&line).map_err(CommandError::failed)
}

/// Tells events until the node ends.
async fn tell(library: &Library, mut events: Events) -> Result<(), CommandError> {
    let mut changed: BTreeSet<(TopicId, AuthorId)> = BTreeSet::new();
    let mut due: Option<Instant> = None;
    loop {
        let next = tokio::select! {
            next = events.next() => next,
            () = sleep_until(due) => {
                due = None;
                tell_changes(library, std::mem::take(&mut changed)).await?;
                continue;
            }
        };
        match next {
            None => return Ok(()),
            Some(Event::DocumentChanged { topic, author, .. }) => {
                changed.insert((topic, author));
                due.get_or_insert_with(|| Instant::now() + CHANGES_JOINED);
            }
            Some(other) => {
                if let Some(line) = event::to_json(&other) {
                    output::print_event(&line).map_err(CommandError::failed)?;
                }
            }
        }
    }
}

async fn tell_changes(
    library: &Library,
    changed: BTreeSet<(TopicId, AuthorId)>,
) -> Result<(), CommandError> {
    let mut known: Option<(TopicId, u64)> = None;
    for (topic, author) in changed {
        let chars = match known {
            Some((same, chars)) if same == topic => chars,
            // A document that was deleted meanwhile has nothing to tell.
            _ => match library.summary(&topic).await {
                Ok(summary) => summary.chars,
                Err(_) => continue,
            },
        };
        known = Some((topic, chars));
        let line = json!({
            "event": "document-changed",
            "document": topic.to_string(),
            "author": author.to_string(),
            "chars": chars,
        });
        output::print_event(&line).map_err(CommandError::failed)?;
    }
    Ok(())
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
