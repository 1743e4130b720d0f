// SPDX-License-Identifier: GPL-3.0-or-later
//! A crash at any moment: what was told to be durable is there, and nothing that never was.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use common::{Person, states, trace};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Crashes, each in a folder of its own.
const CRASHES: u64 = 50;
/// The seed of the moments at which they happen.
const SEED: u64 = 20_261_121;
/// Edits a second: some hundred operations in the seconds that a run has.
const RATE: &str = "3000";

#[test]
fn a_killed_writer_keeps_all_that_was_acknowledged() {
    let states = states("sveltecomponent.json.gz");
    let mut random = StdRng::seed_from_u64(SEED);
    for crash in 0..CRASHES {
        let alice = Person::new();
        alice.stdout(&["new"]);
        let file = trace("sveltecomponent.json.gz");
        let arguments = [
            "play",
            "@last",
            file.to_str().unwrap(),
            "--ack",
            "--rate",
            RATE,
        ];
        let mut player = alice
            .command(&arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Dies when it has told of so many acknowledgements, which is while the next are made.
        let lines_before_death = random.random_range(0..12);
        let mut acked = 0;
        let mut lines = BufReader::new(player.stdout.take().unwrap()).lines();
        for _ in 0..lines_before_death {
            let Some(Ok(line)) = lines.next() else { break };
            acked = line.strip_prefix("acked ").unwrap().parse().unwrap();
        }
        spin(random.random_range(0..3_000_000));
        player.kill().unwrap();
        player.wait().unwrap();
        // What it still managed to say counts too.
        for line in lines.map_while(Result::ok) {
            if let Some(Ok(number)) = line.strip_prefix("acked ").map(str::parse) {
                acked = number;
            }
        }
        let text = alice.cat();
        let passed = states.get(&text);
        assert!(
            passed.is_some(),
            "crash {crash}: the text is no state of the trace"
        );
        assert!(
            passed >= Some(&acked),
            "crash {crash}: {acked} edits were acknowledged, {passed:?} are there"
        );
        // The log goes on from there.
        alice.stdout(&["edit", "@last", "--at", "0", "--insert", "x"]);
        assert_eq!(alice.cat(), format!("x{text}"));
    }
}

/// Compactions that are killed.
const KILLED_COMPACTIONS: u64 = 5;

/// The same folder for another person, as far as the files go.
fn copy(person: &Person) -> Person {
    let other = Person::new();
    std::fs::create_dir_all(other.data()).unwrap();
    for entry in std::fs::read_dir(person.data()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), other.data().join(entry.file_name())).unwrap();
        }
    }
    other
}

#[test]
fn a_killed_compaction_leaves_the_log_as_it_was_or_compacted() {
    let alice = Person::new();
    alice.stdout(&["new"]);
    let file = trace("sveltecomponent.json.gz");
    alice.stdout(&["play", "@last", file.to_str().unwrap(), "--rate", "6000"]);
    let text = alice.cat();
    let operations = |person: &Person| person.json(&["check"])[0]["operations"].as_u64().unwrap();
    let before = operations(&alice);
    assert!(before > 10, "{before}");

    let mut random = StdRng::seed_from_u64(SEED);
    let mut killed = 0;
    for crash in 0..KILLED_COMPACTIONS {
        let person = copy(&alice);
        let mut compaction = person
            .command(&["compact", "@last"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        spin(random.random_range(0..20_000_000));
        killed += usize::from(compaction.try_wait().unwrap().is_none());
        compaction.kill().unwrap();
        compaction.wait().unwrap();
        assert!(person.cat() == text, "crash {crash}: another text");
        let left = operations(&person);
        assert!(
            left == before || left == 1,
            "crash {crash}: {left} of {before}"
        );
        let findings = person.json(&["check"]).len();
        assert_eq!(findings, 1, "crash {crash}: what is stored is not sound");
        // Whatever it came to, it can be done, and the log goes on.
        person.stdout(&["compact", "@last"]);
        assert_eq!(operations(&person), 1);
        person.stdout(&["edit", "@last", "--at", "0", "--insert", "x"]);
        assert!(person.cat() == format!("x{text}"), "crash {crash}");
    }
    assert!(killed > 0, "all had ended before they were killed");
}

/// Passes some time that differs from run to run by more than its count, which is welcome here:
/// the moment of death is to fall anywhere.
fn spin(turns: u32) {
    for turn in 0..turns {
        std::hint::black_box(turn);
    }
}
