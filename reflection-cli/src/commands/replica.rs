// SPDX-License-Identifier: GPL-3.0-or-later
//! `replica`: copies of documents at peers that cannot read them.

use std::io::Read;

use clap::{Args, Subcommand};
use reflection_doc::library::Library;
use reflection_node::identity::AuthorId;
use reflection_node::replication::{AssignmentState, ReplicaInfo, Ticket};
use reflection_node::{Event, ReplicaError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::values::Seconds;
use super::{CommandError, Results, document, give};
use crate::output;

const TIMEOUT: Seconds = Seconds::new(5);
/// Longest ticket that is read from standard input, in bytes.
const TICKET_BYTES_MAX: u64 = 4096;

fn timeout() -> Seconds {
    TIMEOUT
}

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplicaCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
enum Action {
    /// Have documents, or the whole library with what comes later, kept by a replica
    Add(Add),
    /// Have documents, or anything at all, no longer kept by a replica
    Remove(Remove),
    /// List what replicas keep and have yet to get, and what is kept here for others
    List(List),
    /// Show the ticket by which others have documents kept here (see run --replica)
    Ticket(ShowTicket),
}

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
struct Add {
    /// What the replica gave out; - reads it from standard input
    ticket: String,
    /// Which documents; all, and those that come later, without any
    #[arg(value_name = "DOC")]
    #[serde(default)]
    documents: Vec<String>,
    /// What to call the replica here
    #[arg(long, default_value = "", hide_default_value = true)]
    #[serde(default)]
    name: String,
    /// Wait at most so many seconds for the replica to take them; it is told later otherwise
    #[arg(long, value_name = "S", default_value_t = TIMEOUT)]
    #[serde(default = "timeout")]
    timeout: Seconds,
}

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
struct Remove {
    /// The replica's ticket or endpoint id. One's own ticket is made worthless
    #[arg(value_name = "TICKET|ENDPOINT")]
    replica: String,
    /// Which documents; all without any
    #[arg(value_name = "DOC")]
    #[serde(default)]
    documents: Vec<String>,
    /// Wait at most so many seconds for the replica to drop them; it is told when met otherwise
    #[arg(long, value_name = "S", default_value_t = TIMEOUT)]
    #[serde(default = "timeout")]
    timeout: Seconds,
}

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
struct List {}

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
struct ShowTicket {
    /// Another ticket, with a quota of its own
    #[arg(long)]
    #[serde(default)]
    new: bool,
}

impl From<ReplicaError> for CommandError {
    fn from(error: ReplicaError) -> Self {
        Self::failed(error)
    }
}

impl ReplicaCommand {
    /// Whether the network is used where no process runs.
    pub(super) fn needs_network(&self) -> bool {
        !matches!(self.action, Action::List(_))
    }

    /// Takes in a ticket from standard input.
    pub(super) fn prepare(mut self) -> Result<Self, CommandError> {
        let ticket = match &mut self.action {
            Action::Add(add) => &mut add.ticket,
            Action::Remove(remove) => &mut remove.replica,
            Action::List(_) | Action::Ticket(_) => return Ok(self),
        };
        if ticket == "-" {
            ticket.clear();
            std::io::stdin()
                .take(TICKET_BYTES_MAX)
                .read_to_string(ticket)
                .map_err(CommandError::failed)?;
        }
        Ok(self)
    }

    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        match &self.action {
            Action::Add(add) => add.execute(library, results).await,
            Action::Remove(remove) => remove.execute(library, results).await,
            Action::List(_) => list(library, results).await,
            Action::Ticket(show) => {
                let ticket = library.node().ticket(show.new).await?;
                give(results, json!({ "ticket": ticket.to_string() })).await;
                Ok(())
            }
        }
    }
}

/// The documents that arguments name; `None` for all.
async fn topics(
    library: &Library,
    arguments: &[String],
) -> Result<Option<Vec<reflection_node::access::TopicId>>, CommandError> {
    if arguments.is_empty() {
        return Ok(None);
    }
    let mut topics = Vec::new();
    for argument in arguments {
        topics.push(document::find(library, argument).await?);
    }
    Ok(Some(topics))
}

