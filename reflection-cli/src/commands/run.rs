// SPDX-License-Identifier: GPL-3.0-or-later
//! `run`: staying online, telling events, serving the other commands.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use reflection_doc::library::Library;
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::replication::ReplicaOffer;
use reflection_node::store::DataFolder;
use reflection_node::{Event, Events};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::follow::Followed;
use super::values::Seconds;
use super::{CommandError, Global};
use crate::output::event;
use crate::output::event_log::EventLog;
use crate::output::lines::Lines;
use crate::rpc::server::Server;
use crate::session::{self, Session};

/// Changes of a document within this time are told as one.
const CHANGES_JOINED: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// End after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<Seconds>,
    /// Introduce peers to each other that name this node as --bootstrap
    #[arg(long)]
    serve_bootstrap: bool,
    /// Serve a relay over plain HTTP
    #[arg(long, value_name = "ADDR:PORT")]
    serve_relay: Option<SocketAddr>,
    /// Keep copies for those who were given a ticket, without being able to read them
    #[arg(long)]
    replica: bool,
    /// Take no more operations for others once so many bytes are kept; the last one may go over [default: 10 GiB]
    #[arg(long, value_name = "BYTES", requires = "replica")]
    quota: Option<u64>,
    /// The same for each ticket; the last operation may go over [default: the quota]
    #[arg(long, value_name = "BYTES", requires = "replica")]
    ticket_quota: Option<u64>,
}

impl Run {
    /// What is offered to those who have a ticket.
    fn offer(&self) -> Option<ReplicaOffer> {
        let default = ReplicaOffer::default();
        let quota_bytes = self.quota.unwrap_or(default.quota_bytes);
        self.replica.then(|| ReplicaOffer {
            quota_bytes,
            ticket_quota_bytes: self.ticket_quota.unwrap_or(quota_bytes),
        })
    }

    pub(super) async fn run(&self, global: &Global) -> Result<(), CommandError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::failed)?;
        let mut network = global.network();
        network.serves_bootstrap = self.serve_bootstrap;
        network.serves_relay = self.serve_relay;
        network.replica = self.offer();
        let folder = session::folder(global)?;
        let held = DataFolder::open(&folder).map_err(CommandError::failed)?;
        let session = Session::open(held, network).await?;
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
                Some(seconds) => tokio::time::sleep(seconds.duration()).await,
                None => std::future::pending().await,
            }
        };
        let events = library.node().events();
        let log = Rc::new(EventLog::default());
        let lines = RefCell::new(Lines::start(std::io::stdout()).map_err(CommandError::failed)?);
        let told = ready(&library, &log, &lines).await;
        let work = tokio::task::LocalSet::new();
        let result = work
            .run_until(async {
                told?;
                tokio::select! {
                    () = server.serve(library.clone(), Rc::clone(&log)) => Ok(()),
                    result = tell(&library, events, &log, &lines) => result,
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
        lines.into_inner().end();
        result
    }
}

async fn ready(
    library: &Library,
    log: &EventLog,
    lines: &RefCell<Lines>,
) -> Result<(), CommandError> {
    let addresses: Vec<String> = library
        .node()
        .addresses()
        .await
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut line = json!({
        "event": "ready",
        "id": library.node().id().to_string(),
        "addresses": addresses,
    });
    if let Some(relay) = library.node().served_relay().await {
        line["relay"] = json!(relay.as_str());
    }
    say(log, lines, &line)
}

/// Prints an event and keeps it for those who ask.
fn say(log: &EventLog, lines: &RefCell<Lines>, line: &Value) -> Result<(), CommandError> {
    log.push(line);
    lines.borrow_mut().print(line).map_err(CommandError::failed)
}

/// Tells events until the node ends.
async fn tell(
    library: &Library,
    mut events: Events,
    log: &EventLog,
    lines: &RefCell<Lines>,
) -> Result<(), CommandError> {
    let mut changed: BTreeSet<(TopicId, AuthorId)> = BTreeSet::new();
    let mut due: Option<Instant> = None;
    let mut followed = Followed::begin(library.node().clone()).await;
    loop {
        let next = tokio::select! {
            next = events.next() => next,
            () = sleep_until(due) => {
                due = None;
                tell_changes(library, std::mem::take(&mut changed), log, lines).await?;
                continue;
            }
        };
        if let Some(event) = &next {
            followed.heard(event).await;
        }
        match next {
            None => return Ok(()),
            Some(Event::DocumentChanged { topic, author, .. }) => {
                changed.insert((topic, author));
                due.get_or_insert_with(|| Instant::now() + CHANGES_JOINED);
            }
            Some(other) => {
                if let Some(line) = event::to_json(&other) {
                    say(log, lines, &line)?;
                }
            }
        }
    }
}

async fn tell_changes(
    library: &Library,
    changed: BTreeSet<(TopicId, AuthorId)>,
    log: &EventLog,
    lines: &RefCell<Lines>,
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
        say(log, lines, &line)?;
    }
    Ok(())
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
