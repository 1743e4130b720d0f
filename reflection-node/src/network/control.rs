// SPDX-License-Identifier: GPL-3.0-or-later
//! What two connected peers say of their documents on the control stream, without I/O.
//!
//! ```text
//! Offer, Match    which documents are common: sync/matching.rs
//! Summary         which of those are equal on both sides: marks of what is held
//! Changed         there is something new; a stream is asked for
//! Gone            the sender takes part in a document no more
//! ```
//!
//! The side that dialled offers. The side that does not open streams says what it holds of what is
//! common; the other one opens a stream where that differs, and answers with its own marks where
//! it does not, so that both know. When streams are opened and closed is up to the [`Plan`].
//!
//! The driver tells what happened and carries out, in order, what follows. While it looks up what
//! is held nothing else is told to the machine.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use super::plan::{Plan, Step};
use crate::access::{DocumentKeys, TopicId};
use crate::identity::AuthorId;
use crate::store::documents::DocumentRow;
use crate::store::operations::Position;
use crate::sync::frame::{Frame, MARKS_PER_FRAME_MAX, TOKENS_PER_FRAME_MAX, Token};
use crate::sync::heights::Heights;
use crate::sync::matching::{Matching, MatchingError};
use crate::sync::proof::Salts;
use crate::sync::summary::Mark;

/// What is to be done.
pub(crate) enum Action {
    /// Write a frame.
    Say(Frame),
    /// Documents turned out to be common: the peer is worth remembering.
    Remember,
    /// Find out what is held of these documents and say it: see [`Control::tell`].
    Tell(Vec<TopicId>),
    /// Find out what is held of these documents and compare it: see [`Control::compare`].
    Compare(Vec<(TopicId, Mark)>),
    /// Open a stream.
    Open(TopicId),
    /// End the session of that number, which has nothing to do.
    Close(TopicId, u64),
    /// The document is not common any more: end its session and forget how the peer stands in it.
    Leave(TopicId),
}

/// What is held here of a document, on the disk.
pub(crate) struct Held {
    pub(crate) topic: TopicId,
    pub(crate) row: DocumentRow,
    pub(crate) keys: DocumentKeys,
    pub(crate) heights: Heights,
    /// Up to where everything that was committed is in it.
    pub(crate) position: Position,
}

/// How a session ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionEnd {
    /// Whether both sides held the same then.
    pub(crate) is_in_step: bool,
    /// Whether something was committed here that it had not heard of.
    pub(crate) is_overtaken: bool,
}

/// What the end of a session means for its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It is equal on both sides.
    Quiet,
    /// It is not common any more: what the session said of the peer at its end does not hold.
    Left,
    /// There is more to be done about it.
    Unsettled,
}

/// One side of the talk.
pub(crate) struct Control {
    is_opener: bool,
    matching: Matching,
    plan: Plan,
}

impl Control {
    pub(crate) fn new(own: AuthorId, remote: AuthorId, salts: Salts, now: Instant) -> Self {
        let is_opener = own < remote;
        Self {
            is_opener,
            matching: Matching::new(own, remote, salts),
            plan: Plan::new(is_opener, now),
        }
    }

    /// The talk begins with the documents that are here. The side that dialled speaks first; the
    /// other one knows its documents and waits. Offers are padded from `random`.
    pub(crate) fn begin(
        &mut self,
        documents: &[DocumentKeys],
        is_dialer: bool,
        random: impl FnMut() -> Token,
    ) -> Vec<Action> {
        let added = self.matching.add(documents);
        if is_dialer {
            self.offer(&added, random)
        } else {
            Vec::new()
        }
    }

    fn offer(&self, topics: &[TopicId], random: impl FnMut() -> Token) -> Vec<Action> {
        let frames = self.matching.offer(topics, random);
        frames.into_iter().map(Action::Say).collect()
    }