impl Add {
    async fn execute(&self, library: &Library, results: &Results) -> Result<(), CommandError> {
        let ticket: Ticket = self.ticket.parse().map_err(CommandError::failed)?;
        let topics = topics(library, &self.documents).await?;
        let assigned = library.node().assign(&ticket, &self.name, topics.clone());
        assigned.await?;
        let is_waiting = |replica: &ReplicaInfo| {
            let mut waiting = replica.assignments.iter();
            replica.trouble.is_none()
                && waiting.any(|assignment| assignment.state == AssignmentState::Waiting)
        };
        let known = until(library, ticket.replica(), self.timeout, is_waiting).await?;
        if let Some(replica) = known {
            for line in lines(&replica) {
                let is_wanted = topics.as_ref().is_none_or(|topics| {
                    topics
                        .iter()
                        .any(|topic| line["document"] == topic.to_string())
                });
                if is_wanted {
                    give(results, line).await;
                }
            }
        }
        Ok(())
    }
}

impl Remove {
    async fn execute(&self, library: &Library, results: &Results) -> Result<(), CommandError> {
        let node = library.node();
        let replica: AuthorId = if let Ok(id) = self.replica.trim().parse() {
            id
        } else {
            let ticket: Ticket = self.replica.parse().map_err(CommandError::failed)?;
            if ticket.replica() == node.id() {
                return Ok(node.revoke(&ticket).await?);
            }
            ticket.replica()
        };
        let topics = topics(library, &self.documents).await?;
        node.withdraw(&replica, topics).await?;
        let is_told = |replica: &ReplicaInfo| {
            let mut all = replica.assignments.iter();
            all.any(|assignment| assignment.state == AssignmentState::Withdrawn)
        };
        if let Some(replica) = until(library, replica, self.timeout, is_told).await? {
            for line in lines(&replica) {
                give(results, line).await;
            }
        }
        Ok(())
    }
}

/// Waits while something holds of a replica, at most for `seconds`, and gives it as it is then.
async fn until(
    library: &Library,
    replica: AuthorId,
    timeout: Seconds,
    is_to_wait: impl Fn(&ReplicaInfo) -> bool,
) -> Result<Option<ReplicaInfo>, CommandError> {
    let deadline = Instant::now() + timeout.duration();
    let mut events = library.node().events();
    loop {
        let known = library.node().replicas().await?;
        let known = known.into_iter().find(|known| known.replica == replica);
        if !known.as_ref().is_some_and(&is_to_wait) {
            return Ok(known);
        }
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = tokio::time::sleep_until(deadline) => return Ok(known),
            };
            match event {
                Some(
                    Event::ReplicaProgress { replica: of, .. }
                    | Event::ReplicaTrouble { replica: of, .. },
                ) if of == replica => break,
                Some(_) => {}
                None => return Ok(known),
            }
        }
    }
}

/// A line for each document at a replica, or one if there are none.
fn lines(replica: &ReplicaInfo) -> Vec<Value> {
    let line = |document: Value, state: &str, acknowledged: u64, pending: u64| {
        json!({
            "replica": replica.replica.to_string(),
            "name": replica.name,
            "library": replica.is_library,
            "document": document,
            "state": state,
            "acknowledged": acknowledged,
            "pending": pending,
            "contact": replica.last_contact_us.map(output::time),
            "trouble": replica.trouble,
        })
    };
    if replica.assignments.is_empty() {
        return vec![line(Value::Null, "empty", 0, 0)];
    }
    let assignments = replica.assignments.iter();
    assignments
        .map(|assignment| {
            line(
                assignment.topic.to_string().into(),
                assignment.state.as_str(),
                assignment.acknowledged,
                assignment.pending,
            )
        })
        .collect()
}

async fn list(library: &Library, results: &Results) -> Result<(), CommandError> {
    for replica in library.node().replicas().await? {
        for line in lines(&replica) {
            give(results, line).await;
        }
    }
    for hosted in library.node().hosted().await? {
        let line = json!({
            "assigner": hosted.assigner.to_string(),
            "documents": hosted.documents,
            "bytes": hosted.bytes,
        });
        give(results, line).await;
    }
    Ok(())
}
