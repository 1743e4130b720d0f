// SPDX-License-Identifier: GPL-3.0-or-later
//! What people do, and what befalls them.

use std::collections::BTreeSet;

use super::Person;
use super::world::{Task, World};
use crate::testing::Random;

/// Things that happen in a schedule.
const DEEDS_MIN: usize = 15;
const DEEDS_MAX: usize = 60;

/// How much is to happen yet, and between whom nothing passes.
pub(super) struct Deeds {
    left: usize,
    /// Weights of what may happen, drawn anew for each schedule so that schedules differ.
    weights: [usize; 15],
    apart: BTreeSet<(usize, usize)>,
}

impl Deeds {
    pub(super) fn new(random: &mut Random, _: usize) -> Self {
        let mut weights = [35, 22, 8, 4, 4, 4, 3, 8, 4, 5, 5, 6, 6, 6, 8];
        // Some schedules know only some kinds of trouble.
        for weight in &mut weights[2..] {
            if random.percent(40) {
                *weight = 0;
            }
        }
        Self {
            left: random.between(DEEDS_MIN, DEEDS_MAX),
            weights,
            apart: BTreeSet::new(),
        }
    }
}

impl<P: Person> World<P> {
    pub(super) fn next_deed(&mut self) {
        if self.deeds.left == 0 {
            return;
        }
        self.deeds.left -= 1;
        self.deed();
        let pause = if self.random.percent(5) { 20_000 } else { 150 };
        self.after_ms(pause, Task::Deed);
    }

    fn deed(&mut self) {
        let total: usize = self.deeds.weights.iter().sum();
        let mut drawn = self.random.below(total);
        let which = self.deeds.weights.iter().position(|&weight| {
            let is_it = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            is_it
        });
        let who = self.random.below(self.people.len());
        let with = self.random.below(self.people.len());
        match which.unwrap_or(0) {
            0 => self.write(who),
            1 => self.connect(who, with),
            2 => self.cut_some_session(),
            3 => self.crash_if_running(who, None),
            4 => {
                let kept = if self.random.percent(50) {
                    0
                } else {
                    self.random.below(101)
                };
                self.crash_if_running(who, Some(kept));
            }
            5 => {
                let steps = self.random.below(6);
                self.people[who].arm(steps);
            }
            6 => {
                self.people[who].stop();
                self.forget_sessions_of(who);
                self.after_ms(3_000, Task::Start { who });
            }
            7 => self.start(who),
            8 => self.part(who, with),
            9 => self.deeds.apart.clear(),
            11 => self.compact(who),
            12 => self.people[who].back_up(),
            13 => self.restore(who),
            14 => self.hush_some_session(),
            _ => {
                let pages = (!self.people[who].is_disk_full).then(|| self.random.below(3));
                let pages = pages.and_then(|pages| u32::try_from(pages).ok());
                self.people[who].set_disk_full(pages);
            }
        }
    }

    pub(super) fn write(&mut self, who: usize) {
        let person = &mut self.people[who];
        if person.running.is_none() || person.keys.access() != crate::access::Access::Write {
            return;
        }
        for _ in 0..self.random.between(1, 4) {
            person.person.write(&mut self.random);
        }
        self.publish(who);
    }

    fn compact(&mut self, who: usize) {
        if self.people[who].keys.access() != crate::access::Access::Write {
            return;
        }
        if let Some(made) = self.people[who].compaction() {
            let run = self.people[who].run;
            self.after_ms(100, Task::Compact { who, run, made });
        }
    }

    fn crash_if_running(&mut self, who: usize, power_cut: Option<usize>) {
        if self.people[who].running.is_some() {
            self.crash(who, power_cut);
        }
    }

    pub(super) fn is_apart(&self, one: usize, other: usize) -> bool {
        self.deeds.apart.contains(&(one.min(other), one.max(other)))
    }

    fn part(&mut self, one: usize, other: usize) {
        self.deeds.apart.insert((one.min(other), one.max(other)));
        self.cut_sessions_between(one, other);
    }

    /// All faults are mended: disks have room, everybody is there, everything can be reached.
    pub(super) fn mend(&mut self) {
        self.deeds.apart.clear();
        for who in 0..self.people.len() {
            self.people[who].disarm();
            if self.people[who].is_disk_full {
                self.people[who].set_disk_full(None);
            }
            self.start(who);
            self.write_through(who);
            if self.people[who].keys.access() == crate::access::Access::Write {
                self.publish(who);
            }
            while self.people[who].apply() {}
            // From here on nothing is lost, whichever form of a log it is in.
            let said = self.people[who].person.said();
            self.oracle.has_to_stay(who, &said);
        }
    }

    /// Connects everybody to everybody, if only through others, and whoever restored a backup to
    /// each by themselves.
    pub(super) fn connect_all(&mut self) {
        for who in 1..self.people.len() {
            let with = self.random.below(who);
            if !self.is_talking(who, with) || self.random.percent(30) {
                self.connect(who, with);
            }
        }
        // The other form of a log is joined by its author alone, from whoever holds it.
        let count = self.people.len();
        let pairs = (0..count).flat_map(|who| (0..count).map(move |with| (who, with)));
        for (who, with) in pairs {
            let is_owed = self.oracle.is_copied(who) && !self.is_talking(who, with);
            if is_owed && who != with {
                self.connect(who, with);
            }
        }
    }
}
