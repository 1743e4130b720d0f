// SPDX-License-Identifier: GPL-3.0-or-later
//! The dialog of shortcuts tells of all that there are, and of no others.

use std::collections::BTreeSet;

use gtk::gdk;
use gtk::prelude::*;

use super::application;
use crate::library::{DELETE_KEYS, MENU_KEYS};
use crate::page::{REVERSALS, SHORTCUTS, TEXT_SHORTCUTS};
use crate::shortcuts::groups;

/// One way of writing for each key.
fn name(key: gdk::Key, modifiers: gdk::ModifierType) -> String {
    gtk::accelerator_name(key.to_lower(), modifiers).into()
}

fn parsed(accelerators: &str) -> impl Iterator<Item = String> {
    accelerators.split_whitespace().map(|accelerator| {
        let (key, modifiers) = gtk::accelerator_parse(accelerator).unwrap();
        name(key, modifiers)
    })
}

/// D3: what can be pressed is told.
#[gtk::test]
fn the_dialog_of_shortcuts_tells_of_all_of_them() {
    let application = application();
    let actions = application.list_action_descriptions();
    let mut can_be_pressed: BTreeSet<String> = actions
        .iter()
        .flat_map(|action| application.accels_for_action(action))
        .flat_map(|accelerator| parsed(&accelerator).collect::<Vec<_>>())
        .collect();
    assert!(can_be_pressed.len() > 10, "{can_be_pressed:?}");
    let keys = SHORTCUTS.iter().chain(&TEXT_SHORTCUTS);
    can_be_pressed.extend(keys.map(|(key, modifiers, _)| name(*key, *modifiers)));
    can_be_pressed.extend(REVERSALS.iter().map(|(key, held, _)| name(*key, *held)));
    let keys = MENU_KEYS.iter().chain(&DELETE_KEYS);
    can_be_pressed.extend(keys.map(|(key, modifiers)| name(*key, *modifiers)));

    let mut is_told = BTreeSet::new();
    for shortcut in groups().iter().flat_map(|group| &group.shortcuts) {
        let keys = shortcut.keys.accelerators(application.upcast_ref());
        assert!(!keys.is_empty(), "{} has no key", shortcut.title);
        is_told.extend(keys.iter().flat_map(|key| parsed(key)));
    }
    let untold: Vec<_> = can_be_pressed.difference(&is_told).collect();
    let dead: Vec<_> = is_told.difference(&can_be_pressed).collect();
    assert!(
        untold.is_empty() && dead.is_empty(),
        "not told: {untold:?}; of no use: {dead:?}"
    );
}
