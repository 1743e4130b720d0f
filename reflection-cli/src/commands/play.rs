// SPDX-License-Identifier: GPL-3.0-or-later
//! `play`: an editing trace, as if typed.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use clap::Args;
use reflection_doc::engine::Pace;
use reflection_doc::library::Library;
use reflection_doc::open_document::{OpenDocument, PublishFailure};
use reflection_node::pipeline::{Delivered, PublishError, Published, StreamError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::values::{Rate, path};
use super::{CommandError, Results, document, give};
use crate::trace::{Edit, Trace};

/// Edits made between two looks at what else is to be done, where no rate is given.
const EDITS_PER_TURN: usize = 500;
/// How often the progress is told, in edits.
const PROGRESS_EDITS: usize = 10_000;

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Play {
    /// Which document; empty, unless one person of a trace is played
    #[arg(value_name = "DOC")]
    document: String,
    /// The trace, JSON or gzipped JSON
    #[arg(value_name = "TRACE")]
    #[serde(with = "path")]
    trace: PathBuf,
    /// Edits a second [default: as fast as possible]
    #[arg(long, value_name = "R")]
    rate: Option<Rate>,
    /// Play the edits of this person alone, on the text as it stands
    #[arg(long, value_name = "A")]
    agent: Option<usize>,
    /// Print `acked N` each time the first N edits have become durable
    #[arg(long)]
    #[serde(default)]
    ack: bool,
}

type Publishing = Pin<Box<dyn Future<Output = Result<Option<Published>, PublishFailure>>>>;

impl Play {
    pub(super) fn prepare(mut self) -> Result<Self, CommandError> {
        self.trace = std::path::absolute(&self.trace).map_err(CommandError::failed)?;
        Ok(self)
    }

    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        let trace = Trace::read(&self.trace).map_err(CommandError::failed)?;
        let edits = trace.edits(self.agent).map_err(CommandError::failed)?;
        let topic = document::find(library, &self.document).await?;
        let document = library.open_document(&topic).await?;
        if self.agent.is_none() && document.engine.len_chars() > 0 {
            return Err(CommandError::failed("the document is not empty"));
        }
        let started = Instant::now();
        let mut player = Player {
            library,
            document,
            is_replaced: false,
            edits,
            done: 0,
            rate: self.rate,
            is_clamped: self.agent.is_some(),
            started,
            pace: Pace::default(),
            publishing: None,
            in_flight: 0,
            operations: 0,
            acknowledge: self.ack.then(|| results.clone()),
            progress: results.clone(),
        };
        player.play().await?;
        let result = json!({
            "edits": player.done,
            "operations": player.operations,
            "seconds": started.elapsed().as_secs_f64(),
        });
        give(results, result).await;
        Ok(())
    }
}

struct Player<'a> {
    library: &'a Library,
    document: OpenDocument,
    /// Whether operations that the text was made of have been replaced by others: our own log was
    /// mended.
    is_replaced: bool,
    edits: VecDeque<Edit>,
    /// Edits made.
    done: usize,
    rate: Option<Rate>,
    is_clamped: bool,
    started: Instant,
    pace: Pace,
    publishing: Option<Publishing>,
    /// Edits that will be durable when what is being published is.
    in_flight: usize,
    operations: u64,
    acknowledge: Option<Results>,
    progress: Results,
}

