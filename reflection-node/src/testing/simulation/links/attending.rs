// SPDX-License-Identifier: GPL-3.0-or-later
//! What happens on a connection is told to its machine one after the other, and what the machine
//! wants is done.

use super::Side;
use crate::access::TopicId;
use crate::network::{Action, After, Held, SessionEnd};
use crate::store::operations::Position;
use crate::sync::frame::Frame;
use crate::testing::simulation::installation::Seat;
use crate::testing::simulation::world::{Task, World};
use crate::testing::simulation::{Person, Sabotage};

/// How long the store is asked what is held, milliseconds.
const LOOK_UP_MS: usize = 60;

/// What can be looked at next.
#[derive(Clone, Copy)]
enum Branch {
    Frame,
    Opened,
    Ended,
    Grown,
    Joined,
}

impl Side {
    fn branches(&self) -> Vec<Branch> {
        let branches = [
            (!self.frames.is_empty()).then_some(Branch::Frame),
            (!self.opened.is_empty()).then_some(Branch::Opened),
            (!self.ended.is_empty()).then_some(Branch::Ended),
            (!self.grown.is_empty()).then_some(Branch::Grown),
            (!self.joined.is_empty()).then_some(Branch::Joined),
        ];
        branches.into_iter().flatten().collect()
    }
}

impl<P: Person> World<P> {
    /// Lets one side look up soon.
    pub(super) fn attend_soon(&mut self, number: u64) {
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        let can_attend = side.is_greeted && !side.is_asking;
        if can_attend && !std::mem::replace(&mut side.is_attend_due, true) {
            self.after_ms(2, Task::Attend { side: number });
        }
    }

    /// It may be time for something on a connection.
    pub(in crate::testing::simulation) fn due(&mut self, number: u64) {
        if let Some(side) = self.links.sides.get_mut(&number) {
            side.due = None;
            self.attend_soon(number);
        }
    }

    /// A stream was opened by the other side.
    pub(in crate::testing::simulation) fn stream_opened(&mut self, side: u64, number: u64) {
        if let Some(side) = self.links.sides.get_mut(&side) {
            side.opened.push_back(number);
        }
        self.attend_soon(side);
    }

    /// A session of a connection ended.
    pub(in crate::testing::simulation) fn session_ended(&mut self, side: u64, ended: super::Ended) {
        if let Some(side) = self.links.sides.get_mut(&side) {
            side.ended.push_back(ended);
        }
        self.attend_soon(side);
    }

    /// One of the things that have happened is looked at, and what follows is done.
    pub(in crate::testing::simulation) fn attend(&mut self, number: u64) {
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        side.is_attend_due = false;
        if side.is_asking {
            return;
        }
        let branches = side.branches();
        if side.actions.is_empty() && !branches.is_empty() {
            match branches[self.random.below(branches.len())] {
                Branch::Frame => self.receive(number),
                Branch::Opened => self.answer(number),
                Branch::Ended => self.after_session(number),
                Branch::Grown => self.tell_growth(number),
                Branch::Joined => self.tell_joined(number),
            }
        }
        self.go_on(number);
    }

    /// Carries out what is left, does what is due, and sees to it that there is another look.
    fn go_on(&mut self, number: u64) {
        loop {
            while let Some(side) = self.links.sides.get_mut(&number)
                && !side.is_asking
                && let Some(action) = side.actions.pop_front()
            {
                self.carry(number, action);
            }
            let now = self.instant();
            let Some(side) = self.links.sides.get_mut(&number) else {
                return;
            };
            if side.is_asking {
                return;
            }
            let (talks, sessions) = (&self.talks, &side.sessions);
            let is_settled = |topic: &TopicId| {
                let session = sessions.get(topic);
                session.is_some_and(|session| talks.is_settled(*session))
            };
            let steps = side.control.steps(now, is_settled);
            if steps.is_empty() {
                break;
            }
            side.actions.extend(steps);
        }
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        let due = side.control.due();
        let is_busy = !side.branches().is_empty();
        if let Some(due) = due.filter(|due| side.due.is_none_or(|known| known > *due)) {
            side.due = Some(due);
            self.when_due(due, number);
        }
        if is_busy {
            self.attend_soon(number);
        }
    }

    fn carry(&mut self, number: u64, action: Action) {
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        let (who, with) = (side.who, side.with);
        match action {
            Action::Say(frame) => self.say(number, &frame),
            Action::Remember => {}
            Action::Tell(_) | Action::Compare(_) => {
                side.is_asking = true;
                let topics: Vec<_> = match &action {
                    Action::Tell(topics) => topics.clone(),
                    Action::Compare(marks) => marks.iter().map(|(topic, _)| *topic).collect(),
                    _ => Vec::new(),
                };
                let person = &self.people[who];
                let documents = topics.iter().filter_map(|topic| person.find(topic));
                let held = documents.filter_map(|document| person.look_up(document));
                let held = held.collect();
                let asked = Task::Held {
                    side: number,
                    action,
                    held,
                };
                self.after_ms(LOOK_UP_MS, asked);
            }
            Action::Open(topic) => {
                let found = self.people[who].find(&topic);
                let is_common = found.is_some_and(|document| {
                    self.people[who].has_joined(document) && self.people[with].has_joined(document)
                });
                if !is_common {
                    self.oracle
                        .breaks(format!("{who} speaks with {with} of what it does not have"));
                    return;
                }
                side.quiet.remove(&topic);
                if let Some(document) = found {
                    self.open_session(number, Seat { who, document }, with);
                }
            }
            Action::Close(topic, session) => {
                if side.sessions.get(&topic) == Some(&session) {
                    self.end(session, "there is nothing left to do");
                }
            }
            Action::Leave(_) => self.oracle.breaks(format!("{who} left a document")),
        }
    }

