// SPDX-License-Identifier: GPL-3.0-or-later
//! Frames between peers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reflection_fuzz::hand("frames", bytes));
