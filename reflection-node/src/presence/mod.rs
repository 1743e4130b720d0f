// SPDX-License-Identifier: GPL-3.0-or-later
//! Who is in which document, and what they say about themselves: small, signed, sealed messages
//! that tell nothing to whoever cannot read the document, and that nothing depends on.
//!
//! `room` is the logic without I/O, `message` the bytes, `rooms` all documents that somebody here
//! has entered, `handle` what a program holds. The overlay that carries the messages is in
//! [`crate::gossip`].
//!
//! Two things make somebody count as online in a document: they have it open, which they say
//! themselves, or their device is connected and has proved to know the document, whether it is
//! open there or not.

mod handle;
mod message;
mod room;
mod rooms;

#[cfg(feature = "testing")]
pub(crate) use message::DECODER as PRESENCE_DECODER;

pub use handle::{Person, Presence, PresenceError};
pub use message::PRESENCE_BYTES_MAX;
pub(crate) use message::{MESSAGE_BYTES_MAX, Message, Refusal, Said};
pub use room::TooMuchSaid;
pub(crate) use room::{Change, Now, PARTICIPANTS_MAX, Room};
pub(crate) use rooms::Rooms;
