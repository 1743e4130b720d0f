// SPDX-License-Identifier: GPL-3.0-or-later
//! What tests need of the node's inside: a seeded simulator, peers that keep no rules, decoders.
//!
//! Behind the feature `testing`, which no released program has.

// What breaks here is a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

pub mod decoders;
pub mod hostile;
mod indifferent;
mod ledger;
mod random;
mod simulation;
pub mod tape;

pub use indifferent::Indifferent;
pub use ledger::Ledger;
pub use random::Random;
pub(crate) use random::{fill_seeded, simulated_now_us};
pub use simulation::{Failure, Person, Report, Sabotage, simulate};
