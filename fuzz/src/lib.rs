// SPDX-License-Identifier: GPL-3.0-or-later
//! The decoders of all crates, a family of them at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::abort;
use std::sync::{Mutex, Once, PoisonError};

use reflection_node::testing::decoders::{self, Decoder};

/// What the last panic said.
static LAST_WORDS: Mutex<String> = Mutex::new(String::new());

/// Everything that decodes.
pub fn all() -> impl Iterator<Item = Decoder> {
    let documents = reflection_doc::engine::testing::ALL;
    decoders::ALL.into_iter().chain(documents)
}

/// Hands bytes to all decoders of a family. A panic that they do not catch themselves ends the
/// process; the CRDT gives up on forged bytes with one, which is caught where it is let at them.
pub fn hand(family: &str, bytes: &[u8]) {
    static QUIET: Once = Once::new();
    // In place of the fuzzer's own, which ends the process at a panic that is caught, too.
    QUIET.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
        }));
    });
    for decoder in all().filter(|decoder| decoder.family == family) {
        if catch_unwind(AssertUnwindSafe(|| (decoder.decode)(bytes))).is_err() {
            let words = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!("{}: {words}", decoder.name);
            abort();
        }
    }
}
