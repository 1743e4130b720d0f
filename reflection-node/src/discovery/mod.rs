// SPDX-License-Identifier: GPL-3.0-or-later
//! Finding peers that nobody named.

pub(crate) mod mdns;
