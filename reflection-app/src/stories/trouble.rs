// SPDX-License-Identifier: GPL-3.0-or-later
//! What is said where the documents cannot be opened: what is so, and what can be done.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use adw::prelude::*;
use reflection_node::Mode;
use reflection_node::access::Access;

use super::together::{Other, code, join, joined};
use super::{Desk, button, config_of, network, says, seen, until};
use crate::config::Config;

/// More than any database of a few documents has, so that damage is found wherever it is looked.
const DAMAGED_BYTES: usize = 400_000;

fn begin(folder: &Path) -> Desk {
    Desk::begin(Config {
        keeps_key_in_file: true,
        network: network(Mode::Offline),
        ..config_of(folder)
    })
}

/// Overwrites a database from a place on.
fn damage(folder: &Path, from: u64) {
    let path = folder.join("database.sqlite");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    let count = usize::try_from(length.saturating_sub(from)).unwrap();
    assert!(count > 0 && count < DAMAGED_BYTES, "{length} bytes");
    file.write_all_at(&vec![0xA5; count], from).unwrap();
}

/// Issue: damaged documents are said to be damaged, whatever of them is, and what helps; nothing of
/// them is changed.
#[gtk::test]
fn damaged_documents_are_said_to_be_damaged() {
    for from in [0, 4096] {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::open(folder.path());
        desk.document("# Plan\nwords");
        desk.close();
        damage(folder.path(), from);
        let before = fs::read(folder.path().join("database.sqlite")).unwrap();
        let desk = begin(folder.path());
        until("it is said", || {
            says(&desk.window, "The Documents Are Damaged")
        });
        let path = folder.path().display().to_string();
        let words = seen();
        assert!(words.contains(&path), "{words}");
        assert!(words.contains("reflection-cli --data-dir"), "{words}");
        assert!(!words.contains("earlier version") && !words.contains("malformed"));
        assert!(button(&desk.window, "Open Another Folder…").is_some());
        desk.close();
        let after = fs::read(folder.path().join("database.sqlite")).unwrap();
        assert!(before == after, "it is left as it is");
    }
}

/// A7, issue: a file in the place of the folder is said to be that.
#[gtk::test]
fn a_file_in_the_place_of_the_folder_is_told() {
    let parent = tempfile::tempdir().unwrap();
    let place = parent.path().join("documents");
    fs::write(&place, "a file").unwrap();
    let desk = begin(&place);
    let told = format!(
        "Documents are kept in the folder {}, but a file is in its place. Move the file elsewhere, then try again.",
        place.display()
    );
    until("it is said", || says(&desk.window, &told));
    fs::remove_file(&place).unwrap();
    button(&desk.window, "Try Again").unwrap().emit_clicked();
    until("that helps", || desk.window.service().is_some());
    desk.close();
}

/// N7, issue: whoever is offline finds beside that where to change it.
#[gtk::test]
fn offline_has_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# Plan");
    desk.window.open_document(&document);
    desk.editor(&document);
    until("there is a button", || {
        button(&desk.window, "Go Online…").is_some()
    });
    button(&desk.window, "Go Online…").unwrap().emit_clicked();
    until("it leads to the network", || {
        let dialog = desk.window.visible_dialog();
        let dialog = dialog.and_downcast::<adw::PreferencesDialog>();
        dialog.is_some_and(|dialog| dialog.visible_page_name().as_deref() == Some("network"))
    });
    desk.window.visible_dialog().unwrap().force_close();
    desk.close();
}

/// W2, issue: a page without a text says for whom it waits.
#[gtk::test]
fn it_is_said_for_whom_a_page_waits() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let hers = anna.document("# Hers");
    let code = code(&hers, Access::Write);
    anna.leave();
    join(&desk, &code);
    joined(&desk);
    let told = "The text appears here as soon as the device that shared it is connected, or another one that has it. 1 device is known, and Reflection goes on calling it.";
    until("it is said", || says(&desk.window, told));
    desk.close();
}
