// SPDX-License-Identifier: GPL-3.0-or-later
//! What to do with a document's session, as a state machine without I/O.
//!
//! A [`Session`] knows the talk of two peers. This machine knows everything around it: what is
//! verified, stored, read and sent next, when the peer has to wait, when it is cut off, and what
//! the rest of the node is told. Whoever drives it reports what happened, carries out what
//! [`Exchange::next_action`] says, and writes what [`Exchange::next_bytes`] gives. Times count
//! from the beginning of the session.
//!
//! Invariants: at most one batch is verified, one waits, and one is stored at a time, in the
//! order of arrival; nothing is read for the peer while it has not taken what was read before.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::frame::Frame;
use super::heights::Head;
use super::session::{Received, Request, Session, SessionError};
use crate::access::TopicId;
use crate::events::{Event, SyncCounts};
use crate::identity::AuthorId;
use crate::operation::{ForkProof, Operation, OperationError};
use crate::pipeline::{Commit, Evidence, Ingested, Verified};
use crate::shared::PeerStatus;
use crate::store::StoreError;
use crate::store::operations::Position;
use crate::store::peers::Confirmed;

/// How long proofs, digests and heads may take.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Operations handed to the pipeline at once.
const BATCH_OPERATIONS_MAX: usize = 1_000;
/// Bytes of received operations that wait for the pipeline; one more operation fits on top.
const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Frames that are made before those before them are written.
const READY_FRAMES_MAX: usize = 64;
/// Bytes gathered into one write.
const WRITE_BYTES: usize = 64 * 1024;
/// Malformed or forged operations after which a peer is cut off.
const BAD_OPERATIONS_MAX: u64 = 16;
/// Most bytes of our own log that are taken from a peer that holds it in another form.
const BRANCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How often at most it is written down what a peer has confirmed.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(1);

/// Why the session cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("the peer sent too many operations that are not valid")]
    BadOperations,
    #[error("the peer took too long")]
    TimedOut,
    #[error("the peer sent too much of a log that was asked for")]
    BranchTooLarge,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ExchangeError {
    /// Whether the peer broke the rules.
    pub(crate) fn is_breach(&self) -> bool {
        match self {
            Self::Session(error) => *error != SessionError::TooManyAuthors,
            Self::BadOperations | Self::BranchTooLarge => true,
            Self::TimedOut | Self::Store(_) => false,
        }
    }
}

/// What is to be done now.
#[derive(Debug)]
pub(crate) enum Action {
    /// Check these, then call [`Exchange::verified`].
    Verify(Vec<Operation>),
    /// Store and process these, then call [`Exchange::stored`].
    Store(Vec<Verified>),
    /// Read these, then call [`Exchange::read`].
    Read(Vec<Request>),
    /// See what these prove, then call [`Exchange::examined`].
    Examine(Vec<Evidence>),
    /// Compare this with our own log, then call [`Exchange::compared`].
    Compare(Head),
    /// Check these and join them with our own log, then call [`Exchange::mended`].
    Mend(Vec<Operation>),
    /// Tell the listeners of the node.
    Emit(Event),
    /// Take note of how the peer stands in the document.
    Status(PeerStatus),
    /// Write down how much the peer has confirmed to hold.
    Confirm(Confirmed),
}

/// How far the session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// The peer has not proved the sync key.
    Proving,
    /// What both had at the beginning is being exchanged.
    Exchanging,
    /// It has been exchanged, and that has been told.
    Finished,
}

/// Our own log as the peer holds it, where that is another form of it.
#[derive(Default)]
struct OwnLog {
    /// What has come of it, and its size.
    branch: Vec<Operation>,
    bytes: usize,
    /// All of it.
    whole: Option<Vec<Operation>>,
    is_mending: bool,
    /// Whether the end of the peer's form has been compared with ours.
    is_compared: bool,
    /// Whether the peer's form is known to be another one, so that its height says nothing of ours.
    is_other: bool,
    /// Operations that had come when it was last tried to join both forms, and how often that did not
    /// come out.
    tried_at: u64,
    failures: u32,
}

