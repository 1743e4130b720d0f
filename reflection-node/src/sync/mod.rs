// SPDX-License-Identifier: GPL-3.0-or-later
//! Synchronising one document with one peer, and finding out which documents two peers share.
//!
//! [`session`], [`exchange`] around it, and [`matching`] are state machines that do no I/O: they are
//! told what happened and answer with what is to be done. [`driver`] is the only part that touches
//! streams and the store.
//!
//! Invariants: nothing is told to a peer before it has proved the document's sync key; nothing is
//! sent that is not committed here; a height told to a peer is a promise that all below it is
//! committed; the end of the stream is an error in every state.

pub(crate) mod driver;
pub(crate) mod exchange;
pub(crate) mod frame;
pub(crate) mod heights;
pub(crate) mod matching;
pub(crate) mod proof;
pub(crate) mod session;
pub(crate) mod stream;
pub(crate) mod summary;

/// How long something is waited for that usually is for so long. Tests wait for less.
pub(crate) fn patience(usual: std::time::Duration) -> std::time::Duration {
    #[cfg(feature = "testing")]
    let usual = crate::testing::hostile::patience(usual);
    usual
}
