// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking for files and folders. Whoever closes the dialog chooses none, which is no error.
//!
//! All questions go through here, so that a test can say beforehand what is chosen: the dialog
//! belongs to the desktop, and there is none before a screen that nobody sees.

use gtk::prelude::*;
use gtk::{gio, glib};

/// Asks for a file that is there.
pub async fn open(
    dialog: &gtk::FileDialog,
    parent: Option<&impl IsA<gtk::Window>>,
) -> Option<gio::File> {
    one(dialog.open_future(parent)).await
}

/// Asks for some files that are there.
pub async fn open_several(
    dialog: &gtk::FileDialog,
    parent: Option<&impl IsA<gtk::Window>>,
) -> Vec<gio::File> {
    let asking = dialog.open_multiple_future(parent);
    chosen(asking, |files| {
        files.iter().filter_map(Result::ok).collect()
    })
    .await
}

/// Asks where a file is to be.
pub async fn save(
    dialog: &gtk::FileDialog,
    parent: Option<&impl IsA<gtk::Window>>,
) -> Option<gio::File> {
    one(dialog.save_future(parent)).await
}

/// Asks for a folder.
pub async fn folder(
    dialog: &gtk::FileDialog,
    parent: Option<&impl IsA<gtk::Window>>,
) -> Option<gio::File> {
    one(dialog.select_folder_future(parent)).await
}

async fn one(asking: impl Future<Output = Result<gio::File, glib::Error>>) -> Option<gio::File> {
    chosen(asking, |file| vec![file]).await.into_iter().next()
}

/// What is chosen. The dialog appears when it is waited for, and not before.
async fn chosen<T>(
    asking: impl Future<Output = Result<T, glib::Error>>,
    files: impl FnOnce(T) -> Vec<gio::File>,
) -> Vec<gio::File> {
    #[cfg(test)]
    if let Some(answer) = answers::next() {
        return answer;
    }
    asking.await.map(files).unwrap_or_default()
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

    /// The answer to the next question, if one was said.
    pub fn next() -> Option<Vec<gio::File>> {
        ANSWERS.with_borrow_mut(VecDeque::pop_front)
    }
}
