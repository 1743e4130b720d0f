// SPDX-License-Identifier: GPL-3.0-or-later
//! Finding peers that nobody named: on the local network, and through nodes that introduce those
//! who share a document.

pub(crate) mod bootstrap;
pub(crate) mod mdns;
mod rendezvous;
mod rendezvous_frame;

#[cfg(test)]
pub(crate) use rendezvous::token as rendezvous_token;
#[cfg(feature = "testing")]
pub(crate) use rendezvous_frame::DECODER as RENDEZVOUS_DECODER;
