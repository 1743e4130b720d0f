// SPDX-License-Identifier: GPL-3.0-or-later
//! Small pieces that several wire formats share. docs/format.md gives their layouts.

mod address;
pub(crate) mod framing;

pub(crate) use address::{decode_address, encode_address};
