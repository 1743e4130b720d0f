// SPDX-License-Identifier: GPL-3.0-or-later
//! Which common documents have a stream on a connection, and when; without I/O.
//!
//! A document that is equal on both sides is quiet: it has no stream and costs nothing. A stream
//! is opened when the two differ or something is written, and closed when nothing has been written
//! for a while. The side with the lower id opens and closes; the other one says when it has news.
//! A session that fails is begun again alone, after a pause that grows, and given up after some
//! attempts until something is written or the connection is made anew.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::access::TopicId;

/// Streams at once; further documents wait for their turn.
const STREAMS_MAX: usize = 256;
/// How long a stream stays on which nothing is written.
const QUIET: Duration = Duration::from_mins(1);
/// How long an equal document keeps its stream while others wait for one: until the peer has been
/// told that it is equal.
const TURN: Duration = Duration::from_millis(150);
/// How often streams are looked over, while others wait and else.
const LOOK_SOON: Duration = Duration::from_millis(50);
const LOOK: Duration = Duration::from_secs(10);
/// Pause before a failed session is begun again; doubled each time.
const PAUSE: Duration = Duration::from_millis(500);
/// Failures in a row after which a document is left alone.
const FAILURES_MAX: u32 = 8;

#[derive(Debug)]
enum State {
    /// Nothing is known of what the peer holds, or it was given up for now.
    Idle,
    /// Equal on both sides when it was looked at.
    Quiet,
    /// In the queue for a stream.
    Waiting,
    /// A session is at work.
    Live {
        number: u64,
        /// When something was written last.
        written: Instant,
        /// The peer has announced news meanwhile.
        is_again: bool,
    },
    /// Failed; begun again then.
    Resting { due: Instant },
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Open a stream.
    Open(TopicId),
    /// Tell the peer that there is news.
    Announce(TopicId),
    /// End the session of that number, which has nothing to do.
    Close(TopicId, u64),
}

/// See the module.
pub(super) struct Plan {
    is_opener: bool,
    topics: HashMap<TopicId, State>,
    waiting: VecDeque<TopicId>,
    announcements: VecDeque<TopicId>,
    failures: HashMap<TopicId, u32>,
    /// How many have a session at work.
    live: usize,
    /// How many have failed and are begun again.
    resting: usize,
    looked: Instant,
}

impl Plan {
    pub(super) fn new(is_opener: bool, now: Instant) -> Self {
        Self {
            is_opener,
            topics: HashMap::new(),
            waiting: VecDeque::new(),
            announcements: VecDeque::new(),
            failures: HashMap::new(),
            live: 0,
            resting: 0,
            looked: now,
        }
    }

    /// A document turned out to be common.
    pub(super) fn common(&mut self, topic: TopicId) {
        self.topics.entry(topic).or_insert(State::Idle);
    }

    /// A document is not here any more.
    pub(super) fn remove(&mut self, topic: &TopicId) {
        if let Some(state) = self.topics.remove(topic) {
            self.discount(&state);
        }
        self.failures.remove(topic);
    }

    /// Whether a document is common.
    pub(super) fn knows(&self, topic: &TopicId) -> bool {
        self.topics.contains_key(topic)
    }

    fn put(&mut self, topic: TopicId, state: State) {
        self.live += usize::from(matches!(state, State::Live { .. }));
        self.resting += usize::from(matches!(state, State::Resting { .. }));
        if let Some(replaced) = self.topics.insert(topic, state) {
            self.discount(&replaced);
        }
    }

    fn discount(&mut self, state: &State) {
        self.live -= usize::from(matches!(state, State::Live { .. }));
        self.resting -= usize::from(matches!(state, State::Resting { .. }));
    }

    /// Both sides hold the same of a document that has no session. `false` where it has one, or
    /// news of it wait.
    pub(super) fn equal(&mut self, topic: &TopicId) -> bool {
        match self.topics.get_mut(topic) {
            Some(state @ (State::Idle | State::Quiet)) => {
                *state = State::Quiet;
                true
            }
            _ => false,
        }
    }

    /// The two sides hold different things, or something was committed here. `true` where the
    /// document was quiet before.
    pub(super) fn news(&mut self, topic: &TopicId, now: Instant) -> bool {
        let is_opener = self.is_opener;
        let Some(state) = self.topics.get_mut(topic) else {
            return false;
        };
        match state {
            State::Live { written, .. } => {
                *written = now;
                false
            }
            State::Waiting | State::Resting { .. } => false,
            State::Idle | State::Quiet => {
                let was_quiet = matches!(state, State::Quiet);
                // Something new is a reason to try again what was given up.
                self.failures.remove(topic);
                if is_opener {
                    *state = State::Waiting;
                    self.waiting.push_back(*topic);
                } else {
                    *state = State::Idle;
                    self.announcements.push_back(*topic);
                }
                was_quiet
            }
        }
    }

