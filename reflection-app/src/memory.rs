// SPDX-License-Identifier: GPL-3.0-or-later
//! What starting has used for a moment goes back to the system.

use std::time::Duration;

use gtk::{gio, glib};

/// When everything that starting brings with it is done: the list, the dictionary, heights of lines.
const AFTER_START: Duration = Duration::from_secs(10);

/// Gives back, once, what was allocated and freed since the program was started. The C library keeps
/// it otherwise, a sixth of all that is allocated.
pub fn give_back_after_start() {
    glib::timeout_add_local_once(AFTER_START, || {
        // Elsewhere, as it looks through everything. Nobody waits for it.
        drop(gio::spawn_blocking(give_back));
    });
}

#[cfg(target_env = "gnu")]
#[allow(
    unsafe_code,
    reason = "nothing else calls this function of the C library"
)]
fn give_back() {
    unsafe extern "C" {
        // SAFETY: it may be called at any time and by any thread, and changes nothing that is in use.
        safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    malloc_trim(0);
}

#[cfg(not(target_env = "gnu"))]
fn give_back() {}
