// SPDX-License-Identifier: GPL-3.0-or-later
//! The talk about one document, in every state.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reflection_fuzz::hand("session", bytes));