impl Player<'_> {
    async fn play(&mut self) -> Result<(), CommandError> {
        loop {
            // Whoever else has something to write here need not wait until all is played.
            let is_wanted = self.document.turn.is_wanted();
            if is_wanted && self.is_at_rest() && !self.edits.is_empty() {
                self.document.turn.pass().await;
                self.is_replaced = true;
            }
            if self.is_replaced && self.publishing.is_none() {
                self.begin_again().await?;
            }
            let is_at_rest = self.is_at_rest();
            if is_at_rest && self.edits.is_empty() && self.in_flight == self.done {
                return Ok(());
            }
            self.publish_if_due(is_wanted);
            let edit_due = self.next_edit_due();
            let publish_due = match self.publishing {
                // Joined while an operation is on its way.
                Some(_) => None,
                None => self.pace.due(Instant::now()),
            };
            tokio::select! {
                biased;
                published = optional(self.publishing.as_mut()) => {
                    self.publishing = None;
                    self.published(published).await?;
                }
                // As fast as possible means without listening to others meanwhile.
                news = self.document.stream.next(), if self.listens() => {
                    self.hear(news)?;
                }
                () = sleep(publish_due) => {}
                () = sleep(edit_due), if !is_wanted || is_at_rest => self.make_edits().await?,
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        self.publishing.is_none() && !self.document.engine.has_changes()
    }

    fn listens(&self) -> bool {
        !self.is_replaced && (self.rate.is_some() || self.edits.is_empty())
    }

    /// Goes on with the text as it is stored now; what is not stored yet is made again upon it.
    async fn begin_again(&mut self) -> Result<(), CommandError> {
        self.document.reopen(self.library).await?;
        self.is_replaced = false;
        // The text is perhaps shorter than what the trace was recorded with.
        self.is_clamped = true;
        Ok(())
    }

    fn publish_if_due(&mut self, is_wanted: bool) {
        let now = Instant::now();
        let is_due = self.pace.due(now) == Some(Duration::ZERO) || self.edits.is_empty();
        let is_due = is_due || is_wanted;
        if self.publishing.is_some() || self.is_replaced || !is_due {
            return;
        }
        let bodies = self.document.engine.take_changes();
        // Edits that changed nothing need no operation, but are done like the others.
        if bodies.is_empty() && self.in_flight == self.done {
            return;
        }
        self.operations += bodies.len() as u64;
        self.in_flight = self.done;
        self.pace.sent(now);
        let publisher = self.document.publisher.clone();
        self.publishing = Some(Box::pin(async move { publisher.publish(bodies).await }));
    }

    async fn published(
        &mut self,
        published: Result<Option<Published>, PublishFailure>,
    ) -> Result<(), CommandError> {
        if let Err(mut failure) = published {
            if !matches!(failure.error, PublishError::OldIncarnation) {
                return Err(CommandError::failed(failure));
            }
            let unpublished = std::mem::take(&mut failure.unpublished);
            self.document.engine.restore_changes(unpublished);
            self.is_replaced = true;
            return Ok(());
        }
        if let Some(results) = &self.acknowledge {
            give(results, json!({ "acked": self.in_flight })).await;
        }
        Ok(())
    }

    fn hear(&mut self, news: Result<Vec<Delivered>, StreamError>) -> Result<(), CommandError> {
        let news = match news {
            Err(StreamError::Rebuilt) => {
                self.is_replaced = true;
                return Ok(());
            }
            news => news.map_err(CommandError::failed)?,
        };
        let own = self.document.engine.author();
        let others: Vec<Delivered> = news
            .into_iter()
            .filter(|operation| operation.author != own)
            .collect();
        self.document
            .engine
            .apply(&others)
            .map_err(CommandError::failed)?;
        Ok(())
    }

    fn next_edit_due(&self) -> Option<Duration> {
        if self.edits.is_empty() {
            return None;
        }
        let Some(rate) = self.rate else {
            return Some(Duration::ZERO);
        };
        Some(rate.due(self.done).saturating_sub(self.started.elapsed()))
    }

    /// Makes the edits that are due.
    async fn make_edits(&mut self) -> Result<(), CommandError> {
        for _ in 0..EDITS_PER_TURN {
            if self.next_edit_due() != Some(Duration::ZERO) {
                break;
            }
            let Some(edit) = self.edits.pop_front() else {
                break;
            };
            for patch in &edit.patches {
                let length = self.document.engine.len_chars();
                let (at, delete) = if self.is_clamped {
                    let at = patch.at.min(length);
                    (at, patch.delete.min(length - at))
                } else {
                    (patch.at, patch.delete)
                };
                self.document
                    .engine
                    .edit(at, delete, &patch.insert)
                    .map_err(CommandError::failed)?;
            }
            self.pace.edited();
            self.done += 1;
            if self.done.is_multiple_of(PROGRESS_EDITS) {
                give(&self.progress, json!({ "played": self.done })).await;
            }
        }
        Ok(())
    }
}

async fn optional<F: Future + Unpin>(future: Option<&mut F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn sleep(due: Option<Duration>) {
    match due {
        Some(Duration::ZERO) => {}
        Some(due) => tokio::time::sleep(due).await,
        None => std::future::pending().await,
    }
}
