// SPDX-License-Identifier: GPL-3.0-or-later
//! Some thousand schedules of several installations whose network, disks and processes fail.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reflection_node::testing::{Failure, Ledger, Report, Sabotage, simulate};

/// Schedules of `make test`.
const SCHEDULES: u64 = 2_000;
/// The first of their seeds.
const FIRST_SEED: u64 = 1;
/// Schedules in which a planted mistake has to be noticed.
const SCHEDULES_OF_MISTAKES: u64 = 200;
/// Seeds that once failed; they are always run.
const KEPT: &str = include_str!("seeds/simulator.txt");

fn run(seed: u64) -> Result<[u8; 32], Failure> {
    simulate(seed, Ledger::default, None).map(|report| report.trace)
}

/// The seeds that are kept, one a line, with what they found behind `#`.
fn kept() -> impl Iterator<Item = u64> {
    KEPT.lines()
        .filter_map(|line| line.split('#').next()?.trim().parse().ok())
}

#[test]
fn all_come_to_hold_the_same_whatever_fails() {
    let seconds = std::env::var("REFLECTION_SOAK_SECONDS").ok();
    let soak: Option<u64> = seconds.and_then(|text| text.parse().ok());
    // A soak is to see other schedules each time; it begins where no other one has been.
    let first = soak.map_or(FIRST_SEED, |_| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        since.as_secs() << 20
    });
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let kept: Vec<u64> = kept().collect();
    let play = || {
        let mut totals = Totals::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let is_over = match soak {
                Some(seconds) => started.elapsed() >= Duration::from_secs(seconds),
                None => number >= SCHEDULES + kept.len() as u64,
            };
            if is_over {
                return totals;
            }
            let index = usize::try_from(number).unwrap();
            let seed = kept.get(index).copied().unwrap_or(first + number);
            match simulate(seed, Ledger::default, None) {
                Ok(report) => totals.add(&report),
                Err(failure) => {
                    panic!("{failure}\nThe seed is to be kept in tests/seeds/simulator.txt.")
                }
            }
        }
    };
    let totals = thread::scope(|scope| {
        let other = scope.spawn(play);
        let mut totals = play();
        totals.join(&other.join().unwrap());
        totals
    });
    println!("{totals:?} in {:.1} s", started.elapsed().as_secs_f64());
    assert!(totals.operations > totals.schedules && totals.crashes > totals.schedules);
}

/// What all schedules did together.
#[derive(Debug, Default)]
struct Totals {
    schedules: u64,
    steps: u64,
    operations: u64,
    connections: u64,
    sessions: u64,
    crashes: u64,
    failed_writes: u64,
    quiet: u64,
    compactions: u64,
    restored: u64,
    mended: u64,
}

impl Totals {
    fn add(&mut self, report: &Report) {
        self.join(&Self {
            schedules: 1,
            steps: report.steps,
            operations: report.operations as u64,
            connections: report.connections,
            sessions: report.sessions,
            crashes: report.crashes,
            failed_writes: report.failed_writes,
            quiet: report.quiet,
            compactions: report.compactions,
            restored: report.restored,
            mended: report.mended,
        });
    }

    fn join(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.operations += other.operations;
        self.connections += other.connections;
        self.sessions += other.sessions;
        self.crashes += other.crashes;
        self.failed_writes += other.failed_writes;
        self.quiet += other.quiet;
        self.compactions += other.compactions;
        self.restored += other.restored;
        self.mended += other.mended;
    }
}

#[test]
fn a_seed_leads_to_the_same_run_again() {
    for seed in 0..20 {
        assert_eq!(run(seed).unwrap(), run(seed).unwrap(), "seed {seed}");
    }
    assert_ne!(run(0).unwrap(), run(1).unwrap());
}

/// Each of these would be a real mistake of the node; the simulator notices every one.
#[test]
fn planted_mistakes_are_noticed() {
    for mistake in [
        Sabotage::BelieveMarks,
        Sabotage::SkipNews,
        Sabotage::LeaveDocumentOut,
        Sabotage::LoseMatch,
        Sabotage::DropHeads,
        Sabotage::SkipAcknowledgement,
        Sabotage::AcknowledgeEarly,
        Sabotage::AcknowledgeUnsynced,
        Sabotage::SkipCommit,
        Sabotage::ProcessTwice,
        Sabotage::CompactIncompletely,
        Sabotage::CompactLate,
        Sabotage::SkipMending,
        Sabotage::LoseBranch,
    ] {
        let noticed = (0..SCHEDULES_OF_MISTAKES)
            .find_map(|seed| simulate(seed, Ledger::default, Some(mistake)).err());
        let noticed = noticed.unwrap_or_else(|| panic!("{mistake:?} went unnoticed"));
        run(noticed.seed).unwrap();
        println!("{mistake:?}: {noticed}");
    }
}
