// SPDX-License-Identifier: GPL-3.0-or-later
//! What several screens use.

pub mod banner;
pub mod file_chooser;
pub mod fitting;
mod opening_view;
mod scroll_anchor;

pub use opening_view::OpeningView;
pub use scroll_anchor::{Compensation, ScrollAnchor};
