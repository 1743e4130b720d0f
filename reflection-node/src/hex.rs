// SPDX-License-Identifier: GPL-3.0-or-later
//! Lower-case hexadecimal, by the `data-encoding` crate.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

pub(crate) fn encode(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Exactly `N` bytes from 2 × `N` digits of either case.
pub(crate) fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    HEXLOWER_PERMISSIVE
        .decode_mut(text.as_bytes(), &mut bytes)
        .ok()?;
    Some(bytes)
}
