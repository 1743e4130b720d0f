// SPDX-License-Identifier: GPL-3.0-or-later
//! Randomness that follows from a seed.

use std::cell::{Cell, RefCell};

thread_local! {
    /// What nonces and salts are drawn from on this thread while a simulation runs on it.
    static SEEDED: RefCell<Option<Random>> = const { RefCell::new(None) };
    /// The time on this thread while a simulation runs on it, microseconds since 1970.
    static NOW_US: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Numbers that follow from a seed, the same on every machine.
#[derive(Debug)]
pub struct Random(blake3::OutputReader);

impl Random {
    /// The numbers that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        Self(hasher.finalize_xof())
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    /// An array of random bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number below `end`, which is above 0. Small ends are hit evenly enough.
    pub fn below(&mut self, end: usize) -> usize {
        let number = u64::from_le_bytes(self.array());
        usize::try_from(number % (end as u64)).unwrap_or(0)
    }

    /// A number from `first` to `last`.
    pub fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    /// Whether something happens that happens so many times in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// As long as it lives, nonces and salts on this thread follow from a seed.
pub(super) struct Seeded;

impl Seeded {
    pub(super) fn begin(seed: u64) -> Self {
        SEEDED.with_borrow_mut(|random| *random = Some(Random::new(seed ^ 0x5EED)));
        Self
    }
}

/// Sets the clock of this thread.
pub(super) fn set_simulated_now_us(now_us: u64) {
    NOW_US.set(Some(now_us));
}

/// The time by the clock of this thread; `None` where it has none of its own.
pub(crate) fn simulated_now_us() -> Option<u64> {
    NOW_US.get()
}

impl Drop for Seeded {
    fn drop(&mut self) {
        SEEDED.with_borrow_mut(|random| *random = None);
        NOW_US.set(None);
    }
}

/// Fills `bytes` from the seed of this thread; `false` where there is none.
pub(crate) fn fill_seeded(bytes: &mut [u8]) -> bool {
    SEEDED.with_borrow_mut(|random| match random {
        Some(random) => {
            random.fill(bytes);
            true
        }
        None => false,
    })
}
