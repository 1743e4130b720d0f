// SPDX-License-Identifier: GPL-3.0-or-later
//! Choosing the file with the backup of a key.

use gettextrs::gettext;
use gtk::gio;
use gtk::prelude::*;
use reflection_node::identity::{AuthorKey, load_key_file};

use crate::components::file_chooser;

/// Asks for a backup and reads it: `None` where none was chosen, an error where it is none.
pub async fn choose_key(parent: Option<&gtk::Window>) -> Option<Result<AuthorKey, NotAKey>> {
    let dialog = gtk::FileDialog::builder()
        .title(gettext("Choose the Backup of a Key"))
        .accept_label(gettext("_Use"))
        .build();
    let path = file_chooser::open(&dialog, parent).await?.path();
    let Some(path) = path else {
        return Some(Err(NotAKey));
    };
    let loaded = gio::spawn_blocking(move || load_key_file(&path)).await;
    Some(match loaded {
        Ok(Ok(Some(key))) => Ok(key),
        _ => Err(NotAKey),
    })
}

/// The file is not the backup of a key, or cannot be read.
#[derive(Clone, Copy, Debug)]
pub struct NotAKey;
