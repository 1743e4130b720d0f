// SPDX-License-Identifier: GPL-3.0-or-later
//! What people do, and what befalls them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Person;
use super::installation::Seat;
use super::world::{DOCUMENTS_MAX, Task, World};
use crate::access::Access;
use crate::testing::Random;

/// Things that happen in a schedule.
const DEEDS_MIN: usize = 15;
const DEEDS_MAX: usize = 60;

/// How much is to happen yet, and between whom nothing passes.
pub(super) struct Deeds {
    left: usize,
    /// When the last one was done.
    last: Duration,
    /// Weights of what may happen, drawn anew for each schedule so that schedules differ.
    weights: [usize; 16],
    apart: BTreeSet<(usize, usize)>,
}

impl Deeds {
    pub(super) fn new(random: &mut Random) -> Self {
        let mut weights = [35, 22, 8, 4, 4, 4, 3, 8, 4, 5, 5, 6, 6, 6, 8, 8];
        // Some schedules know only some kinds of trouble.
        for weight in &mut weights[2..] {
            if random.percent(40) {
                *weight = 0;
            }
        }
        Self {
            left: random.between(DEEDS_MIN, DEEDS_MAX),
            last: Duration::ZERO,
            weights,
            apart: BTreeSet::new(),
        }
    }
}

impl Deeds {
    /// When the last one was done, if nothing is to happen any more.
    pub(super) fn over(&self) -> Option<Duration> {
        (self.left == 0).then_some(self.last)
    }
}

impl<P: Person> World<P> {
    pub(super) fn next_deed(&mut self) {
        if self.deeds.left == 0 {
            return;
        }
        self.deeds.left -= 1;
        self.deeds.last = self.now;
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
            0 => {
                if let Some(seat) = self.some_seat(who) {
                    self.write(seat);
                }
            }
            1 => self.connect(who, with),
            2 if self.random.percent(50) => self.cut_some_session(),
            2 => self.cut_some_link(),
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
                self.forget_links_of(who);
                self.after_ms(3_000, Task::Start { who });
            }
            7 => self.start(who),
            8 => self.part(who, with),
            9 => self.deeds.apart.clear(),
            11 => {
                if let Some(seat) = self.some_seat(who) {
                    self.compact(seat);
                }
            }
            12 => self.people[who].back_up(),
            13 => self.restore(who),
            14 => self.hush_some_session(),
            15 => self.join_something(who),
            _ => {
                let pages = (!self.people[who].is_disk_full).then(|| self.random.below(3));
                let pages = pages.and_then(|pages| u32::try_from(pages).ok());
                self.people[who].set_disk_full(pages);
            }
        }
    }

    /// Somebody at one of the documents that they have joined.
    fn some_seat(&mut self, who: usize) -> Option<Seat> {
        let seats = self.seats_of(who);
        let drawn = self.random.below(seats.len().max(1));
        seats.get(drawn).copied()
    }

    fn join_something(&mut self, who: usize) {
        let parts = self.people[who].parts.iter();
        let waiting = parts.filter(|(_, part)| !part.is_joined);
        let waiting = waiting.map(|(document, _)| *document).next();
        if let Some(document) = waiting {
            self.join(Seat { who, document });
        }
    }

    fn can_write(&self, seat: Seat) -> bool {
        self.people[seat.who].keys(seat.document).access() == Access::Write
    }

    pub(super) fn write(&mut self, seat: Seat) {
        let can_write = self.can_write(seat);
        let person = &mut self.people[seat.who];
        if person.running.is_none() || !can_write {
            return;
        }
        if let Some(part) = person.parts.get_mut(&seat.document) {
            for _ in 0..self.random.between(1, 4) {
                part.person.write(&mut self.random);
            }
        }
        self.publish(seat);
    }

    fn compact(&mut self, seat: Seat) {
        if !self.can_write(seat) {
            return;
        }
        if let Some(made) = self.people[seat.who].compaction(seat.document) {
            let run = self.people[seat.who].run;
            self.after_ms(100, Task::Compact { seat, run, made });
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
        self.cut_links_between(one, other);
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
            for seat in self.seats_of(who) {
                if self.can_write(seat) {
                    self.publish(seat);
                }
                while self.people[who].apply(seat.document) {}
                // From here on nothing is lost, whichever form of a log it is in.
                let said = self.people[who].said(seat.document);
                self.oracle.has_to_stay(seat, &said);
            }
        }
    }

    /// Connects everybody to everybody with whom they have a document in common, if only through
    /// others, and whoever restored a backup to each by themselves.
    pub(super) fn connect_all(&mut self) {
        let mut pairs = BTreeSet::new();
        for document in 0..DOCUMENTS_MAX {
            let everybody = 0..self.people.len();
            let there: Vec<usize> = everybody
                .filter(|who| self.people[*who].has_joined(document))
                .collect();
            for (place, who) in there.iter().enumerate().skip(1) {
                let with = there[self.random.below(place)];
                if !self.is_talking(*who, with) || self.random.percent(30) {
                    pairs.insert((*who, with));
                }
            }
            // The other form of a log is joined by its author alone, from whoever holds it.
            for who in there.iter().filter(|who| self.oracle.is_copied(**who)) {
                for with in there.iter().filter(|with| *with != who) {
                    if !self.is_talking(*who, *with) {
                        pairs.insert((*who.max(with), *who.min(with)));
                    }
                }
            }
        }
        for (who, with) in pairs {
            self.connect(who, with);
        }
    }
}
