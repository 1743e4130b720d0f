// SPDX-License-Identifier: GPL-3.0-or-later
//! Noise for what documents decode: valid bytes, changed in a few places.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::Path;

use reflection_doc::engine::testing::ALL;
use reflection_node::testing::Random;
use reflection_node::testing::decoders::{feed, feed_seeds};

/// Inputs for each decoder.
const INPUTS: usize = 1_000;
const SEED: u64 = 20_261_121;

#[test]
fn noise_is_refused_or_harmless() {
    let mut random = Random::new(SEED);
    for decoder in ALL {
        let slowest = feed(&decoder, &mut random, INPUTS);
        println!("{}: the slowest in {slowest:?}", decoder.name);
    }
}

/// Everything that a fuzzer begins with, among it what it once found: see build-aux/fuzz.
#[test]
fn what_a_fuzzer_begins_with_does_no_harm() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    for decoder in ALL {
        feed_seeds(&decoder, &seeds);
    }
}
