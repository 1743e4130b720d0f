// SPDX-License-Identifier: GPL-3.0-or-later
//! One document synchronised with one peer, as a state machine without I/O.
//!
//! ```text
//! opener:    Opening ──Challenge──> Comparing ──Digest──> Listing ──Heads──> Live
//! responder: Answering ──Proof────> Comparing      └─ equal ────────────────> Live
//! ```
//!
//! The machine is told what arrives ([`Session::receive`]), what is committed here and what of that
//! is on the disk ([`Session::committed`]), and what was read from the store for the peer
//! ([`Session::supplied`]); it is asked for frames to send ([`Session::next_frame`]) and for the
//! next operations to read ([`Session::next_requests`]). What it sends is bounded by who asks.
//!
//! Nothing that happens makes it look at all logs: with a hundred people who write, and a session
//! with each, that would be most of what a processor has to do. See `open.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::frame::{DECLINED_PER_FRAME_MAX, Frame, HEADS_PER_FRAME_MAX, Token};
use super::heights::{AUTHORS_MAX, Head, Heights};
use super::proof::{Transcript, is_equal};
use crate::access::DocumentKeys;
use crate::identity::AuthorId;
use crate::operation::{ForkProof, Kind, Operation};
use open::OpenLogs;
use push::Pushes;
use questions::Answer;

/// Most proofs of forks taken from a peer in one session.
const PROOFS_MAX: usize = 1_024;

/// Why a session ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("the peer did not prove that it knows the document")]
    BadProof,
    #[error("the peer sent a frame that does not belong here")]
    Unexpected,
    #[error("the peer names too many authors")]
    TooManyAuthors,
    #[error("the peer asks for too much")]
    TooManyQuestions,
}

/// What a received frame asks the driver to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Nothing beyond what [`Session::next_frame`] will give.
    Nothing,
    /// Both sides have proved the sync key: the session began.
    Proved,
    /// An operation for the pipeline.
    Operation { header: Vec<u8>, body: Vec<u8> },
    /// Two headers that are said to prove a fork.
    Fork { one: Vec<u8>, other: Vec<u8> },
    /// The header that the peer holds at a place that was asked for.
    Header(Vec<u8>),
    /// An operation of our own log as the peer holds it.
    Branch { header: Vec<u8>, body: Vec<u8> },
    /// The peer's form of our own log is complete.
    BranchEnd,
    /// The peer cannot take our own log as it is: it may hold it in another form.
    OwnDeclined,
}

/// Operations to read from the store and hand to [`Session::supplied`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) author: AuthorId,
    pub(crate) from: u64,
    pub(crate) count: u64,
    /// Whether they were asked for, rather than being what the peer lacks.
    pub(crate) is_answer: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Opener: `Open` sent, the peer's challenge is awaited.
    Opening,
    /// Responder: `Challenge` sent, the peer's proof is awaited.
    Answering,
    /// Our digest is sent, the peer's is awaited.
    Comparing,
    /// Our heads are sent, the peer's are awaited.
    Listing,
    /// Operations go both ways.
    Live,
}

/// The state of one document with one peer.
pub(crate) struct Session {
    keys: DocumentKeys,
    transcript: Transcript,
    is_opener: bool,
    state: State,
    /// Frames of the set-up; a few, as the number of authors is bounded.
    outbox: VecDeque<Frame>,
    /// What is committed here. It is sent to a peer that lacks it.
    ours: Arc<Heights>,
    /// What of it is on the disk. This alone is told to be held, since a peer counts it as a copy.
    durable: Arc<Heights>,
    /// What we have told the peer to be held here.
    told: Heights,
    /// What the peer has told to be held there.
    theirs: Heights,
    /// What the peer has, or will have when what we sent arrives.
    sent: Heights,
    /// Of which logs something is to be sent, told or heard.
    open: OpenLogs,
    /// How those of others are sent.
    pushes: Pushes,
    /// The time of the session, and when the peer is told again what is on the disk here.
    now: Duration,
    next_news: Duration,
    /// Heads as they were when our digest was made.
    compared: Arc<Heights>,
    is_done_sent: bool,
    is_done_received: bool,
    /// Authors of whom the peer has something that cannot be taken here.
    stuck: BTreeSet<AuthorId>,
    /// Where the peer last opened a log anew: what follows may be taken even so.
    reopened: BTreeMap<AuthorId, u64>,
    /// Refusals here that the peer is yet to be told of; as many as there are authors.
    declining: BTreeMap<AuthorId, u64>,
    /// From where on the peer wants nothing of a log.
    declined: BTreeMap<AuthorId, u64>,
    /// Proofs that the peer is yet to be told of, and whose it knows.
    proofs: VecDeque<ForkProof>,
    proofs_told: BTreeSet<(AuthorId, u64)>,
    proofs_taken: usize,
    /// What the peer has asked for, and how often it has.
    answers: VecDeque<Answer>,
    answers_given: usize,
    /// What is to be asked, what has been, and how often.
    questions: VecDeque<Frame>,
    asked: VecDeque<(AuthorId, bool)>,
    times_asked: usize,
}

