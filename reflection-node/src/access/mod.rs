// SPDX-License-Identifier: GPL-3.0-or-later
//! What a person may do with a document, and the keys that make it so.
//!
//! One secret per document; everything else follows from it by one-way steps, each with its own
//! BLAKE3 context string, so that a weaker right can be handed out without the stronger one:
//!
//! ```text
//! document secret ─┬─> write key (Ed25519) ──> write public key ─┐
//!                  └─> read key ──> sync key ────────────────────┴─> topic id
//!  write code: document secret
//!  read code:  read key + write public key
//!  replica code: sync key + write public key
//! ```
//!
//! Invariants: the topic id commits to the sync key and to the write public key, so a code cannot
//! pair one document's topic with another key; no type here shows key material in `Debug`.

mod cipher;
mod code;
mod keys;

pub use cipher::CipherError;
pub(crate) use cipher::SEAL_BYTES;
pub(crate) use cipher::{
    BodyContext, decrypt_body, decrypt_presence, encrypt_body, encrypt_presence,
};
pub use code::{Code, CodeError, Hint};
pub(crate) use code::{decode_hints, encode_hints};
#[cfg(feature = "testing")]
pub(crate) use code::{payload_of, probe_payload};
pub use keys::{Access, DocumentKeys, DocumentSecret, TopicId};
