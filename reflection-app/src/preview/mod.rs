// SPDX-License-Identifier: GPL-3.0-or-later
//! The text as it is meant: Markdown with its marks carried out.

mod markdown;
mod preview_view;
mod shown;

pub use preview_view::PreviewView;
