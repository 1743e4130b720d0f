// SPDX-License-Identifier: GPL-3.0-or-later
//! Randomness of the operating system, for keys, nonces and salts.

/// Fills `bytes` with random numbers.
///
/// # Panics
/// Where the operating system has no randomness to give: nothing secret can be made then, and
/// going on with guessable keys would be worse than ending.
pub(crate) fn fill(bytes: &mut [u8]) {
    #[cfg(feature = "testing")]
    if crate::testing::fill_seeded(bytes) {
        return;
    }
    #[allow(clippy::expect_used)]
    getrandom::fill(bytes).expect("the operating system gives random numbers");
}

/// An array of random bytes; see [`fill`].
pub(crate) fn array<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}
