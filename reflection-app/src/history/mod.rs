// SPDX-License-Identifier: GPL-3.0-or-later
//! What a text was, and who made it so.

mod history_dialog;

pub use history_dialog::HistoryDialog;
