// SPDX-License-Identifier: GPL-3.0-or-later
//! Frames between peers and bootstrap nodes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reflection_fuzz::hand("rendezvous", bytes));
