// SPDX-License-Identifier: GPL-3.0-or-later
//! How sessions end: out of time, with nothing left to do, with a connection, with a process.

use super::{DELAY_MS, NOTICE_MS};
use crate::sync::exchange::Action;
use crate::testing::simulation::Person;
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
        }
    }

    /// One side ends; the other one notices.
    pub(in crate::testing::simulation) fn end(&mut self, number: u64, reason: &'static str) {
        let Some(mut end) = self.talks.ends.remove(&number) else {
            return;
        };
        end.exchange.committed(&end.commits.borrow());
        let is_settled = end.exchange.is_settled();
        let since = self.now.saturating_sub(end.started);
        let actions = end.exchange.end(since, &reason);
        let (who, with, remote) = (end.who, end.with, end.remote);
        for action in actions {
            if let Action::Confirm(confirmed) = action
                && self.people[who].running.is_some()
            {
                self.confirm(who, with, confirmed);
            }
        }
        self.cut(remote);
        if self.talks.hushed.remove(&number) {
            self.hushed(who, with, is_settled);
        }
    }

    /// A session that has nothing left to do ends, and both know why.
    pub(in crate::testing::simulation) fn hush_some_session(&mut self) {
        let settled: Vec<(u64, u64)> = self
            .talks
            .ends
            .iter()
            .filter(|(number, end)| {
                end.who == self.in_order(end.who, end.with).0
                    && end.exchange.is_settled()
                    && self.talks.ends.contains_key(&end.remote)
                    && !self.talks.cuts.contains_key(*number)
            })
            .map(|(number, end)| (*number, end.remote))
            .collect();
        if settled.is_empty() {
            return;
        }
        let (number, remote) = settled[self.random.below(settled.len())];
        self.talks.hushed.extend([number, remote]);
        self.end(number, "there is nothing left to do");
    }

    /// What is under way to one side arrives up to some moment, and some time later it notices.
    fn cut(&mut self, number: u64) {
        let cut = self.now + self.delay_ms(DELAY_MS);
        let known = self.talks.cuts.entry(number).or_insert(cut);
        *known = cut.min(*known);
        self.talks.awaited.remove(&number);
        if self.talks.ends.contains_key(&number) {
            let notice = cut + self.delay_ms(NOTICE_MS);
            self.at(
                notice,
                Task::Gone {
                    end: number,
                    reason: "the connection is lost",
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

    pub(in crate::testing::simulation) fn cut_sessions_between(
        &mut self,
        one: usize,
        other: usize,
    ) {
        let pair = self.in_order(one, other);
        self.forget_quiet(|first, second| (first, second) == pair);
        let ends = self.talks.ends.iter();
        let numbers: Vec<u64> = ends
            .filter(|(_, end)| {
                (end.who, end.with) == (one, other) || (end.who, end.with) == (other, one)
            })
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.cut(number);
        }
    }

    /// The process of somebody is gone, and its sessions with it.
    pub(in crate::testing::simulation) fn forget_sessions_of(&mut self, who: usize) {
        self.forget_quiet(|one, other| one == who || other == who);
        let ends = self.talks.ends.iter();
        let gone: Vec<(u64, u64)> = ends
            .filter(|(_, end)| end.who == who)
            .map(|(number, end)| (*number, end.remote))
            .collect();
        for (number, remote) in gone {
            self.talks.ends.remove(&number);
            self.cut(remote);
        }
    }
}