    /// Documents were added here, and others removed.
    pub(crate) fn documents_changed(
        &mut self,
        present: &[DocumentKeys],
        removed: &[TopicId],
        random: impl FnMut() -> Token,
    ) -> Vec<Action> {
        let (mut actions, mut gone) = (Vec::new(), Vec::new());
        for topic in removed {
            if self.matching.knows(topic) {
                gone.extend(self.matching.common_token_of(topic));
                self.matching.remove(topic);
                self.plan.remove(topic);
                actions.push(Action::Leave(*topic));
            }
        }
        actions.extend(gone.chunks(TOKENS_PER_FRAME_MAX).map(|tokens| {
            let tokens = tokens.to_vec();
            Action::Say(Frame::Gone { tokens })
        }));
        let added = self.matching.add(present);
        if !added.is_empty() {
            actions.extend(self.offer(&added, random));
        }
        actions
    }

    /// Takes a frame of the peer.
    pub(crate) fn receive(
        &mut self,
        frame: Frame,
        now: Instant,
    ) -> Result<Vec<Action>, MatchingError> {
        match frame {
            Frame::Summary { marks } => {
                let named = marks.iter();
                let named = named.filter_map(|(token, mark)| {
                    let topic = self.matching.common_topic_of(token)?;
                    Some((topic, *mark))
                });
                Ok(vec![Action::Compare(named.collect())])
            }
            Frame::Changed { tokens } => {
                for token in &tokens {
                    if let Some(topic) = self.matching.common_topic_of(token) {
                        self.plan.announced(&topic, now);
                    }
                }
                Ok(Vec::new())
            }
            Frame::Gone { tokens } => {
                let mut actions = Vec::new();
                for token in &tokens {
                    if let Some(topic) = self.matching.gone(token) {
                        self.plan.remove(&topic);
                        actions.push(Action::Leave(topic));
                    }
                }
                Ok(actions)
            }
            frame => self.matched(frame),
        }
    }

    fn matched(&mut self, frame: Frame) -> Result<Vec<Action>, MatchingError> {
        let matched = self.matching.receive(frame)?;
        let mut actions: Vec<Action> = matched.answer.into_iter().map(Action::Say).collect();
        if matched.topics.is_empty() {
            return Ok(actions);
        }
        actions.push(Action::Remember);
        for topic in &matched.topics {
            self.plan.common(*topic);
        }
        // The side that opens streams is told what the other one holds, and opens where it must.
        if !self.is_opener {
            let topics = matched.topics.chunks(MARKS_PER_FRAME_MAX);
            actions.extend(topics.map(|topics| Action::Tell(topics.to_vec())));
        }
        Ok(actions)
    }

    /// Says what is held here of documents. What could not be looked up is taken to differ.
    pub(crate) fn tell(&mut self, topics: &[TopicId], held: &[Held], now: Instant) -> Frame {
        self.suspect(topics.iter(), held, now);
        self.summary(held)
    }

