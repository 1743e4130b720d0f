// SPDX-License-Identifier: GPL-3.0-or-later
//! What several screens use.

pub mod banner;
pub mod file_chooser;
pub mod fitting;
mod opening_view;

pub use opening_view::OpeningView;