    /// The peer has news and asks for a stream.
    pub(super) fn announced(&mut self, topic: &TopicId, now: Instant) {
        if !self.is_opener {
            return;
        }
        if let Some(State::Live { is_again, .. }) = self.topics.get_mut(topic) {
            // It may speak of a session that has ended there and not yet here.
            *is_again = true;
        } else {
            self.news(topic, now);
        }
    }

    /// A session began.
    pub(super) fn began(&mut self, topic: TopicId, number: u64, now: Instant) {
        let live = State::Live {
            number,
            written: now,
            is_again: false,
        };
        self.put(topic, live);
    }

    /// A stream could not be opened.
    pub(super) fn failed_to_open(&mut self, topic: TopicId, now: Instant) {
        self.rest(topic, now);
    }

    /// A session ended; `is_overtaken` says that something was committed here that it had not heard
    /// of. `true` where the document is quiet now.
    pub(super) fn ended(
        &mut self,
        topic: TopicId,
        number: u64,
        is_in_step: bool,
        is_overtaken: bool,
        now: Instant,
    ) -> bool {
        let Some(State::Live {
            number: live,
            is_again,
            ..
        }) = self.topics.get(&topic)
        else {
            return false;
        };
        if *live != number {
            return false;
        }
        if !is_in_step {
            self.rest(topic, now);
            return false;
        }
        let is_again = *is_again || is_overtaken;
        self.failures.remove(&topic);
        self.put(topic, State::Quiet);
        if is_again {
            self.news(&topic, now);
        }
        !is_again
    }

    fn rest(&mut self, topic: TopicId, now: Instant) {
        if !self.topics.contains_key(&topic) {
            return;
        }
        let failures = self.failures.entry(topic).or_insert(0);
        *failures += 1;
        if *failures > FAILURES_MAX {
            self.failures.remove(&topic);
            self.put(topic, State::Idle);
        } else {
            let due = now + PAUSE * 2_u32.pow(*failures - 1);
            self.put(topic, State::Resting { due });
        }
    }

    /// What to do; asked until there is nothing more. `is_settled` says of a document whether its
    /// session has exchanged everything.
    pub(super) fn steps(
        &mut self,
        now: Instant,
        is_settled: impl Fn(&TopicId) -> bool,
    ) -> Vec<Step> {
        let mut steps: Vec<Step> = self.announcements.drain(..).map(Step::Announce).collect();
        if now >= self.next_look() {
            self.looked = now;
            self.look(now, &is_settled, &mut steps);
        }
        let mut room = STREAMS_MAX.saturating_sub(self.live);
        while room > 0 {
            let Some(topic) = self.waiting.pop_front() else {
                break;
            };
            // Some were deleted, or opened by the peer, while they waited.
            if matches!(self.topics.get(&topic), Some(State::Waiting)) {
                steps.push(Step::Open(topic));
                room -= 1;
            }
        }
        steps
    }

    fn look(
        &mut self,
        now: Instant,
        is_settled: &impl Fn(&TopicId) -> bool,
        steps: &mut Vec<Step>,
    ) {
        let patience = if self.waiting.is_empty() { QUIET } else { TURN };
        let (mut settled, mut rested) = (Vec::new(), Vec::new());
        for (topic, state) in &self.topics {
            match state {
                State::Live {
                    number, written, ..
                } if self.is_opener && now - *written >= patience && is_settled(topic) => {
                    settled.push((*topic, *number));
                }
                State::Resting { due } if *due <= now => rested.push(*topic),
                _ => {}
            }
        }
        // In an order of their own, so that the same happens again in the same way.
        settled.sort_unstable();
        rested.sort_unstable();
        let closed = settled.into_iter();
        steps.extend(closed.map(|(topic, number)| Step::Close(topic, number)));
        for topic in rested {
            if self.is_opener {
                self.put(topic, State::Waiting);
                self.waiting.push_back(topic);
            } else {
                self.put(topic, State::Idle);
                steps.push(Step::Announce(topic));
            }
        }
    }

    fn next_look(&self) -> Instant {
        let is_soon = !self.waiting.is_empty() || self.resting > 0;
        self.looked + if is_soon { LOOK_SOON } else { LOOK }
    }

