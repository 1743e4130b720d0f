// SPDX-License-Identifier: GPL-3.0-or-later
//! Noise for everything that decodes: valid bytes, changed in a few places.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;
use std::time::Duration;

use reflection_node::testing::Random;
use reflection_node::testing::decoders::{ALL, feed, feed_seeds};

/// Inputs for each decoder.
const INPUTS: usize = 20_000;
/// The same for those that take whole talks, in which signatures are checked.
const TALKS: usize = 2_000;
const SEED: u64 = 20_261_121;
/// How long one input may keep a decoder busy.
const INPUT_TIME_MAX: Duration = Duration::from_millis(100);
/// What all of them may take of memory.
const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;

fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim()
        .trim_end_matches(" kB")
        .parse::<usize>()
        .unwrap()
        * 1024
}

#[test]
fn noise_is_refused_at_once_and_costs_nothing() {
    let mut random = Random::new(SEED);
    let before = memory();
    for decoder in ALL {
        let is_talk = ["matching", "session"].contains(&decoder.family);
        let inputs = if is_talk { TALKS } else { INPUTS };
        let slowest = feed(&decoder, &mut random, inputs);
        let name = decoder.name;
        println!("{name}: {inputs} inputs, the slowest in {slowest:?}");
        assert!(slowest < INPUT_TIME_MAX, "{name} took {slowest:?}");
    }
    let cost = memory() - before;
    assert!(cost < MEMORY_BYTES_MAX, "decoding cost {} MiB", cost >> 20);
}

/// Everything that a fuzzer begins with, among it what it once found: see build-aux/fuzz.
#[test]
fn what_a_fuzzer_begins_with_does_no_harm() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    for decoder in ALL {
        feed_seeds(&decoder, &seeds);
    }
}
