// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents from files and documents as files.

mod export;
mod html;
mod import;
mod name;

pub use export::{ExportError, Exported, Format};
pub use html::html;
pub use import::{FILE_BYTES_MAX, ImportError, decode, read, read_file};
pub use name::file_name;
