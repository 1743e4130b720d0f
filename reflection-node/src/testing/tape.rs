// SPDX-License-Identifier: GPL-3.0-or-later
//! A record of all that nodes of this process hear from others, as it came out of the connection.

use std::sync::{Mutex, PoisonError};

/// Nothing is kept before somebody asks for it.
static TAPE: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Begins to record, from nothing.
pub fn record() {
    *lock() = Some(Vec::new());
}

/// What was heard since.
pub fn heard_so_far() -> Vec<u8> {
    lock().clone().unwrap_or_default()
}

/// Takes down what a node heard: one frame or message.
pub(crate) fn heard(bytes: &[u8]) {
    if let Some(tape) = lock().as_mut() {
        tape.extend_from_slice(bytes);
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Vec<u8>>> {
    TAPE.lock().unwrap_or_else(PoisonError::into_inner)
}
