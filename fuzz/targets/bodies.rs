// SPDX-License-Identifier: GPL-3.0-or-later
//! Contents of operations: updates and compactions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reflection_fuzz::hand("bodies", bytes));
