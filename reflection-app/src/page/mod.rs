// SPDX-License-Identifier: GPL-3.0-or-later
//! One document: its header, its text, and what is to be said about both.

mod document_page;
mod find_bar;
mod menu;
mod printing;
mod scroll_anchor;
mod spelling;
mod state;
mod text_buffer;
mod text_view;

pub use document_page::DocumentPage;
