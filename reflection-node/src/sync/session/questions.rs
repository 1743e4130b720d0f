// SPDX-License-Identifier: GPL-3.0-or-later
//! Logs that go on in two ways: proofs that are passed on, and the questions by which a side gets
//! to see the other one's form of a log. Each session answers and asks a bounded number.

use super::{PROOFS_MAX, Received, Session, SessionError, State};
use crate::identity::AuthorId;
use crate::operation::{ForkProof, Operation};
use crate::store::forms::Form;
use crate::sync::frame::{Frame, HEADS_PER_FRAME_MAX};
use crate::sync::heights::{AUTHORS_MAX, Head};

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
    /// The end of the form that is meant, if it is a certain one.
    pub(super) form: Option<Head>,
}

/// What has been asked of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// One header of a log.
    Header(AuthorId),
    /// All of our own log as the peer holds it.
    Own,
    /// All of the form of a log that ends so.
    Form(Form),
}

impl Session {
    pub(super) fn own(&self) -> AuthorId {
        if self.is_opener {
            self.transcript.opener
        } else {
            self.transcript.responder
        }
    }

    pub(super) fn take_question(
        &mut self,
        author: AuthorId,
        from: u64,
        form: Option<Head>,
        is_whole: bool,
    ) -> Result<Received, SessionError> {
        self.answers_given += 1;
        if self.answers_given > FETCHES_MAX {
            return Err(SessionError::TooManyQuestions);
        }
        let until = match form {
            // The store ends it where nothing is there.
            Some(end) => end.next,
            None if is_whole => self.ours.next(&author),
            None => from.saturating_add(1).min(self.ours.next(&author)),
        };
        self.answers.push_back(Answer {
            author,
            from,
            until,
            is_whole,
            form,
        });
        Ok(Received::Nothing)
    }

    pub(super) fn take_answer(
        &mut self,
        is_last: bool,
        header: Vec<u8>,
        body: Vec<u8>,
    ) -> Result<Received, SessionError> {
        let &asked = self.asked.front().ok_or(SessionError::Unexpected)?;
        if is_last {
            self.asked.pop_front();
        }
        Ok(match (is_last, asked) {
            (true, Asked::Header(_)) => Received::Nothing,
            (true, Asked::Own) => Received::BranchEnd(None),
            (true, Asked::Form(form)) => Received::BranchEnd(Some(form)),
            (false, Asked::Header(_)) => Received::Header(header),
            (false, Asked::Own | Asked::Form(_)) => Received::Branch { header, body },
        })
    }

    /// Counts what the peer tells of logs that go on in two ways.
    pub(super) fn take_evidence(&mut self, count: usize) -> Result<(), SessionError> {
        self.proofs_taken += count;
        if self.proofs_taken > PROOFS_MAX {
            return Err(SessionError::TooManyQuestions);
        }
        Ok(())
    }

    /// The peer wants nothing of these logs from there on.
    pub(super) fn take_refusals(
        &mut self,
        logs: Vec<(AuthorId, u64)>,
    ) -> Result<Received, SessionError> {
        let own = self.own();
        let mut contested = Vec::new();
        for (author, sequence) in logs {
            // The opening of somebody's log is refused by who holds something that it leaves out.
            let is_opening = |head: &Head| head.base > 0 && head.base == sequence;
            if author == own || self.ours.get(&author).is_some_and(is_opening) {
                contested.push(author);
            }
            self.declined.insert(author, sequence);
            self.review(&author);
        }
        if self.declined.len() > AUTHORS_MAX {
            return Err(SessionError::TooManyAuthors);
        }
        Ok(Received::Declined(contested))
    }

    /// Asks the peer for one header of its form of a log.
    pub(crate) fn ask_header(&mut self, author: AuthorId, from: u64) {
        let whole = false;
        let question = Frame::Fetch {
            author,
            from,
            whole,
        };
        self.ask(Asked::Header(author), question);
    }

    /// Asks the peer for its form of our own log. A few times in a session: a log that two devices
    /// write may take several.
    pub(crate) fn ask_own(&mut self) {
        let question = Frame::Fetch {
            author: self.own(),
            from: 0,
            whole: true,
        };
        self.ask(Asked::Own, question);
    }

    /// Asks the peer for a certain form of a log, once in a session.
    pub(crate) fn ask_form(&mut self, form: Form) {
        let (author, end) = form;
        if self.forms_asked.len() < FETCHES_MAX && self.forms_asked.insert(end.id) {
            self.ask(Asked::Form(form), Frame::FetchForm { author, end });
        }
    }

    fn ask(&mut self, asked: Asked, question: Frame) {
        if self.times_asked < FETCHES_MAX && !self.asked.contains(&asked) {
            self.times_asked += 1;
            self.asked.push_back(asked);
            self.questions.push_back(question);
        }
    }

    /// The end of a log as the peer holds it, where it is not ours.
    pub(crate) fn other_head(&self, author: &AuthorId) -> Option<Head> {
        let theirs = self.theirs.get(author)?;
        let is_ours = |ours: &Head| ours.next == theirs.next && ours.id == theirs.id;
        let is_other = !self.ours.get(author).is_some_and(is_ours);
        is_other.then_some(Head { base: 0, ..*theirs })
    }

    /// Tells the peer of forms that are kept aside here.
    pub(crate) fn keeps(&mut self, forms: &[Form]) {
        for form in forms {
            if self.forms_told.insert(form.1.id) {
                self.forms.push_back(*form);
            }
        }
    }

    pub(super) fn kept_aside(&mut self) -> Option<Frame> {
        let count = self.forms.len().min(HEADS_PER_FRAME_MAX);
        let forms: Vec<Form> = self.forms.drain(..count).collect();
        (!forms.is_empty()).then_some(Frame::Forms { forms })
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
