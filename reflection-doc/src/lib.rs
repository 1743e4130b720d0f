// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents of Reflection: the text engine, and its `GObject` models for the front end.

#[cfg(feature = "objects")]
pub mod bridge;
pub mod company;
pub mod engine;
pub mod library;
#[cfg(feature = "objects")]
pub mod objects;
pub mod open_document;
pub mod persona;
pub mod presence;