impl Session {
    /// Opens a session; `token` tells the peer which document is meant.
    pub(crate) fn open(
        keys: DocumentKeys,
        own: AuthorId,
        remote: AuthorId,
        token: Token,
        nonce: [u8; 32],
        ours: Arc<Heights>,
    ) -> Self {
        let transcript = Transcript {
            opener: own,
            responder: remote,
            opener_nonce: nonce,
            responder_nonce: [0; 32],
        };
        let mut session = Self::new(keys, transcript, State::Opening, ours);
        session.outbox.push_back(Frame::Open { token, nonce });
        session
    }

    /// Answers a peer that opened a session with `opener_nonce`.
    pub(crate) fn answer(
        keys: DocumentKeys,
        own: AuthorId,
        remote: AuthorId,
        opener_nonce: [u8; 32],
        nonce: [u8; 32],
        ours: Arc<Heights>,
    ) -> Self {
        let transcript = Transcript {
            opener: remote,
            responder: own,
            opener_nonce,
            responder_nonce: nonce,
        };
        let proof = transcript.responder_proof(&keys);
        let mut session = Self::new(keys, transcript, State::Answering, ours);
        session.outbox.push_back(Frame::Challenge { nonce, proof });
        session
    }

    fn new(keys: DocumentKeys, transcript: Transcript, state: State, ours: Arc<Heights>) -> Self {
        let mut session = Self {
            keys,
            transcript,
            is_opener: state == State::Opening,
            state,
            outbox: VecDeque::new(),
            compared: Arc::clone(&ours),
            durable: Arc::clone(&ours),
            ours,
            told: Heights::default(),
            theirs: Heights::default(),
            sent: Heights::default(),
            open: OpenLogs::default(),
            pushes: Pushes::default(),
            now: Duration::ZERO,
            next_news: Duration::ZERO,
            is_done_sent: false,
            is_done_received: false,
            stuck: BTreeSet::new(),
            reopened: BTreeMap::new(),
            declining: BTreeMap::new(),
            declined: BTreeMap::new(),
            proofs: VecDeque::new(),
            proofs_told: BTreeSet::new(),
            proofs_taken: 0,
            answers: VecDeque::new(),
            answers_given: 0,
            questions: VecDeque::new(),
            asked: VecDeque::new(),
            times_asked: 0,
        };
        session.review_all();
        session
    }

    /// Takes a frame of the peer.
    pub(crate) fn receive(&mut self, frame: Frame) -> Result<Received, SessionError> {
        match (self.state, frame) {
            (State::Opening, Frame::Challenge { nonce, proof }) => {
                self.transcript.responder_nonce = nonce;
                if !is_equal(&proof, &self.transcript.responder_proof(&self.keys)) {
                    return Err(SessionError::BadProof);
                }
                let proof = self.transcript.opener_proof(&self.keys);
                self.outbox.push_back(Frame::Proof { proof });
                self.compare();
                Ok(Received::Proved)
            }
            (State::Answering, Frame::Proof { proof }) => {
                if !is_equal(&proof, &self.transcript.opener_proof(&self.keys)) {
                    return Err(SessionError::BadProof);
                }
                self.compare();
                Ok(Received::Proved)
            }
            (State::Comparing, Frame::Digest { digest }) => {
                self.take_digest(&digest);
                Ok(Received::Nothing)
            }
            (State::Listing | State::Live, Frame::Heads { heads, last }) => {
                self.take_heads(heads)?;
                if self.state == State::Listing && last {
                    self.state = State::Live;
                }
                Ok(Received::Nothing)
            }
            (State::Listing | State::Live, Frame::Declined { logs }) => {
                let own = self.own();
                let is_own = logs.iter().any(|(author, _)| *author == own);
                for (author, sequence) in logs {
                    self.declined.insert(author, sequence);
                    self.review(&author);
                }
                if self.declined.len() > AUTHORS_MAX {
                    return Err(SessionError::TooManyAuthors);
                }
                Ok(if is_own {
                    Received::OwnDeclined
                } else {
                    Received::Nothing
                })
            }
            (State::Listing | State::Live, Frame::Fork { one, other }) => {
                self.proofs_taken += 1;
                if self.proofs_taken > PROOFS_MAX {
                    return Err(SessionError::TooManyQuestions);
                }
                Ok(Received::Fork { one, other })
            }
            (
                State::Live,
                Frame::Fetch {
                    author,
                    from,
                    whole,
                },
            ) => self.take_question(author, from, whole),
            (State::Live, Frame::Branch { last, header, body }) => {
                self.take_answer(last, header, body)
            }
            (State::Live, Frame::Prune { author }) => {
                self.pushes.prune(author);
                self.review(&author);
                Ok(Received::Nothing)
            }
            (State::Live, Frame::Done) if !self.is_done_received => {
                self.is_done_received = true;
                Ok(Received::Nothing)
            }
            (State::Listing | State::Live, Frame::Operation { header, body }) => {
                Ok(Received::Operation { header, body })
            }
            _ => Err(SessionError::Unexpected),
        }
    }