    /// When to ask for steps again, if nothing happens before; `None` while nothing waits for a
    /// time.
    pub(super) fn due(&self) -> Option<Instant> {
        let can_open = !self.waiting.is_empty() && self.live < STREAMS_MAX;
        let closes = self.is_opener && self.live > 0;
        if can_open || !self.announcements.is_empty() {
            Some(self.looked)
        } else if closes || self.resting > 0 {
            Some(self.next_look())
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(number: u16) -> TopicId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        TopicId::from_bytes(bytes)
    }

    fn settled(_: &TopicId) -> bool {
        true
    }

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_quiet_document_gets_a_stream_when_something_is_written_and_loses_it_later() {
        let start = Instant::now();
        let mut opener = Plan::new(true, start);
        opener.common(topic(1));
        assert!(opener.equal(&topic(1)));
        assert_eq!(opener.steps(start, settled), []);
        assert!(opener.news(&topic(1), start));
        assert_eq!(opener.steps(start, settled), [Step::Open(topic(1))]);
        opener.began(topic(1), 7, start);
        assert_eq!(opener.steps(after(start, 59_000), settled), []);
        opener.news(&topic(1), after(start, 59_000));
        assert_eq!(opener.steps(after(start, 70_000), settled), []);
        assert_eq!(
            opener.steps(after(start, 120_000), settled),
            [Step::Close(topic(1), 7)]
        );
        assert!(opener.ended(topic(1), 7, true, false, after(start, 120_001)));
    }

    #[test]
    fn the_side_that_does_not_open_announces_instead() {
        let start = Instant::now();
        let mut answerer = Plan::new(false, start);
        answerer.common(topic(1));
        answerer.equal(&topic(1));
        answerer.news(&topic(1), start);
        assert_eq!(answerer.steps(start, settled), [Step::Announce(topic(1))]);
        let mut opener = Plan::new(true, start);
        opener.common(topic(1));
        opener.announced(&topic(1), start);
        assert_eq!(opener.steps(start, settled), [Step::Open(topic(1))]);
    }

    #[test]
    fn news_announced_while_a_session_ends_are_not_lost() {
        let start = Instant::now();
        let mut opener = Plan::new(true, start);
        opener.began(topic(1), 3, start);
        opener.announced(&topic(1), start);
        assert!(!opener.ended(topic(1), 3, true, false, start));
        assert_eq!(opener.steps(start, settled), [Step::Open(topic(1))]);
        // What was committed between the end of a session and its being heard of is not either.
        opener.began(topic(1), 4, start);
        assert!(!opener.ended(topic(1), 4, true, true, start));
        assert_eq!(opener.steps(start, settled), [Step::Open(topic(1))]);
        // The end of a session that was replaced says nothing.
        opener.began(topic(1), 5, start);
        assert!(!opener.ended(topic(1), 3, false, false, start));
        assert_eq!(opener.steps(start, settled), []);
    }

    #[test]
    fn a_document_that_fails_is_tried_less_often_and_then_left_until_there_is_news() {
        let start = Instant::now();
        let mut opener = Plan::new(true, start);
        opener.common(topic(1));
        opener.news(&topic(1), start);
        let mut now = start;
        let mut begun = 0;
        for _ in 0..10_000 {
            for step in opener.steps(now, settled) {
                assert_eq!(step, Step::Open(topic(1)));
                begun += 1;
                opener.began(topic(1), begun, now);
                opener.ended(topic(1), begun, false, false, now);
            }
            now = after(now, 50);
        }
        assert_eq!(begun, u64::from(FAILURES_MAX) + 1);
        opener.news(&topic(1), now);
        assert_eq!(opener.steps(now, settled), [Step::Open(topic(1))]);
    }

    #[test]
    fn more_documents_than_streams_take_turns() {
        let start = Instant::now();
        let mut opener = Plan::new(true, start);
        let count = u16::try_from(STREAMS_MAX).unwrap_or(u16::MAX) + 10;
        for number in 0..count {
            opener.common(topic(number));
            opener.news(&topic(number), start);
        }
        let first = opener.steps(start, settled);
        assert_eq!(first.len(), STREAMS_MAX);
        for (number, step) in (0..).zip(first) {
            let Step::Open(topic) = step else { panic!() };
            opener.began(topic, number, start);
        }
        let later = after(start, 200);
        let closed = opener.steps(later, settled);
        assert_eq!(closed.len(), STREAMS_MAX);
        for step in closed {
            let Step::Close(topic, number) = step else {
                panic!()
            };
            assert!(opener.ended(topic, number, true, false, later));
        }
        assert_eq!(opener.steps(later, settled).len(), 10);
    }
}