/// One document with one peer; see the module.
pub(crate) struct Exchange {
    own: AuthorId,
    peer: AuthorId,
    topic: TopicId,
    session: Session,
    /// Up to where the session knows what is committed here.
    position: Position,
    /// Frames that are encoded and ready to be written.
    ready: VecDeque<Vec<u8>>,
    /// Operations received, not yet verified, and their size.
    pending: Vec<Operation>,
    pending_bytes: usize,
    is_verifying: bool,
    verified: Option<Vec<Verified>>,
    is_storing: bool,
    reading: Vec<Request>,
    /// What is yet to be examined. Nothing is stored meanwhile: what follows a proof may need it.
    evidence: Vec<Evidence>,
    is_examining: bool,
    own_log: OwnLog,
    /// What is to be told, in order.
    news: VecDeque<Action>,
    counts: SyncCounts,
    bad_operations: u64,
    progress: Progress,
    /// The status that was told last.
    told: Option<PeerStatus>,
    /// What was written down last of what the peer confirmed, and when.
    noted: Option<(Confirmed, Duration)>,
    /// When the next is due, if there is news.
    confirm_at: Option<Duration>,
}

impl Exchange {
    /// Goes on with a session that was just made from what `commit` holds.
    pub(crate) fn new(
        own: AuthorId,
        peer: AuthorId,
        topic: TopicId,
        session: Session,
        commit: &Commit,
    ) -> Self {
        Self {
            own,
            peer,
            topic,
            session,
            position: commit.position,
            ready: VecDeque::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            is_verifying: false,
            verified: None,
            is_storing: false,
            reading: Vec::new(),
            evidence: Vec::new(),
            is_examining: false,
            own_log: OwnLog::default(),
            news: VecDeque::new(),
            counts: SyncCounts::default(),
            bad_operations: 0,
            progress: Progress::Proving,
            told: None,
            noted: None,
            confirm_at: None,
        }
    }

