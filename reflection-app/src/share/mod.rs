// SPDX-License-Identifier: GPL-3.0-or-later
//! Handing on a document by its code, and taking part in one.

mod code_text;
mod join_dialog;
mod qr_code;
mod share_popover;

pub use join_dialog::JoinDialog;
#[cfg(test)]
pub use qr_code::QrCode;
pub use share_popover::SharePopover;
