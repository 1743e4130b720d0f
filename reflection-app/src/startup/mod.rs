// SPDX-License-Identifier: GPL-3.0-or-later
//! From the command line to an open library: folder, key, database, network.
//!
//! Invariants: each step that fails ends up on the startup page in plain words, and can be tried
//! again; nothing is created over something that could not be read.

mod explanation;
mod identity;
mod keyring;
mod passing_folder;
mod sequence;
mod startup_page;

pub use explanation::Explanation;
pub use identity::choose_key;
pub use sequence::{KeyChoice, StartError, start};
pub use startup_page::StartupPage;