    /// Whether another frame of the peer may be taken now. Until then the peer has to wait.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.len() < BATCH_OPERATIONS_MAX && self.pending_bytes < BATCH_BYTES_MAX
    }

    /// Takes a frame that came as so many bytes.
    pub(crate) fn receive(&mut self, frame: Frame, bytes: usize) -> Result<(), ExchangeError> {
        self.counts.bytes_in += bytes as u64;
        match self.session.receive(frame)? {
            Received::Nothing => {}
            Received::Proved => {
                self.progress = Progress::Exchanging;
                self.news.push_back(Action::Emit(Event::SyncStarted {
                    peer: self.peer,
                    topic: self.topic,
                }));
            }
            Received::Operation { header, body } => match Operation::decode(header, body) {
                Ok(operation) if !self.session.is_of_use(&operation) => {}
                Ok(operation) => {
                    self.session.heard(&operation)?;
                    if self.session.weed_out(&operation) {
                        return Ok(());
                    }
                    self.pending_bytes += operation.len_bytes();
                    self.pending.push(operation);
                }
                Err(error) => self.refuse(vec![(self.peer, error)])?,
            },
            Received::Fork { one, other } => {
                let proof = ForkProof::new(one, other);
                self.evidence.extend(proof.map(Evidence::Proof));
            }
            Received::Header(header) => self.evidence.push(Evidence::Header(header)),
            Received::Branch { header, body } => self.take_branch(header, body)?,
            Received::BranchEnd => {
                self.own_log.bytes = 0;
                self.own_log.whole = Some(std::mem::take(&mut self.own_log.branch));
            }
            Received::OwnDeclined => self.ask_own_log(),
        }
        Ok(())
    }

    fn take_branch(&mut self, header: Vec<u8>, body: Vec<u8>) -> Result<(), ExchangeError> {
        match Operation::decode(header, body) {
            Ok(operation) => {
                self.own_log.bytes += operation.len_bytes();
                if self.own_log.bytes > BRANCH_BYTES_MAX {
                    return Err(ExchangeError::BranchTooLarge);
                }
                self.own_log.branch.push(operation);
                Ok(())
            }
            Err(error) => self.refuse(vec![(self.peer, error)]),
        }
    }

    /// Takes the result of [`Action::Examine`].
    pub(crate) fn examined(&mut self) {
        self.is_examining = false;
    }

    /// Takes the result of [`Action::Compare`]: whether our own log is another one.
    pub(crate) fn compared(&mut self, is_forked: bool) {
        if is_forked {
            self.ask_own_log();
        }
    }

    /// Asks for our own log as the peer holds it, which is another one.
    fn ask_own_log(&mut self) {
        self.own_log.is_other = true;
        self.session.ask(self.own, 0, true);
    }

    /// Takes the result of [`Action::Mend`]: whether nothing is left to be joined.
    pub(crate) fn mended(&mut self, is_joined: bool) {
        self.own_log.is_mending = false;
        if is_joined {
            self.own_log.is_other = false;
            self.own_log.failures = 0;
        } else {
            self.own_log.failures += 1;
        }
        self.session.recover(&self.own);
    }

    /// Tries again what did not come out, once more has come that the peer's form may build upon: each
    /// time after twice as much.
    fn mend_again(&mut self) {
        let Some(failures) = self.own_log.failures.checked_sub(1) else {
            return;
        };
        let fed = self.counts.operations_in - self.own_log.tried_at;
        let is_ready = self.session.is_exchanged() && self.is_idle() && !self.own_log.is_mending;
        if is_ready && fed >= 1 << failures.min(u64::BITS - 1) {
            self.own_log.tried_at = self.counts.operations_in;
            self.ask_own_log();
        }
    }

    /// Takes proofs of forks for the peer to know.
    pub(crate) fn prove(&mut self, proofs: &[ForkProof]) {
        self.session.prove(proofs);
    }

    /// Takes the result of [`Action::Verify`].
    pub(crate) fn verified(
        &mut self,
        verified: Vec<Verified>,
        refused: Vec<(AuthorId, OperationError)>,
    ) -> Result<(), ExchangeError> {
        self.is_verifying = false;
        self.refuse(refused)?;
        if !verified.is_empty() {
            self.verified = Some(verified);
        }
        Ok(())
    }

    /// How many operations that are here the peer has told to be committed there; `None` before
    /// it has told anything.
    pub(crate) fn held(&self) -> Option<u64> {
        (!self.session.is_starting()).then(|| self.session.held())
    }

    /// Takes the result of [`Action::Store`].
    pub(crate) fn stored(&mut self, ingested: &Ingested) {
        self.is_storing = false;
        self.counts.operations_in += ingested.accepted.values().sum::<u64>();
        for author in &ingested.opened {
            self.session.recover(author);
        }
        for (&author, &sequence) in &ingested.declined {
            self.session.decline(author, sequence);
        }
        if ingested.is_own_forked {
            self.session.give_up(self.own, None);
            self.ask_own_log();
        }
        for &(author, sequence) in &ingested.forks {
            // Where it does not go on from ours there are two operations before it.
            self.session.ask(author, sequence.saturating_sub(1), false);
            let opening = ingested.heads.get(&author).map_or(0, |head| head.base);
            if sequence >= opening {
                self.session.give_up(author, Some(sequence));
            }
        }
        for author in &ingested.stuck {
            self.session.give_up(*author, None);
        }
        if ingested.early > 0 {
            tracing::debug!(peer = ?self.peer, early = ingested.early, "operations came early");
        }
    }

    /// Takes the result of [`Action::Read`].
    pub(crate) fn read(&mut self, operations: Vec<Operation>) -> Result<(), ExchangeError> {
        let requests = std::mem::take(&mut self.reading);
        if requests.iter().any(|request| request.is_answer) {
            let frames = self.session.answered(operations);
            self.ready.extend(frames.iter().map(Frame::encode));
            return Ok(());
        }
        if operations.is_empty() {
            return Err(StoreError::Damaged("a log has a gap").into());
        }
        self.counts.operations_out += operations.len() as u64;
        let frames = self.session.supplied(operations);
        self.ready.extend(frames.iter().map(Frame::encode));
        Ok(())
    }

    /// Takes what was refused here before, before the first frame of the peer.
    pub(crate) fn declined(&mut self, refusals: Vec<(AuthorId, u64)>) {
        for (author, sequence) in refusals {
            self.session.decline(author, sequence);
        }
    }

    /// Takes what is committed here now, and what of it is on the disk.
    pub(crate) fn committed(&mut self, commit: &Commit) {
        self.position = commit.position;
        self.session.prove(&commit.proofs);
        let (heights, durable) = (Arc::clone(&commit.heights), Arc::clone(&commit.durable));
        self.session.committed(heights, durable);
    }

    /// When [`Exchange::expire`] is to be called, and then [`Exchange::next_action`], though nothing
    /// has happened until then.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if self.session.is_starting() {
            return Some(super::patience(START_TIMEOUT));
        }
        self.session
            .next_look()
            .into_iter()
            .chain(self.confirm_at)
            .min()
    }

    /// Gives the peer up if its time is over.
    pub(crate) fn expire(&self, now: Duration) -> Result<(), ExchangeError> {
        if self.session.is_starting() && super::patience(START_TIMEOUT) <= now {
            return Err(ExchangeError::TimedOut);
        }
        Ok(())
    }

    /// What is to be done now, if anything. To be asked after everything that happened, until
    /// there is nothing more.
    pub(crate) fn next_action(&mut self, now: Duration) -> Option<Action> {
        if !self.is_verifying && self.verified.is_none() && !self.pending.is_empty() {
            self.is_verifying = true;
            self.pending_bytes = 0;
            return Some(Action::Verify(std::mem::take(&mut self.pending)));
        }
        if !self.is_examining && !self.evidence.is_empty() {
            self.is_examining = true;
            return Some(Action::Examine(std::mem::take(&mut self.evidence)));
        }
        if !self.own_log.is_mending
            && let Some(branch) = self.own_log.whole.take()
        {
            self.own_log.is_mending = true;
            self.own_log.tried_at = self.counts.operations_in;
            return Some(Action::Mend(branch));
        }
        if !self.own_log.is_compared
            && let Some(head) = self.session.own_head()
        {
            self.own_log.is_compared = true;
            return Some(Action::Compare(head));
        }
        if !self.is_storing
            && !self.is_examining
            && let Some(batch) = self.verified.take()
        {
            self.is_storing = true;
            return Some(Action::Store(batch));
        }
        self.mend_again();
        self.session.weigh(now);
        while self.ready.len() < READY_FRAMES_MAX
            && let Some(frame) = self.session.next_frame()
        {
            self.ready.push_back(frame.encode());
        }
        if self.reading.is_empty() && self.ready.is_empty() {
            self.reading = self.session.next_requests();
            if !self.reading.is_empty() {
                return Some(Action::Read(self.reading.clone()));
            }
        }
        self.look(now);
        self.news.pop_front()
    }

    /// Whether there is something to be written.
    pub(crate) fn has_bytes(&self) -> bool {
        !self.ready.is_empty()
    }

    /// What is to be written next: one frame, or several small ones.
    pub(crate) fn next_bytes(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.ready.pop_front()?;
        while let Some(next) = self.ready.front()
            && bytes.len() + next.len() <= WRITE_BYTES
        {
            bytes.extend_from_slice(next);
            self.ready.pop_front();
        }
        self.counts.bytes_out += bytes.len() as u64;
        Some(bytes)
    }

    /// What is to be done at the end, whose cause is given. What was being stored has been
    /// reported by then, or is lost.
    pub(crate) fn end(&mut self, now: Duration, error: &dyn std::fmt::Display) -> Vec<Action> {
        if self.progress == Progress::Exchanging {
            // A peer that has all it came for may go before this side has looked up.
            let is_complete = self.session.is_exchanged() && self.is_idle();
            self.finish(now, (!is_complete).then(|| error.to_string()));
        }
        if self.progress > Progress::Proving && !self.own_log.is_other {
            let confirmed = self.confirmed();
            self.news.push_back(Action::Confirm(confirmed));
        }
        self.news.drain(..).collect()
    }

    /// Whether both sides hold the same, and nothing is under way.
    pub(crate) fn is_settled(&self) -> bool {
        self.session.is_in_step() && self.session.is_exchanged() && self.is_idle()
    }

    fn refuse(&mut self, refused: Vec<(AuthorId, OperationError)>) -> Result<(), ExchangeError> {
        for (author, error) in refused {
            self.bad_operations += 1;
            self.news.push_back(Action::Emit(Event::OperationRefused {
                topic: self.topic,
                author,
                reason: error.to_string(),
            }));
        }
        if self.bad_operations > BAD_OPERATIONS_MAX {
            return Err(ExchangeError::BadOperations);
        }
        Ok(())
    }

    /// Finds out what has changed that others want to know.
    fn look(&mut self, now: Duration) {
        if self.progress == Progress::Proving {
            return;
        }
        let status = PeerStatus {
            is_exchanged: self.progress == Progress::Finished
                || (self.session.is_exchanged() && self.is_idle()),
            is_in_step: self.session.is_in_step(),
            position: self.position,
        };
        if status.is_exchanged && self.progress != Progress::Finished {
            self.progress = Progress::Finished;
            self.finish(now, None);
            let forks: Vec<(AuthorId, u64)> = self.session.forks().collect();
            for (author, sequence) in forks {
                if author != self.own {
                    self.session.ask(author, sequence, false);
                }
            }
        }
        if self.told != Some(status) {
            self.told = Some(status);
            self.news.push_back(Action::Status(status));
        }
        let confirmed = self.confirmed();
        let may_confirm = status.is_in_step && !self.own_log.is_other;
        let due = self.confirm_due(confirmed).filter(|_| may_confirm);
        self.confirm_at = due.filter(|due| *due > now);
        if due.is_some_and(|due| due <= now) {
            self.noted = Some((confirmed, now));
            self.news.push_back(Action::Confirm(confirmed));
        }
    }

    /// When it is to be written down what the peer has confirmed, where that is news.
    fn confirm_due(&self, confirmed: Confirmed) -> Option<Duration> {
        let Some((noted, when)) = self.noted else {
            return Some(Duration::ZERO);
        };
        // Of others' logs it counts where there is none of our own.
        let is_more = match confirmed.own {
            0 => confirmed.held > noted.held,
            own => own > noted.own,
        };
        is_more.then(|| when + CONFIRM_INTERVAL)
    }

    fn confirmed(&self) -> Confirmed {
        Confirmed {
            own: self.session.confirmed(&self.own),
            held: self.session.held(),
        }
    }

    /// Whether nothing received is on its way through the pipeline, so that all of it is counted.
    fn is_idle(&self) -> bool {
        self.pending.is_empty() && !self.is_verifying && self.verified.is_none() && !self.is_storing
    }

    fn finish(&mut self, now: Duration, error: Option<String>) {
        self.news.push_back(Action::Emit(Event::SyncFinished {
            peer: self.peer,
            topic: self.topic,
            counts: self.counts.clone(),
            duration_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            error,
        }));
    }
}
