// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents as GObjects, for a front end to bind to.
//!
//! ```text
//! Service ─> Documents ─> Document ─> Authors ─> Author
//! ```
//!
//! Invariants: everything here lives on the thread of the main context and never blocks it; a
//! front end reads properties and calls methods, and only effects change what it reads; every
//! asynchronous task belongs to the object that started it and ends with it.

// Each object's private half sits in a module of its own and uses what its file uses.
#![allow(clippy::wildcard_imports)]

mod author;
mod authors;
mod document;
mod documents;
mod search_hit;
mod search_results;
mod service;
mod tasks;

pub use author::Author;
pub use authors::Authors;
pub use document::{Document, DocumentPhase, EditRefused, RemotePlace, SaveState, Trouble};
pub use documents::Documents;
pub use search_hit::SearchHit;
pub use search_results::SearchResults;
pub use service::{
    CloseError, Connection, Connections, ExportCounts, FileError, KeptCopy, OpenError, Replica,
    Service, ServiceError, Tidied,
};

#[cfg(test)]
mod tests;
