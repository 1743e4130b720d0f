// SPDX-License-Identifier: GPL-3.0-or-later
//! What a document may be in.

use crate::engine::EditError;

/// Whether the text is in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "ReflectionDocumentPhase")]
pub enum DocumentPhase {
    /// Not in memory.
    #[default]
    Closed,
    /// On its way from the disk.
    Opening,
    /// In memory.
    Open,
    /// It could not be loaded; [`Trouble`] says why.
    Failed,
}

/// Whether what was typed here is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "ReflectionSaveState")]
pub enum SaveState {
    /// The disk has confirmed everything.
    #[default]
    Saved,
    /// Something is on its way.
    Saving,
    /// The last attempt failed; another one follows by itself.
    Failing,
}

/// What is wrong with a document, for as long as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "ReflectionTrouble")]
pub enum Trouble {
    /// Nothing.
    #[default]
    Nothing,
    /// The disk is full, so nothing can be saved.
    DiskFull,
    /// What was typed cannot be saved.
    NotSaved,
    /// The text could not be read from the disk.
    NotLoaded,
    /// This device keeps the document for others and cannot read it.
    Unreadable,
    /// What others wrote arrives but cannot be shown.
    NotShown,
}

/// Why an edit was not taken. The text is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum EditRefused {
    /// The text is not in memory.
    #[error("the document is not open")]
    NotOpen,
    /// The code that was joined with allows reading alone.
    #[error("the document can only be read here")]
    ReadOnly,
    /// The engine does not take it.
    #[error("the edit does not fit the text: {0}")]
    Engine(#[from] EditError),
}
