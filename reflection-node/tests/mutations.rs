// SPDX-License-Identifier: GPL-3.0-or-later
//! Noise for everything that decodes: valid bytes, changed in a few places.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use reflection_node::testing::Random;
use reflection_node::testing::decoders::{ALL, Decoder};

/// Inputs for each decoder.
const INPUTS: usize = 20_000;
const SEED: u64 = 20_261_121;
/// How long one input may keep a decoder busy.
const INPUT_TIME_MAX: Duration = Duration::from_millis(100);
/// What all of them may take of memory.
const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes at which decoders go wrong more often than at others.
const INTERESTING: [u8; 16] = [
    0x00, 0x01, 0x18, 0x1B, 0x3F, 0x40, 0x5B, 0x5F, 0x7F, 0x80, 0x9B, 0x9F, 0xBF, 0xF6, 0xFB, 0xFF,
];

fn mutate(random: &mut Random, sample: &[u8]) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for _ in 0..random.between(1, 4) {
        let at = random.below(bytes.len().max(1));
        match random.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = INTERESTING[random.below(INTERESTING.len())],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, INTERESTING[random.below(INTERESTING.len())]),
            4 if !bytes.is_empty() => drop(bytes.remove(at)),
            5 => {
                let part = bytes[at..].to_vec();
                bytes.extend(part);
            }
            _ => {
                let mut noise = vec![0; random.below(16)];
                random.fill(&mut noise);
                bytes.splice(at..at, noise);
            }
        }
    }
    bytes
}

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

fn feed(decoder: Decoder, random: &mut Random) {
    let samples = (decoder.samples)();
    let mut slowest = Duration::ZERO;
    for number in 0..INPUTS {
        let sample = &samples[number % samples.len()];
        let input = if number < samples.len() {
            sample.clone()
        } else {
            mutate(random, sample)
        };
        let started = Instant::now();
        let outcome = catch_unwind(|| (decoder.decode)(&input));
        slowest = slowest.max(started.elapsed());
        assert!(outcome.is_ok(), "{}: a panic at {input:02x?}", decoder.name);
    }
    println!(
        "{}: {INPUTS} inputs, the slowest in {slowest:?}",
        decoder.name
    );
    assert!(
        slowest < INPUT_TIME_MAX,
        "{} took {slowest:?}",
        decoder.name
    );
}

#[test]
fn noise_is_refused_at_once_and_costs_nothing() {
    let mut random = Random::new(SEED);
    let before = memory();
    for decoder in ALL {
        feed(decoder, &mut random);
    }
    let cost = memory() - before;
    assert!(cost < MEMORY_BYTES_MAX, "decoding cost {} MiB", cost >> 20);
}
