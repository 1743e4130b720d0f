// SPDX-License-Identifier: GPL-3.0-or-later
//! The key of a device: taken along to another one, and what can be done where it has no place.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use adw::prelude::*;
use gtk::glib;
use reflection_node::Mode;

use super::{Desk, application, button, config_of, everything, network, says, until};
use crate::components::file_chooser::answers;
use crate::config::Config;
use crate::preferences::settings;
use crate::window::Window;

fn press(desk: &Desk, words: &str) {
    // A dialog that is on its way out can still be seen.
    let place = || match desk.window.visible_dialog() {
        Some(dialog) => dialog.upcast::<gtk::Widget>(),
        None => desk.window.clone().upcast(),
    };
    until(words, || button(&place(), words).is_some());
    button(&place(), words).unwrap().emit_clicked();
}

fn activate_row(desk: &Desk, title: &str) {
    let row = || {
        everything(&desk.window).into_iter().find_map(|widget| {
            let row = widget.downcast::<adw::ButtonRow>().ok()?;
            (row.title() == title).then_some(row)
        })
    };
    until(title, || row().is_some());
    row().unwrap().emit_by_name::<()>("activated", &[]);
}

/// A10: whoever one was on the old computer, one is on the new one, also after a restart.
#[gtk::test]
fn a_key_moves_to_another_computer() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let files = tempfile::tempdir().unwrap();
    let backup = files.path().join("reflection.key");
    let old = Desk::open(folders[0].path());
    let author = old.service().this_author();
    old.act("win.preferences", None);
    activate_row(&old, "Back Up the Key…");
    answers::will_be(&[&backup]);
    press(&old, "Choose a Place…");
    until("it says so", || {
        says(&old.window, "The key was written to the file")
    });
    let mode = fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may not read it");
    old.close();

    let new = Desk::open(folders[1].path());
    assert_ne!(new.service().this_author(), author);
    let wrong = files.path().join("a picture");
    fs::write(&wrong, "no key").unwrap();
    answers::will_be(&[&wrong]);
    new.act("win.use-identity", None);
    until("it says what is wrong", || {
        says(&new.window, "This file is not the backup of a key")
    });
    answers::will_be(&[&backup]);
    new.act("win.use-identity", None);
    until("it is the same person", || {
        let service = new.window.service();
        service.is_some_and(|service| service.this_author() == author)
    });
    new.document("# Signed by the old key");
    new.close();
    let new = Desk::open(folders[1].path());
    assert_eq!(new.service().this_author(), author);
    assert_eq!(new.service().documents().n_items(), 1);
    new.close();
}

/// The window of somebody whose desktop has no keyring.
fn without_a_keyring(folder: &std::path::Path) -> Desk {
    let desk = Desk::begin(Config {
        network: network(Mode::Offline),
        ..config_of(folder)
    });
    until("it says what is wrong", || {
        says(&desk.window, "No Place for the Key")
    });
    desk
}

/// A7: without a keyring the key goes into a file, after a person has agreed to that.
#[gtk::test]
fn a_key_goes_into_a_file_only_after_a_person_agreed() {
    let folder = tempfile::tempdir().unwrap();
    let desk = without_a_keyring(folder.path());
    press(&desk, "Try Again");
    press(&desk, "Keep the Key in a File…");
    press(&desk, "Cancel");
    until("the question is gone", || {
        desk.window.visible_dialog().is_none()
    });
    assert!(desk.window.service().is_none() && !has_key(folder.path()));
    until("it can be pressed", || {
        button(&desk.window, "Keep the Key in a File…").is_some()
    });
    press(&desk, "Keep the Key in a File…");
    // As often as it takes: the dialog may still be on its way in.
    until("the library is open", || {
        let dialog = desk.window.visible_dialog();
        let keep = dialog.and_then(|dialog| button(&dialog, "Keep in a File"));
        if let Some(keep) = keep {
            keep.emit_clicked();
        }
        desk.window.service().is_some()
    });
    assert!(has_key(folder.path()));
    let author = desk.service().this_author();
    desk.close();
    let desk = Desk::begin(Config {
        network: network(Mode::Offline),
        ..config_of(folder.path())
    });
    until("it opens without a question", || {
        desk.window.service().is_some()
    });
    assert_eq!(desk.service().this_author(), author);
    desk.close();
}

fn has_key(folder: &std::path::Path) -> bool {
    let files = fs::read_dir(folder).unwrap().flatten();
    let mut names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    names.any(|name| name.contains("key"))
}

/// A7: a key for this time only works with documents of its own, and nothing of either remains.
#[gtk::test]
fn a_key_for_this_time_only_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let folders = || -> Vec<_> {
        let entries = fs::read_dir(glib::user_runtime_dir()).unwrap().flatten();
        let paths = entries.map(|entry| entry.path());
        paths.filter(|path| path.join("version").exists()).collect()
    };
    let before = folders();
    settings().set_boolean("is-guided", false).unwrap();
    let desk = without_a_keyring(folder.path());
    press(&desk, "Go On for This Time Only");
    until("the library is open", || desk.window.service().is_some());
    let made: Vec<_> = folders()
        .into_iter()
        .filter(|path| !before.contains(path))
        .collect();
    let [elsewhere] = made.as_slice() else {
        panic!("{made:?}");
    };
    until("it says that nothing is kept", || {
        says(&desk.window, "Nothing is kept when the window is closed")
    });
    let step = "Begin a document, and type. It is kept until the window is closed.";
    assert!(says(&desk.window, step), "nor do the first steps");
    let document = desk.document("# For now");
    desk.window.open_document(&document);
    desk.editor(&document);
    // W8: what it is kept in goes with the last window, not with the first.
    desk.act("win.new-window", None);
    let windows = application().windows().into_iter();
    let mut windows = windows.filter_map(|window| window.downcast::<Window>().ok());
    let other = windows.find(|window| *window != desk.window).unwrap();
    desk.window.close();
    until("the first window is gone", || {
        !application().windows().contains(desk.window.upcast_ref())
    });
    assert!(elsewhere.exists());
    other.open_document(&document);
    let desk = Desk { window: other };
    assert!(desk.editor(&document).is_editable());
    desk.close();
    until("nothing remains", || !elsewhere.exists());
    assert!(!has_key(folder.path()));
    // The documents that are kept here are untouched.
    let desk = without_a_keyring(folder.path());
    desk.close();
}
