// SPDX-License-Identifier: GPL-3.0-or-later
//! Pairs without a session: who meets tells in a mark what it holds, and a session is opened only
//! where the marks differ, or when something is written. A session with nothing left to do ends.

use std::collections::BTreeSet;

use super::world::{Task, World};
use super::{Person, Sabotage};
use crate::store::operations::Position;
use crate::sync::matching::Matching;
use crate::sync::proof::Salts;
use crate::sync::summary::Mark;

/// How long a mark, or the news that there is news, is under way, milliseconds.
const DELAY_MS: usize = 150;

/// The pairs that hold the same and have no session, the one that opens first.
#[derive(Default)]
pub(super) struct Quiet(BTreeSet<(usize, usize)>);

/// What one says to another on a connection without a session.
pub(super) struct Summary {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The processes between which the connection is.
    runs: (u32, u32),
    salts: Salts,
    mark: Mark,
}

impl<P: Person> World<P> {
    /// Two who can reach each other are connected.
    pub(super) fn connect(&mut self, one: usize, other: usize) {
        if !self.can_talk(one, other) {
            return;
        }
        // An older connection of the two is replaced; each notices in its own time.
        self.cut_sessions_between(one, other);
        let salts = Salts {
            dialer: self.random.array(),
            listener: self.random.array(),
        };
        let (opener, responder) = self.in_order(one, other);
        self.say_mark(responder, opener, salts);
    }

    /// The side that opens sessions, and the other one.
    pub(super) fn in_order(&self, one: usize, other: usize) -> (usize, usize) {
        if self.people[one].id < self.people[other].id {
            (one, other)
        } else {
            (other, one)
        }
    }

    fn matching(&self, who: usize, with: usize, salts: Salts) -> Matching {
        let mut matching = Matching::new(self.people[who].id, self.people[with].id, salts);
        matching.add(std::slice::from_ref(&self.people[who].keys));
        matching
    }

    /// Says what is held here. All of it is on the disk by then, because the peer counts it.
    fn say_mark(&mut self, from: usize, to: usize, salts: Salts) {
        if !self.people[from].write_everything() {
            let pair = self.in_order(from, to);
            self.after_ms(DELAY_MS, Task::Open { pair });
            return;
        }
        let (_, heights) = self.people[from].heights();
        let matching = self.matching(from, to, salts);
        let mark = matching.own_mark(&self.people[from].keys, &heights);
        let runs = (self.people[from].run, self.people[to].run);
        let summary = Summary {
            from,
            to,
            runs,
            salts,
            mark,
        };
        self.after_ms(DELAY_MS, Task::Summary { summary });
    }

    pub(super) fn take_summary(&mut self, summary: &Summary) {
        let Summary { from, to, .. } = *summary;
        let is_there = self.is_running(from, summary.runs.0) && self.is_running(to, summary.runs.1);
        if !is_there || !self.can_talk(from, to) || self.has_session(from, to) {
            return;
        }
        let pair = self.in_order(from, to);
        let is_written = self.people[to].write_everything();
        let (position, heights) = self.people[to].heights();
        let matching = self.matching(to, from, summary.salts);
        let expected = matching.equal_mark(&self.people[to].keys, &heights);
        let is_equal = summary.mark == expected || self.sabotage == Some(Sabotage::BelieveMarks);
        if !is_equal || !is_written {
            self.quiet.0.remove(&pair);
            self.after_ms(DELAY_MS, Task::Open { pair });
            return;
        }
        self.is_quiet_with(to, from, position);
        if self.quiet.0.insert(pair) {
            self.count().quiet += 1;
        }
        if pair.0 == to {
            self.say_mark(to, from, summary.salts);
        }
    }

    /// Somebody counts what is held here as held there too.
    fn is_quiet_with(&mut self, who: usize, with: usize, position: Position) {
        let ours = self.people[who].held(position);
        if !self.oracle.has_held(with, &ours) {
            self.oracle.breaks(format!(
                "{who} takes {with} for equal, which lacks something"
            ));
        }
    }

    /// Somebody committed something: who was equal to it is not any more.
    pub(super) fn news_of(&mut self, who: usize) {
        if self.sabotage == Some(Sabotage::SkipNews) {
            return;
        }
        let pairs = self.quiet.0.iter().copied();
        let pairs: Vec<_> = pairs
            .filter(|(one, other)| *one == who || *other == who)
            .collect();
        for pair in pairs {
            self.quiet.0.remove(&pair);
            self.after_ms(DELAY_MS, Task::Open { pair });
        }
    }

    /// A stream is opened for two who differ, unless they have got one meanwhile.
    pub(super) fn open(&mut self, (opener, responder): (usize, usize)) {
        if self.can_talk(opener, responder) && !self.has_session(opener, responder) {
            self.open_session(opener, responder);
        }
    }

    /// A session ended because there was nothing left to do; whoever finds that there is something
    /// asks for another one.
    pub(super) fn hushed(&mut self, who: usize, with: usize, is_settled: bool) {
        let pair = self.in_order(who, with);
        if self.has_session(who, with) {
            // It is over already that the other one was told.
            return;
        }
        if is_settled {
            let (position, _) = self.people[who].heights();
            self.is_quiet_with(who, with, position);
            self.quiet.0.insert(pair);
            self.count().quiet += 1;
        } else {
            self.quiet.0.remove(&pair);
            self.after_ms(4 * DELAY_MS, Task::Open { pair });
        }
    }

    pub(super) fn is_quiet(&self, one: usize, other: usize) -> bool {
        self.quiet.0.contains(&self.in_order(one, other))
    }

    /// The connection of two is gone.
    pub(super) fn forget_quiet(&mut self, is_gone: impl Fn(usize, usize) -> bool) {
        self.quiet.0.retain(|(one, other)| !is_gone(*one, *other));
    }
}
