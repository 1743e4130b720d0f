// SPDX-License-Identifier: GPL-3.0-or-later
//! Who speaks: an author is an Ed25519 key pair, one per installation.
//!
//! Invariants: the public key is also the iroh endpoint id, so that a connection proves who is at
//! its other end; the secret half is wiped from memory when dropped and never formatted.

mod author;
mod key_file;

pub(crate) use author::VerifyingKeys;
pub use author::{AuthorId, AuthorKey, ParseAuthorIdError};
pub use key_file::{KeyFileError, load_key_file, load_or_create_key_file, save_key_file};
