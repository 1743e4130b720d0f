// SPDX-License-Identifier: GPL-3.0-or-later
//! Noise that is close to what decoders accept.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Decoder;
use crate::testing::Random;

/// Bytes at which decoders go wrong more often than at others.
const INTERESTING: [u8; 16] = [
    0x00, 0x01, 0x18, 0x1B, 0x3F, 0x40, 0x5B, 0x5F, 0x7F, 0x80, 0x9B, 0x9F, 0xBF, 0xF6, 0xFB, 0xFF,
];

/// How often an input is tried that takes suspiciously long, and how long that is.
const ATTEMPTS: usize = 10;
const SUSPICIOUS: Duration = Duration::from_millis(20);

/// A sample with a few places changed.
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

/// Hands a decoder its samples and so many mutations of them; panics at the first that it does not
/// survive. Gives the time that the slowest took.
pub fn feed(decoder: &Decoder, random: &mut Random, inputs: usize) -> Duration {
    let samples = (decoder.samples)();
    let mut slowest = Duration::ZERO;
    for number in 0..inputs {
        let sample = &samples[number % samples.len()];
        let input = if number < samples.len() {
            sample.clone()
        } else {
            mutate(random, sample)
        };
        let mut took = Duration::MAX;
        // A machine that stands still slows one attempt down, a bad input all of them.
        for _ in 0..ATTEMPTS {
            let started = Instant::now();
            let outcome = catch_unwind(|| (decoder.decode)(&input));
            took = took.min(started.elapsed());
            assert!(outcome.is_ok(), "{}: a panic at {input:02x?}", decoder.name);
            if took < SUSPICIOUS {
                break;
            }
        }
        slowest = slowest.max(took);
    }
    slowest
}

/// Hands a decoder everything that a fuzzer begins with, among it what it once found: all files in
/// the folder of its family. With `REFLECTION_WRITE_SEEDS` in the environment its samples are
/// written there first.
pub fn feed_seeds(decoder: &Decoder, folders: &Path) {
    let folder = folders.join(decoder.family);
    if std::env::var_os("REFLECTION_WRITE_SEEDS").is_some() {
        fs::create_dir_all(&folder).expect("a folder");
        for (number, sample) in (decoder.samples)().iter().enumerate() {
            let name = format!("{}-{number}", decoder.name.replace(' ', "-"));
            fs::write(folder.join(name), sample).expect("a seed");
        }
    }
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).expect("the seeds of the family") {
        let path = entry.expect("a seed").path();
        (decoder.decode)(&fs::read(path).expect("a seed"));
        inputs += 1;
    }
    assert!(inputs > 0, "{} has no seeds", decoder.name);
}
