// SPDX-License-Identifier: GPL-3.0-or-later
//! What a document is called on the screen.

use gettextrs::gettext;

/// The title, or a word for one that has none yet.
pub fn display_title(title: &str) -> String {
    if title.is_empty() {
        gettext("Untitled")
    } else {
        title.to_owned()
    }
}