    fn compare(&mut self) {
        self.compared = Arc::clone(&self.durable);
        self.outbox.push_back(Frame::Digest {
            digest: self.compared.digest(),
        });
        self.state = State::Comparing;
    }

    fn take_digest(&mut self, digest: &[u8; 32]) {
        self.told = (*self.compared).clone();
        if is_equal(digest, &self.compared.digest()) {
            self.theirs = (*self.compared).clone();
            self.sent = self.theirs.clone();
            self.state = State::Live;
            self.review_all();
            return;
        }
        self.review_all();
        // Before the heads, upon which the peer begins to send.
        while let Some(frame) = self.refusals().or_else(|| self.proof()) {
            self.outbox.push_back(frame);
        }
        let heads: Vec<(AuthorId, Head)> = self
            .compared
            .iter()
            .map(|(author, head)| (*author, *head))
            .collect();
        let mut chunks = heads.chunks(HEADS_PER_FRAME_MAX).peekable();
        if chunks.peek().is_none() {
            self.outbox.push_back(Frame::Heads {
                heads: Vec::new(),
                last: true,
            });
        }
        while let Some(chunk) = chunks.next() {
            let last = chunks.peek().is_none();
            self.outbox.push_back(Frame::Heads {
                heads: chunk.to_vec(),
                last,
            });
        }
        self.state = State::Listing;
    }

    fn take_heads(&mut self, heads: Vec<(AuthorId, Head)>) -> Result<(), SessionError> {
        for (author, head) in heads {
            if self.state == State::Live && head.next > self.sent.next(&author) {
                self.pushes.prune(author);
            }
            if !self.theirs.hear(author, head) || !self.sent.raise(author, head) {
                return Err(SessionError::TooManyAuthors);
            }
            self.review(&author);
        }
        Ok(())
    }

    /// Takes what is committed here now, and what of it is on the disk; the peer is told of what it
    /// did not send itself too, so that it neither sends it nor doubts that it arrived.
    pub(crate) fn committed(&mut self, ours: Arc<Heights>, durable: Arc<Heights>) {
        let mut changed: Vec<AuthorId> = Vec::new();
        for (now, before) in [(&ours, &self.ours), (&durable, &self.durable)] {
            if !Arc::ptr_eq(now, before) {
                changed.extend(now.changed_since(before));
            }
        }
        self.ours = ours;
        self.durable = durable;
        for author in &changed {
            self.review(author);
        }
    }

    /// The next frame to send, other than operations.
    pub(crate) fn next_frame(&mut self) -> Option<Frame> {
        if let Some(frame) = self.outbox.pop_front() {
            return Some(frame);
        }
        if self.state != State::Live {
            return None;
        }
        if let Some(frame) = self.refusals().or_else(|| self.proof()) {
            return Some(frame);
        }
        if let Some(frame) = self.questions.pop_front().or_else(|| self.news()) {
            return Some(frame);
        }
        if let Some(author) = self.pushes.next_pruned() {
            return Some(Frame::Prune { author });
        }
        if self
            .answers
            .front()
            .is_some_and(|answer| answer.from >= answer.until)
        {
            self.answers.pop_front();
            return Some(Self::answer_end());
        }
        if !self.is_done_sent && !self.has_requests() {
            self.is_done_sent = true;
            self.pushes.look_again();
            return Some(Frame::Done);
        }
        None
    }

    /// Refusals that the peer has not been told of.
    fn refusals(&mut self) -> Option<Frame> {
        let mut logs = Vec::new();
        while logs.len() < DECLINED_PER_FRAME_MAX
            && let Some(log) = self.declining.pop_first()
        {
            logs.push(log);
        }
        (!logs.is_empty()).then_some(Frame::Declined { logs })
    }

    /// Whether the peer has refused this log. One that was opened anew above the place is sent.
    fn is_declined(&self, author: &AuthorId, head: &Head) -> bool {
        self.declined
            .get(author)
            .is_some_and(|sequence| head.base <= *sequence && self.sent.next(author) >= *sequence)
    }

