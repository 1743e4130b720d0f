// SPDX-License-Identifier: GPL-3.0-or-later
//! One document: its header, its text, and what is to be said about both.

mod authorship;
mod document_page;
mod find_bar;
mod menu;
mod outline_popover;
mod printing;
mod remote_cursors;
mod seeking;
mod spelling;
mod state;
mod statistics_dialog;
mod text_buffer;
mod text_view;
mod writing;

pub use document_page::DocumentPage;
#[cfg(test)]
pub use document_page::SHORTCUTS;
#[cfg(test)]
pub use text_buffer::TextBuffer;
#[cfg(test)]
pub use text_view::TextView;
#[cfg(test)]
pub use writing::{REVERSALS, SHORTCUTS as TEXT_SHORTCUTS};
