// SPDX-License-Identifier: GPL-3.0-or-later
//! Codes and tickets, before and behind their checksums.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reflection_fuzz::hand("codes", bytes));
