// SPDX-License-Identifier: GPL-3.0-or-later
//! What is under the seal of presence messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reflection_fuzz::hand("presence", bytes));
