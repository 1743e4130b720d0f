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

/// Passes some time that differs from run to run by more than its count, which is welcome here:
/// the moment of death is to fall anywhere.
fn spin(turns: u32) {
    for turn in 0..turns {
        std::hint::black_box(turn);
    }
}