    /// Takes what the store had for a request and gives the frames to send.
    pub(crate) fn supplied(&mut self, operations: Vec<Operation>) -> Vec<Frame> {
        operations
            .into_iter()
            .map(|operation| {
                let head = Head {
                    next: operation.header().sequence + 1,
                    id: operation.id(),
                    base: 0,
                };
                self.sent.raise(operation.author(), head);
                self.told.raise(operation.author(), head);
                self.review(&operation.author());
                let (header, body) = operation.into_parts();
                Frame::Operation { header, body }
            })
            .collect()
    }

    /// Takes note that an operation of the peer was received, before it is stored: it has it.
    pub(crate) fn heard(&mut self, operation: &Operation) -> Result<(), SessionError> {
        let head = Head {
            next: operation.header().sequence + 1,
            id: operation.id(),
            base: 0,
        };
        let is_bounded = self.theirs.raise(operation.author(), head)
            && self.sent.raise(operation.author(), head);
        if is_bounded {
            self.pushes.prune(operation.author());
            if operation.header().kind == Kind::Compaction {
                let sequence = operation.header().sequence;
                self.reopened.insert(operation.author(), sequence);
            }
            self.review(&operation.author());
            Ok(())
        } else {
            Err(SessionError::TooManyAuthors)
        }
    }

    /// Something of `author` cannot be taken, at `place` where that is known: neither can what
    /// follows it in the log, which is not waited for.
    pub(crate) fn give_up(&mut self, author: AuthorId, place: Option<u64>) {
        self.stuck.insert(author);
        if let Some(opening) = self.reopened.get(&author)
            && place.is_none_or(|place| place >= *opening)
        {
            self.reopened.remove(&author);
        }
    }

    /// The operation of `author` at `sequence` was refused, now or long ago: the peer is told, so
    /// that it does not send the rest of that log in every session.
    pub(crate) fn decline(&mut self, author: AuthorId, sequence: u64) {
        self.give_up(author, Some(sequence));
        self.declining.insert(author, sequence);
    }

    /// `author`'s log was opened anew by an operation that could be taken.
    pub(crate) fn recover(&mut self, author: &AuthorId) {
        self.stuck.remove(author);
    }

    /// Whether an operation that the peer has sent was here before and ends the log, so that there
    /// is nothing to be done about it. If it was here and the peer is not its author, that is noted:
    /// the peer need not push that log.
    pub(crate) fn weed_out(&mut self, operation: &Operation) -> bool {
        let author = operation.author();
        let is_late = self.ours.next(&author) > operation.header().sequence;
        if is_late && self.is_done_received && author != self.remote() {
            self.pushes.duplicate(author);
        }
        let head = self.ours.get(&author);
        head.is_some_and(|head| head.id == operation.id())
    }

    /// Whether an operation is worth a look: it does not follow one that could not be taken, or opens
    /// that log anew, or comes after such an opening, which may be on its way through the pipeline.
    pub(crate) fn is_of_use(&self, operation: &Operation) -> bool {
        let (author, header) = (operation.author(), operation.header());
        let opening = self.reopened.get(&author);
        !self.stuck.contains(&author)
            || header.kind == Kind::Compaction
            || opening.is_some_and(|opening| header.sequence > *opening)
    }

    /// Whether both sides have exchanged what they had at the beginning.
    pub(crate) fn is_exchanged(&self) -> bool {
        let is_taken = |(author, head): (&AuthorId, &Head)| {
            self.ours.next(author) >= head.next || self.stuck.contains(author)
        };
        self.is_done_sent && self.is_done_received && self.theirs.iter().all(is_taken)
    }

    /// Authors whose logs end differently here and there at the same height.
    pub(crate) fn forks(&self) -> impl Iterator<Item = (AuthorId, u64)> {
        self.theirs.iter().filter_map(|(author, head)| {
            let is_fork = self
                .ours
                .get(author)
                .is_some_and(|own| own.next == head.next && own.id != head.id);
            is_fork.then_some((*author, head.next.saturating_sub(1)))
        })
    }

    /// Whether the peer has told to have everything that is committed here, and was told so in
    /// turn, apart from what it has refused: that it will never have.
    pub(crate) fn is_in_step(&self) -> bool {
        self.state == State::Live && self.open.unconfirmed.is_empty()
    }

    /// Whether the exchange is still being set up; a driver does not wait for ever for that.
    pub(crate) fn is_starting(&self) -> bool {
        self.state != State::Live
    }

    /// How many operations that are here the peer has told to be committed there.
    pub(crate) fn held(&self) -> u64 {
        self.ours
            .iter()
            .map(|(author, head)| self.theirs.next(author).min(head.next))
            .sum()
    }

    /// The peer's confirmed height of one author's log.
    pub(crate) fn confirmed(&self, author: &AuthorId) -> u64 {
        self.theirs.next(author)
    }
}

mod open;
mod push;
mod questions;
#[cfg(test)]
mod tests;
