// SPDX-License-Identifier: GPL-3.0-or-later
//! The talk of a connection about common documents.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reflection_fuzz::hand("matching", bytes));
