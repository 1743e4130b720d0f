// SPDX-License-Identifier: GPL-3.0-or-later
//! Peers that keep no rules, on real connections. Each is cut off in five seconds and costs little,
//! and two honest people beside it go on as if nothing were.
//!
//! Time-outs are a fifth of the usual ones here, so that slow peers do not hold up the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod floods;
mod forgeries;
mod scene;
mod slowness;
mod wrong_time;