    /// What cannot be compared, because the store or the disk fails, gets a session.
    fn suspect<'a>(
        &mut self,
        topics: impl Iterator<Item = &'a TopicId>,
        held: &[Held],
        now: Instant,
    ) {
        let held: HashSet<&TopicId> = held.iter().map(|held| &held.topic).collect();
        for topic in topics.filter(|topic| !held.contains(topic)) {
            self.plan.news(topic, now);
        }
    }

    fn summary(&self, held: &[Held]) -> Frame {
        let marks = held.iter().filter_map(|held| {
            let token = self.matching.token_of(&held.topic)?;
            Some((token, self.matching.own_mark(&held.keys, &held.heights)))
        });
        Frame::Summary {
            marks: marks.collect(),
        }
    }

    /// Compares what is held here with the marks of the peer. Gives what is equal and has no
    /// session, and what to say of it to a peer that does not know yet.
    pub(crate) fn compare(
        &mut self,
        theirs: &[(TopicId, Mark)],
        held: Vec<Held>,
        now: Instant,
    ) -> (Vec<Held>, Option<Frame>) {
        self.suspect(theirs.iter().map(|(topic, _)| topic), &held, now);
        let theirs: HashMap<&TopicId, &Mark> =
            theirs.iter().map(|(topic, mark)| (topic, mark)).collect();
        let mut equal = Vec::new();
        for held in held {
            let expected = self.matching.equal_mark(&held.keys, &held.heights);
            if theirs.get(&held.topic) == Some(&&expected) {
                equal.push(held);
            } else if self.is_opener {
                self.plan.announced(&held.topic, now);
            } else {
                self.plan.news(&held.topic, now);
            }
        }
        equal.retain(|held| self.plan.equal(&held.topic));
        let answer = (self.is_opener && !equal.is_empty()).then(|| self.summary(&equal));
        (equal, answer)
    }

    /// The mark by which the peer would say that it holds the same.
    #[cfg(feature = "testing")]
    pub(crate) fn equal_mark(&self, held: &Held) -> Mark {
        self.matching.equal_mark(&held.keys, &held.heights)
    }

    /// Something was committed to a document. `true` where it was quiet before.
    pub(crate) fn grew(&mut self, topic: &TopicId, now: Instant) -> bool {
        self.plan.news(topic, now)
    }

    /// A session began.
    pub(crate) fn began(&mut self, topic: TopicId, number: u64, now: Instant) {
        self.plan.began(topic, number, now);
    }

    /// A stream could not be opened.
    pub(crate) fn failed_to_open(&mut self, topic: TopicId, now: Instant) {
        self.plan.failed_to_open(topic, now);
    }

    /// A session ended.
    pub(crate) fn ended(
        &mut self,
        topic: TopicId,
        number: u64,
        end: SessionEnd,
        now: Instant,
    ) -> After {
        let SessionEnd {
            is_in_step,
            is_overtaken,
        } = end;
        if !self.plan.knows(&topic) {
            After::Left
        } else if self
            .plan
            .ended(topic, number, is_in_step, is_overtaken, now)
        {
            After::Quiet
        } else {
            After::Unsettled
        }
    }

    /// What to do next; asked after whatever was told, and when it is due. `is_settled` says of a
    /// document whether its session has exchanged everything.
    pub(crate) fn steps(
        &mut self,
        now: Instant,
        is_settled: impl Fn(&TopicId) -> bool,
    ) -> Vec<Action> {
        let (mut actions, mut tokens) = (Vec::new(), Vec::new());
        for step in self.plan.steps(now, is_settled) {
            match step {
                Step::Open(topic) => actions.push(Action::Open(topic)),
                Step::Announce(topic) => tokens.extend(self.matching.token_of(&topic)),
                Step::Close(topic, number) => actions.push(Action::Close(topic, number)),
            }
        }
        actions.extend(tokens.chunks(MARKS_PER_FRAME_MAX).map(|tokens| {
            let tokens = tokens.to_vec();
            Action::Say(Frame::Changed { tokens })
        }));
        actions
    }

    /// When to ask for steps again if nothing happens before; `None` while nothing waits for a
    /// time.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.plan.due()
    }

    /// The document that the peer means by the token of a stream.
    pub(crate) fn topic_of(&self, remote_token: &Token) -> Option<TopicId> {
        self.matching.topic_of(remote_token)
    }

    /// Our own token for a document.
    pub(crate) fn token_of(&self, topic: &TopicId) -> Option<Token> {
        self.matching.token_of(topic)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::DocumentSecret;
    use crate::identity::AuthorKey;
    use crate::operation::OperationId;
    use crate::sync::heights::Head;

    /// Two who are connected; the first one opens streams, the second one dialled.
    fn pair() -> (Control, Control) {
        let mut ids = [AuthorKey::generate().id(), AuthorKey::generate().id()];
        ids.sort();
        let salts = Salts {
            dialer: [1; 16],
            listener: [2; 16],
        };
        let now = Instant::now();
        (
            Control::new(ids[0], ids[1], salts, now),
            Control::new(ids[1], ids[0], salts, now),
        )
    }

    fn document() -> DocumentKeys {
        DocumentKeys::for_writing(DocumentSecret::generate())
    }

    /// So many operations of one author.
    fn held(keys: &DocumentKeys, operations: u64) -> Held {
        let head = Head {
            next: operations,
            id: OperationId::from_bytes([9; 32]),
            base: 0,
        };
        Held {
            topic: keys.topic(),
            row: DocumentRow(1),
            keys: keys.clone(),
            heights: std::iter::once((AuthorId::from_bytes([8; 32]), head)).collect(),
            position: 1,
        }
    }

    fn frames(actions: Vec<Action>) -> Vec<Frame> {
        let said = actions.into_iter().filter_map(|action| match action {
            Action::Say(frame) => Some(frame),
            _ => None,
        });
        said.collect()
    }

    fn settled(_: &TopicId) -> bool {
        true
    }

    /// Both find out what is common; the dialling side is asked to tell what it holds.
    fn acquainted(documents: &[DocumentKeys]) -> (Control, Control, Vec<TopicId>) {
        let (mut opener, mut dialer) = pair();
        let now = Instant::now();
        opener.begin(documents, false, crate::random::array);
        let offers = frames(dialer.begin(documents, true, crate::random::array));
        let matches = offers.into_iter().flat_map(|offer| {
            let actions = opener.receive(offer, now).unwrap();
            frames(actions)
        });
        let matches: Vec<Frame> = matches.collect();
        let mut asked = Vec::new();
        for frame in matches {
            for action in dialer.receive(frame, now).unwrap() {
                if let Action::Tell(topics) = action {
                    asked.extend(topics);
                }
            }
        }
        (opener, dialer, asked)
    }

    fn compare(control: &mut Control, frame: Frame, held: Vec<Held>) -> (usize, Option<Frame>) {
        let now = Instant::now();
        let actions = control.receive(frame, now).unwrap();
        let [Action::Compare(theirs)] = &actions[..] else {
            panic!()
        };
        let (equal, answer) = control.compare(theirs, held, now);
        (equal.len(), answer)
    }

    fn opened(control: &mut Control) -> Vec<TopicId> {
        let actions = control.steps(Instant::now(), settled);
        let opened = actions.into_iter().filter_map(|action| match action {
            Action::Open(topic) => Some(topic),
            _ => None,
        });
        opened.collect()
    }

    #[test]
    fn what_is_equal_needs_no_stream_and_what_differs_gets_one() {
        let (same, other) = (document(), document());
        let (mut opener, mut dialer, asked) = acquainted(&[same.clone(), other.clone()]);
        assert_eq!(asked.len(), 2);
        let ours = [held(&same, 3), held(&other, 4)];
        let told = dialer.tell(&asked, &ours, Instant::now());
        let theirs = vec![held(&same, 3), held(&other, 5)];
        let (equal, answer) = compare(&mut opener, told, theirs);
        assert_eq!(equal, 1);
        assert_eq!(opened(&mut opener), [other.topic()]);
        // The other side is told of what is equal, and of nothing else.
        assert_eq!(
            compare(&mut dialer, answer.unwrap(), vec![held(&same, 3)]).0,
            1
        );
        assert!(frames(dialer.steps(Instant::now(), settled)).is_empty());
    }

    #[test]
    fn what_cannot_be_looked_up_is_not_taken_for_equal() {
        let keys = document();
        let (mut opener, mut dialer, asked) = acquainted(std::slice::from_ref(&keys));
        // The side that was to tell asks for a stream instead,
        let told = dialer.tell(&asked, &[], Instant::now());
        assert_eq!(told, Frame::Summary { marks: vec![] });
        let asks = frames(dialer.steps(Instant::now(), settled));
        assert!(matches!(&asks[..], [Frame::Changed { tokens }] if tokens.len() == 1));
        // and the side that was to compare opens one.
        let told = dialer.tell(&asked, &[held(&keys, 3)], Instant::now());
        assert_eq!(compare(&mut opener, told, vec![]), (0, None));
        assert_eq!(opened(&mut opener), [keys.topic()]);
    }
}
