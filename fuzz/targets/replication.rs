// SPDX-License-Identifier: GPL-3.0-or-later
//! Frames about assignments.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reflection_fuzz::hand("replication", bytes));