    /// The store has said what is held, and all of it is on the disk by then, because the peer
    /// counts it. Where that cannot be, nothing is said of it.
    pub(in crate::testing::simulation) fn held(
        &mut self,
        number: u64,
        action: Action,
        held: Vec<Held>,
    ) {
        let now = self.instant();
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        side.is_asking = false;
        let (who, with) = (side.who, side.with);
        let is_written = self.people[who].write_everything();
        let held = if is_written { held } else { Vec::new() };
        match action {
            Action::Compare(mut theirs) => {
                if self.sabotage == Some(Sabotage::BelieveMarks) {
                    for (topic, mark) in &mut theirs {
                        if let Some(held) = held.iter().find(|held| held.topic == *topic) {
                            *mark = side.control.equal_mark(held);
                        }
                    }
                }
                let (equal, answer) = side.control.compare(&theirs, held, now);
                side.quiet.extend(equal.iter().map(|held| held.topic));
                // What is said of it comes before what is left to be done.
                if let Some(answer) = answer {
                    self.say(number, &answer);
                }
                for held in equal {
                    self.count().quiet += 1;
                    if let Some(document) = self.people[who].find(&held.topic) {
                        self.is_equal(Seat { who, document }, with, held.position);
                    }
                }
            }
            Action::Tell(topics) => {
                let frame = side.control.tell(&topics, &held, now);
                self.say(number, &frame);
            }
            _ => {}
        }
        self.go_on(number);
    }

    /// Somebody counts what is held here as held there too.
    pub(in crate::testing::simulation) fn is_equal(
        &mut self,
        seat: Seat,
        with: usize,
        position: Position,
    ) {
        let ours = self.people[seat.who].held(seat.document, position);
        let there = Seat { who: with, ..seat };
        if !self.oracle.has_held(there, &ours) {
            self.oracle.breaks(format!(
                "{seat} takes {with} for equal, which lacks something"
            ));
        }
    }

    fn receive(&mut self, number: u64) {
        let now = self.instant();
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        let Some(frame) = side.frames.pop_front() else {
            return;
        };
        match side.control.receive(frame, now) {
            Ok(actions) => side.actions.extend(actions),
            Err(error) => self.oracle.breaks(format!("an honest frame: {error}")),
        }
    }

    /// Answers a stream, if it is about something that is here.
    fn answer(&mut self, number: u64) {
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        let Some(session) = side.opened.pop_front() else {
            return;
        };
        let (who, with) = (side.who, side.with);
        let (token, nonce, is_last) = match self.talks.opening(session) {
            Some((Frame::Open { token, nonce }, is_last)) => (token, nonce, is_last),
            Some(_) => {
                self.oracle
                    .breaks("a session begins without being opened".into());
                return;
            }
            // It ended before it was looked at.
            None => return,
        };
        let topic = side.control.topic_of(&token);
        let document = topic.and_then(|topic| self.people[who].find(&topic));
        match document {
            Some(document) => {
                let seat = Seat { who, document };
                self.answer_session(number, session, seat, with, nonce, is_last);
            }
            None => self.refuse_session(session),
        }
    }

    /// A session is at work on a connection; another one of the same document gives way.
    pub(in crate::testing::simulation) fn session_began(
        &mut self,
        number: u64,
        seat: Seat,
        session: u64,
    ) {
        let now = self.instant();
        let topic = self.people[seat.who].keys(seat.document).topic();
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        side.quiet.remove(&topic);
        let replaced = side.sessions.insert(topic, session);
        side.control.began(topic, session, now);
        if let Some(replaced) = replaced {
            self.end(replaced, "another one takes its place");
        }
    }

    fn after_session(&mut self, number: u64) {
        let now = self.instant();
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        let Some(ended) = side.ended.pop_front() else {
            return;
        };
        if side.sessions.get(&ended.topic) == Some(&ended.number) {
            side.sessions.remove(&ended.topic);
        }
        let topic = ended.topic;
        let end = SessionEnd {
            is_in_step: ended.is_in_step,
            is_overtaken: ended.commits.has_changed().unwrap_or(false),
        };
        let after = side.control.ended(topic, ended.number, end, now);
        if after == After::Quiet {
            side.quiet.insert(topic);
            self.count().quiet += 1;
        }
    }

    fn tell_growth(&mut self, number: u64) {
        let now = self.instant();
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        for topic in std::mem::take(&mut side.grown) {
            if side.control.grew(&topic, now) {
                side.quiet.remove(&topic);
            }
        }
    }

    fn tell_joined(&mut self, number: u64) {
        let Some(side) = self.links.sides.get_mut(&number) else {
            return;
        };
        let person = &self.people[side.who];
        let joined = std::mem::take(&mut side.joined);
        let joined: Vec<_> = joined
            .into_iter()
            .map(|document| person.keys(document).clone())
            .collect();
        let random = crate::random::array;
        let actions = side.control.documents_changed(&joined, &[], random);
        side.actions.extend(actions);
    }
}
