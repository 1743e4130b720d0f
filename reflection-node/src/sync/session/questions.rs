// SPDX-License-Identifier: GPL-3.0-or-later
//! Logs that go on in two ways: proofs that are passed on, and the questions by which a side gets
//! to see the other one's form of a log. Each session answers and asks a bounded number.

use super::{Received, Session, SessionError, State};
use crate::identity::AuthorId;
use crate::operation::{ForkProof, Operation};
use crate::sync::frame::Frame;
use crate::sync::heights::Head;

/// Most questions in one session, each way.
pub(super) const FETCHES_MAX: usize = 64;

/// What the peer has asked for and is yet to get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) author: AuthorId,
    pub(super) from: u64,
    /// The first sequence number that is not wanted.
    pub(super) until: u64,
    is_whole: bool,
}

impl Session {
    pub(super) fn own(&self) -> AuthorId {
        if self.is_opener {
            self.transcript.opener
        } else {
            self.transcript.responder
        }
    }

    pub(super) fn remote(&self) -> AuthorId {
        if self.is_opener {
            self.transcript.responder
        } else {
            self.transcript.opener
        }
    }

    pub(super) fn take_question(
        &mut self,
        author: AuthorId,
        from: u64,
        is_whole: bool,
    ) -> Result<Received, SessionError> {
        self.answers_given += 1;
        if self.answers_given > FETCHES_MAX {
            return Err(SessionError::TooManyQuestions);
        }
        let until = if is_whole {
            self.ours.next(&author)
        } else {
            from.saturating_add(1).min(self.ours.next(&author))
        };
        self.answers.push_back(Answer {
            author,
            from,
            until,
            is_whole,
        });
        Ok(Received::Nothing)
    }

    pub(super) fn take_answer(
        &mut self,
        is_last: bool,
        header: Vec<u8>,
        body: Vec<u8>,
    ) -> Result<Received, SessionError> {
        let &(_, is_whole) = self.asked.front().ok_or(SessionError::Unexpected)?;
        if is_last {
            self.asked.pop_front();
        }
        Ok(match (is_last, is_whole) {
            (true, true) => Received::BranchEnd,
            (true, false) => Received::Nothing,
            (false, true) => Received::Branch { header, body },
            (false, false) => Received::Header(header),
        })
    }

    /// Asks the peer for its form of a log, or for one header of it. A few times in a session: a
    /// log that two devices write may take several.
    pub(crate) fn ask(&mut self, author: AuthorId, from: u64, whole: bool) {
        if self.times_asked < FETCHES_MAX && !self.asked.contains(&(author, whole)) {
            self.times_asked += 1;
            self.asked.push_back((author, whole));
            self.questions.push_back(Frame::Fetch {
                author,
                from,
                whole,
            });
        }
    }

    /// Tells the peer of forks that are proved here.
    pub(crate) fn prove(&mut self, proofs: &[ForkProof]) {
        for proof in proofs {
            if self.proofs_told.insert((proof.author(), proof.sequence())) {
                self.proofs.push_back(proof.clone());
            }
        }
    }

    pub(super) fn answer_end() -> Frame {
        Frame::Branch {
            last: true,
            header: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(super) fn proof(&mut self) -> Option<Frame> {
        let proof = self.proofs.pop_front()?;
        Some(Frame::Fork {
            one: proof.one().to_vec(),
            other: proof.other().to_vec(),
        })
    }

    /// Takes what the store had for the peer's question and gives the frames to send.
    pub(crate) fn answered(&mut self, operations: Vec<Operation>) -> Vec<Frame> {
        let Some(answer) = self.answers.front_mut() else {
            return Vec::new();
        };
        let until = answer.until;
        let is_whole = answer.is_whole;
        // What is not there any more is not there for the peer either.
        let wanted = operations
            .into_iter()
            .filter(|operation| operation.header().sequence < until);
        let mut reached = until;
        let mut frames = Vec::new();
        for operation in wanted {
            reached = operation.header().sequence + 1;
            let (header, body) = operation.into_parts();
            let body = if is_whole { body } else { Vec::new() };
            frames.push(Frame::Branch {
                last: false,
                header,
                body,
            });
        }
        answer.from = reached;
        frames
    }

    /// The end of our own log as the peer has told it, once it has.
    pub(crate) fn own_head(&self) -> Option<Head> {
        let theirs = self.theirs.get(&self.own())?;
        (self.state == State::Live).then_some(*theirs)
    }
}
