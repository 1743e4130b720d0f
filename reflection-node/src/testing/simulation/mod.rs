// SPDX-License-Identifier: GPL-3.0-or-later
//! Several installations of the node on one thread, under a clock, a network and disks that a
//! seed rules.
//!
//! The sessions, the store and the pipeline are the real ones; simulated is only what drives
//! them: when a transaction runs, when a frame arrives, which connection breaks, who crashes.
//! Streams are reliable and ordered until their connection breaks, as those of QUIC are; so loss
//! is a connection that breaks with data under way, and what overtakes are streams.
//!
//! A crash is a copy of the database files as they are at that moment, which may be in the middle
//! of a transaction; a power cut is one without what was not synchronised.
//!
//! There are several documents, and not everybody takes part in each, or at once. A connection
//! begins with the talk about what both have and how it stands; which documents are spoken of after
//! that follows from this talk alone, and a session begins only where two differ. Authors make their
//! logs short, and some restore a backup: their logs go on in two ways until they hear of the other
//! one, and both are joined.
//!
//! Checked throughout ([`oracle`]): nothing acknowledged is lost, every operation has its effects
//! once, no sequence number is used for two operations but by who restored a backup, nobody claims
//! to be in step falsely or to have finished early. At the end the faults are mended, and all have
//! to hold the same, and everything that anybody held then; whoever is connected has to know of each
//! document that both have, and of no other one, that it is equal on both sides.

mod application;
mod deeds;
mod files;
mod installation;
mod jobs;
mod links;
mod oracle;
mod processes;
mod talk;
mod world;
mod writing;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

use super::Random;
use super::random::Seeded;
use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::pipeline::{Application, Delivered};

/// Somebody with an installation: what the program on top of the node keeps in memory.
pub trait Person {
    /// What the program does inside the transactions of the store.
    fn application(&self) -> Box<dyn Application>;
    /// The program starts; nothing is in memory.
    fn start(&mut self, author: AuthorId, topic: &TopicId, incarnation: u64);
    /// Some of what was stored has been replaced, and this is stored now. What is not published
    /// yet is kept, to be published under this incarnation.
    fn begin_again(
        &mut self,
        author: AuthorId,
        topic: &TopicId,
        incarnation: u64,
        stored: &[Delivered],
    );
    /// Operations were accepted; in the order of acceptance.
    fn apply(&mut self, operations: &[Delivered]);
    /// The person writes something.
    fn write(&mut self, random: &mut Random);
    /// Bodies of operations to be published, in order.
    fn take_changes(&mut self) -> Vec<Vec<u8>>;
    /// Bodies that could not be stored.
    fn give_back(&mut self, bodies: Vec<Vec<u8>>);
    /// What all have to agree on who hold the same operations.
    fn state(&mut self) -> String;
    /// What was said and has to stay, as numbers that nothing else has.
    fn said(&mut self) -> BTreeSet<u64> {
        BTreeSet::new()
    }
    /// Whether what the program has in the store follows from the operations there.
    fn check(&self, connection: &Connection) -> Result<(), String>;
}

/// A mistake made on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A list of heads does not arrive, though the stream goes on.
    DropHeads,
    /// An operation is processed and not marked as such.
    SkipAcknowledgement,
    /// The writer is told that its operation is safe before the transaction is committed.
    AcknowledgeEarly,
    /// The writer is told so before the disk has it.
    AcknowledgeUnsynced,
    /// A session does not hear of a commit.
    SkipCommit,
    /// An operation arrives twice at the application.
    ProcessTwice,
    /// A compaction leaves the newest operation out.
    CompactIncompletely,
    /// A compaction is published though the log has grown since it was made.
    CompactLate,
    /// Our own log in another form is fetched, and nothing is done about it.
    SkipMending,
    /// Of two forms of a log one alone is kept.
    LoseBranch,
    /// Any mark is taken for that of the same operations.
    BelieveMarks,
    /// Something is written to a quiet document, and no session is opened.
    SkipNews,
    /// Whoever dials leaves a document out of what they offer.
    LeaveDocumentOut,
    /// Of what the listening side has in common with the dialling one, something does not arrive.
    LoseMatch,
}

/// What a schedule did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// A hash of everything that happened, in order.
    pub trace: [u8; 32],
    /// Steps taken.
    pub steps: u64,
    /// Operations that all held at the end.
    pub operations: usize,
    /// Connections begun.
    pub connections: u64,
    /// Sessions begun.
    pub sessions: u64,
    /// Crashes, power cuts among them.
    pub crashes: u64,
    /// Writes that failed on a full disk.
    pub failed_writes: u64,
    /// How often two were found to hold the same without a session.
    pub quiet: u64,
    /// Logs that their authors made short.
    pub compactions: u64,
    /// Backups that were restored.
    pub restored: u64,
    /// Logs that went on in two ways and were joined.
    pub mended: u64,
}

/// A schedule that came to a bad end.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed that leads there again.
    pub seed: u64,
    /// The step.
    pub step: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "seed {}, step {}: {}",
            self.seed, self.step, self.what
        )
    }
}

/// Plays the schedule that follows from `seed`.
pub fn simulate<P: Person>(
    seed: u64,
    person: impl FnMut() -> P,
    sabotage: Option<Sabotage>,
) -> Result<Report, Failure> {
    let _seeded = Seeded::begin(seed);
    let mut world = world::World::new(seed, person, sabotage);
    let played = catch_unwind(AssertUnwindSafe(|| world.play()));
    let what = match played {
        Ok(Ok(())) => return Ok(world.report()),
        Ok(Err(what)) => what,
        Err(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic".into()),
    };
    Err(Failure {
        seed,
        step: world.report().steps,
        what,
    })
}
