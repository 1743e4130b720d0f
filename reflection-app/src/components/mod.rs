// SPDX-License-Identifier: GPL-3.0-or-later
//! What several screens use.

pub mod file_chooser;
