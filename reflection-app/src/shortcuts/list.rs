// SPDX-License-Identifier: GPL-3.0-or-later
//! All shortcuts in words.

use gettextrs::pgettext;
use gtk::prelude::*;

/// Where the keys of a shortcut are written down.
pub enum Keys {
    /// Those that the application gives this action.
    Of(&'static str),
    /// Those of a widget.
    These(&'static [&'static str]),
}

impl Keys {
    /// The keys in the notation of GTK.
    pub fn accelerators(&self, application: &gtk::Application) -> Vec<String> {
        match self {
            Self::Of(action) => {
                let keys = application.accels_for_action(action);
                keys.into_iter().map(Into::into).collect()
            }
            Self::These(keys) => keys.iter().map(|key| (*key).to_owned()).collect(),
        }
    }
}

/// Something that can be done by keys.
pub struct Shortcut {
    /// What.
    pub title: String,
    /// By which.
    pub keys: Keys,
}

/// Shortcuts of one place.
pub struct Group {
    /// Which.
    pub title: String,
    /// All of them.
    pub shortcuts: Vec<Shortcut>,
}

/// Everything that can be done by keys and is not known from everywhere else.
pub fn groups() -> Vec<Group> {
    vec![general(), library(), document(), text(), size()]
}

fn group<const N: usize>(title: String, shortcuts: [(String, Keys); N]) -> Group {
    let shortcuts = shortcuts.into_iter();
    Group {
        title,
        shortcuts: shortcuts
            .map(|(title, keys)| Shortcut { title, keys })
            .collect(),
    }
}

fn general() -> Group {
    group(
        pgettext("shortcuts", "General"),
        [
            (
                pgettext("shortcuts", "New document"),
                Keys::Of("win.new-document"),
            ),
            (
                pgettext("shortcuts", "Join a document"),
                Keys::Of("win.join-document"),
            ),
            (
                pgettext("shortcuts", "Search all documents"),
                Keys::Of("win.search"),
            ),
            (
                pgettext("shortcuts", "Import files"),
                Keys::Of("win.import"),
            ),
            (
                pgettext("shortcuts", "Preferences"),
                Keys::Of("win.preferences"),
            ),
            (
                pgettext("shortcuts", "Keyboard shortcuts"),
                Keys::Of("app.shortcuts"),
            ),
            (
                pgettext("shortcuts", "New window"),
                Keys::Of("win.new-window"),
            ),
            (
                pgettext("shortcuts", "Close the window"),
                Keys::Of("window.close"),
            ),
            (pgettext("shortcuts", "Quit"), Keys::Of("app.quit")),
        ],
    )
}

fn library() -> Group {
    group(
        pgettext("shortcuts", "Library"),
        [
            (
                pgettext("shortcuts", "Menu of the document"),
                Keys::These(&["<Shift>F10", "Menu"]),
            ),
            (
                pgettext("shortcuts", "Delete the document"),
                Keys::These(&["Delete"]),
            ),
        ],
    )
}

fn document() -> Group {
    group(
        pgettext("shortcuts", "Document"),
        [
            (
                pgettext("shortcuts", "Share"),
                Keys::These(&["<Control><Shift>s"]),
            ),
            (
                pgettext("shortcuts", "Preview"),
                Keys::These(&["<Control><Shift>p"]),
            ),
            (pgettext("shortcuts", "Print"), Keys::These(&["<Control>p"])),
            (pgettext("shortcuts", "Find"), Keys::These(&["<Control>f"])),
            (
                pgettext("shortcuts", "Find and replace"),
                Keys::These(&["<Control>h"]),
            ),
            (
                pgettext("shortcuts", "Next match"),
                Keys::These(&["<Control>g"]),
            ),
            (
                pgettext("shortcuts", "Previous match"),
                Keys::These(&["<Control><Shift>g"]),
            ),
            (
                pgettext("shortcuts", "Outline"),
                Keys::These(&["<Control><Shift>o"]),
            ),
            (
                pgettext("shortcuts", "History"),
                Keys::These(&["<Control><Shift>y"]),
            ),
        ],
    )
}

fn text() -> Group {
    group(
        pgettext("shortcuts", "Text"),
        [
            (pgettext("shortcuts", "Undo"), Keys::These(&["<Control>z"])),
            (
                pgettext("shortcuts", "Redo"),
                Keys::These(&["<Control><Shift>z", "<Control>y"]),
            ),
            (pgettext("shortcuts", "Bold"), Keys::These(&["<Control>b"])),
            (
                pgettext("shortcuts", "Italic"),
                Keys::These(&["<Control>i"]),
            ),
            (pgettext("shortcuts", "Link"), Keys::These(&["<Control>k"])),
            (
                pgettext("shortcuts", "Tick or untick a task"),
                Keys::These(&["<Control>Return"]),
            ),
        ],
    )
}

fn size() -> Group {
    group(
        pgettext("shortcuts", "Size of the Text"),
        [
            (pgettext("shortcuts", "Larger"), Keys::Of("app.zoom-in")),
            (pgettext("shortcuts", "Smaller"), Keys::Of("app.zoom-out")),
            (
                pgettext("shortcuts", "Usual size"),
                Keys::Of("app.zoom-reset"),
            ),
        ],
    )
}
