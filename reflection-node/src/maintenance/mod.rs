// SPDX-License-Identifier: GPL-3.0-or-later
//! Looking after a store: is everything in it sound, and what can be made again of what is not.
//!
//! Invariants: checking changes nothing; repairing derives again what follows from operations, and
//! moves operations that are not sound aside instead of deleting them (`quarantine`). A log is
//! sound up to some place; what comes after that is fetched again from whoever has it. For our own
//! log this is what a restored backup is too: it is written on under a new incarnation, so that no
//! CRDT counter is given out twice.

mod check;
pub(crate) mod quarantine;
mod repair;

pub(crate) use check::check;
pub(crate) use repair::{repair, state_differs};

use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::store::StoreError;
use crate::store::documents::DocumentRow;
use crate::sync::heights::Head;

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Documents that were looked at.
    pub documents: u64,
    /// Operations that were verified.
    pub operations: u64,
    /// What is not as it should be; empty where all is well.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Takes note that the database did not let itself be read, unless that is known.
    pub(crate) fn find_damaged(&mut self, error: &StoreError) {
        let is_known = |finding: &Finding| matches!(finding.cure, Cure::Reindex);
        if !self.findings.iter().any(is_known) {
            self.add(
                None,
                None,
                Problem::Database(error.to_string()),
                Cure::Reindex,
            );
        }
    }

    /// Adds what the program on top of the node found about a document, and whether it mended it.
    pub fn add_application(&mut self, topic: TopicId, problem: Problem, is_repaired: bool) {
        self.findings.push(Finding {
            topic: Some(topic),
            author: None,
            problem,
            is_repaired,
            cure: Cure::None,
        });
    }
}

/// One thing that is not as it should be.
#[derive(Clone, Debug)]
pub struct Finding {
    /// In which document, if in one.
    pub topic: Option<TopicId>,
    /// In whose log, if in one.
    pub author: Option<AuthorId>,
    /// What.
    pub problem: Problem,
    /// Whether it was mended.
    pub is_repaired: bool,
    pub(crate) cure: Cure,
}

/// What can be wrong. Each is a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// SQLite's own check failed.
    #[error("the database file is damaged: {0}")]
    Database(String),
    /// SQLite's own check failed for an index over words.
    #[error("the search index is damaged: {0}")]
    SearchIndex(String),
    /// Rows belong to something that is not there.
    #[error("{rows} rows of {table} belong to nothing")]
    Orphans {
        /// In which table.
        table: String,
        /// How many.
        rows: u64,
    },
    /// The keys of a document are not its keys.
    #[error(
        "the keys of the document are damaged, so that it cannot be opened; whoever has a code of it \
         may join it again"
    )]
    Keys,
    /// An operation is not what its author signed, or stands in a wrong place.
    #[error("operation {sequence} is damaged: {reason}; {following} come after it")]
    Operation {
        /// Its place in the log.
        sequence: u64,
        /// What is wrong.
        reason: String,
        /// Operations of the same log after it, which cannot be vouched for either.
        following: u64,
    },
    /// The end of a log is not where it is said to be.
    #[error("the log is said to end at {said} and ends at {found}")]
    Head {
        /// What is noted.
        said: u64,
        /// What is there.
        found: u64,
    },
    /// What the application made of the operations is not what they make.
    #[error("the state of the document is not what its operations make")]
    State,
}

/// How a finding is mended.
#[derive(Clone, Debug)]
pub(crate) enum Cure {
    /// By no means that there are here.
    None,
    /// The indexes are made again, those of the application too if that is not enough.
    Reindex,
    /// The rows are taken away.
    RemoveOrphans { table: String },
    /// The log ends at its last sound operation; the rest is moved aside.
    EndLog {
        document: DocumentRow,
        author_row: i64,
        head: Option<Head>,
        reason: String,
    },
    /// The application's state is made again.
    Rebuild,
}
