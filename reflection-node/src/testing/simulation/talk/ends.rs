// SPDX-License-Identifier: GPL-3.0-or-later
//! How sessions end: out of time, with nothing left to do, with a connection, with a process.

use super::DELAY_MS;
use crate::sync::exchange::Action;
use crate::testing::simulation::Person;
use crate::testing::simulation::links::Ended;
use crate::testing::simulation::world::{Task, World};

impl<P: Person> World<P> {
    pub(in crate::testing::simulation) fn expire(&mut self, number: u64) {
        let Some(end) = self.talks.ends.get(&number) else {
            return;
        };
        if end
            .exchange
            .expire(self.now.saturating_sub(end.started))
            .is_err()
        {
            if self.oracle.is_calm {
                self.oracle.breaks("a session did not get under way".into());
            }
            self.end(number, "it took too long");
            return;
        }
        self.act(number);
    }

    /// One side ends; the other one notices.
    pub(in crate::testing::simulation) fn end(&mut self, number: u64, reason: &'static str) {
        let Some(mut end) = self.talks.ends.remove(&number) else {
            return;
        };
        end.commits.mark_unchanged();
        end.tell_commits(self.sabotage);
        let since = self.now.saturating_sub(end.started);
        let actions = end.exchange.end(since, &reason);
        let is_in_step = end.exchange.is_settled();
        let (seat, with, position) = (end.seat, end.with, end.commits.borrow().position);
        for action in actions {
            if let Action::Confirm(confirmed) = action
                && self.people[seat.who].running.is_some()
            {
                self.confirm(seat, with, confirmed);
            }
        }
        if is_in_step {
            self.is_equal(seat, with, position);
        }
        if self.is_whole(end.side) {
            self.cut(end.remote);
        }
        let ended = Ended {
            topic: self.people[seat.who].keys(seat.document).topic(),
            number,
            is_in_step,
            commits: end.commits,
        };
        self.session_ended(end.side, ended);
    }

    /// All sessions of one side of a connection end.
    pub(in crate::testing::simulation) fn end_all_of(&mut self, side: u64, reason: &'static str) {
        let ends = self.talks.ends.iter();
        let numbers: Vec<u64> = ends
            .filter(|(_, end)| end.side == side)
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.end(number, reason);
        }
    }

    /// A session that has nothing left to do ends, and both know why.
    pub(in crate::testing::simulation) fn hush_some_session(&mut self) {
        let settled: Vec<u64> = self
            .talks
            .ends
            .iter()
            .filter(|(number, end)| {
                self.people[end.seat.who].id < self.people[end.with].id
                    && self.talks.is_settled(**number)
            })
            .map(|(number, _)| *number)
            .collect();
        if !settled.is_empty() {
            let number = settled[self.random.below(settled.len())];
            self.end(number, "there is nothing left to do");
        }
    }

    /// What is under way to one side arrives up to some moment, and some time later it notices.
    pub(super) fn cut(&mut self, number: u64) {
        let cut = self.now + self.delay_ms(DELAY_MS);
        let known = self.talks.cuts.entry(number).or_insert(cut);
        *known = cut.min(*known);
        self.talks.awaited.remove(&number);
        if self.talks.ends.contains_key(&number) {
            let notice = cut + self.delay_ms(DELAY_MS);
            self.at(
                notice,
                Task::Gone {
                    end: number,
                    reason: "the stream is lost",
                },
            );
        }
    }

    pub(in crate::testing::simulation) fn cut_some_session(&mut self) {
        let numbers: Vec<u64> = self.talks.ends.keys().copied().collect();
        if numbers.is_empty() {
            return;
        }
        let number = numbers[self.random.below(numbers.len())];
        let remote = self.talks.ends[&number].remote;
        self.cut(number);
        self.cut(remote);
    }

    /// The process of somebody is gone, and its sessions with it.
    pub(in crate::testing::simulation) fn forget_sessions_of(&mut self, who: usize) {
        self.talks.ends.retain(|_, end| end.seat.who != who);
    }
}
