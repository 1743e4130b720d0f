// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking for files and folders. Whoever closes the dialog chooses none, which is no error.
//!
//! All questions go through here, so that a test can say beforehand what is chosen: the dialog
//! belongs to the desktop, and there is none before a screen that nobody sees.

use gtk::gio;
use gtk::prelude::*;

/// Asks for a file that is there.
pub async fn open(
    dialog: &gtk::FileDialog,
    parent: Option<&impl IsA<gtk::Window>>,
) -> Option<gio::File> {
    #[cfg(test)]
    if let Some(chosen) = answers::next() {
        return chosen.into_iter().next();
    }
    dialog.open_future(parent).await.ok()
}

/// Asks for some files that are there.
pub async fn open_several(
    dialog: &gtk::FileDialog,
    parent: Option<&impl IsA<gtk::Window>>,
) -> Vec<gio::File> {
    #[cfg(test)]
    if let Some(chosen) = answers::next() {
        return chosen;
    }
    let chosen = dialog.open_multiple_future(parent).await;
    chosen.map_or_else(
        |_| Vec::new(),
        |files| files.iter().filter_map(Result::ok).collect(),
    )
}

/// Asks where a file is to be.
pub async fn save(
    dialog: &gtk::FileDialog,
    parent: Option<&impl IsA<gtk::Window>>,
) -> Option<gio::File> {
    #[cfg(test)]
    if let Some(chosen) = answers::next() {
        return chosen.into_iter().next();
    }
    dialog.save_future(parent).await.ok()
}

/// Asks for a folder.
pub async fn folder(
    dialog: &gtk::FileDialog,
    parent: Option<&impl IsA<gtk::Window>>,
) -> Option<gio::File> {
    #[cfg(test)]
    if let Some(chosen) = answers::next() {
        return chosen.into_iter().next();
    }
    dialog.select_folder_future(parent).await.ok()
}

/// What a test says beforehand.
#[cfg(test)]
pub mod answers {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::path::Path;

    use gtk::gio;

    thread_local! {
        static ANSWERS: RefCell<VecDeque<Vec<gio::File>>> = RefCell::default();
    }

    /// The next question is answered with these files.
    pub fn will_be(paths: &[&Path]) {
        let files = paths.iter().map(gio::File::for_path).collect();
        ANSWERS.with_borrow_mut(|answers| answers.push_back(files));
    }

    pub(super) fn next() -> Option<Vec<gio::File>> {
        ANSWERS.with_borrow_mut(VecDeque::pop_front)
    }
}
