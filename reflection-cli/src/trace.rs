// SPDX-License-Identifier: GPL-3.0-or-later
//! Editing traces: recorded sessions of real people, as JSON, perhaps gzipped.
//!
//! Sequential: `startContent`, `endContent`, `txns[].patches[]` = `[position, deleted, inserted]`.
//! Concurrent: `txns[]` have `parents` and `agent` too, `numAgents` says how many people there
//! are. Positions and lengths are Unicode scalar values.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Largest trace that is read, in bytes of JSON.
const TRACE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Why a trace cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceError {
    #[error("the trace {path} cannot be read: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("the trace is of {people} people at once; --agent says which of them to play")]
    Concurrent { people: usize },
    #[error("the trace has no person {0}")]
    NoSuchAgent(usize),
    #[error("the trace begins with a text; only traces that begin with nothing can be played")]
    StartsWithText,
}

/// One replacement.
#[derive(Debug, Deserialize)]
#[serde(from = "(usize, usize, String)")]
pub(crate) struct Patch {
    pub(crate) at: usize,
    pub(crate) delete: usize,
    pub(crate) insert: String,
}

impl From<(usize, usize, String)> for Patch {
    fn from((at, delete, insert): (usize, usize, String)) -> Self {
        Self { at, delete, insert }
    }
}

/// What was done in one go.
#[derive(Debug, Deserialize)]
pub(crate) struct Edit {
    pub(crate) patches: Vec<Patch>,
    #[serde(default)]
    agent: usize,
}

/// A recorded session.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    #[serde(default)]
    start_content: String,
    num_agents: Option<usize>,
    txns: Vec<Edit>,
}

impl Trace {
    /// Reads a trace from a file; gzip is recognised by its first bytes.
    pub(crate) fn read(path: &Path) -> Result<Self, TraceError> {
        let unreadable = |reason: String| TraceError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        let open = || File::open(path).map_err(|error| unreadable(error.to_string()));
        let mut magic = [0; 2];
        let is_gzip = open()?.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
        let file = BufReader::new(open()?);
        let parsed = if is_gzip {
            let plain = flate2::bufread::GzDecoder::new(file).take(TRACE_BYTES_MAX);
            serde_json::from_reader(BufReader::new(plain))
        } else {
            serde_json::from_reader(file.take(TRACE_BYTES_MAX))
        };
        // The parser's own words could quote the text.
        parsed.map_err(|error: serde_json::Error| {
            unreadable(format!("it is not a trace (line {})", error.line()))
        })
    }

    /// The edits of one person, or of the only one, in their order.
    pub(crate) fn edits(self, agent: Option<usize>) -> Result<VecDeque<Edit>, TraceError> {
        if !self.start_content.is_empty() {
            return Err(TraceError::StartsWithText);
        }
        match (agent, self.num_agents) {
            (None, Some(people)) if people > 1 => Err(TraceError::Concurrent { people }),
            (None, _) => Ok(self.txns.into()),
            (Some(agent), people) if agent < people.unwrap_or(1) => Ok(self
                .txns
                .into_iter()
                .filter(|edit| edit.agent == agent)
                .collect()),
            (Some(agent), _) => Err(TraceError::NoSuchAgent(agent)),
        }
    }
}
