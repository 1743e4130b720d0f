// SPDX-License-Identifier: GPL-3.0-or-later
//! Headers and operations.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reflection_fuzz::hand("operations", bytes));
