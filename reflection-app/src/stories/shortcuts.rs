// SPDX-License-Identifier: GPL-3.0-or-later
//! The window of shortcuts tells of all that there are, and of no others.

use std::collections::BTreeSet;

use gtk::prelude::*;
use gtk::{gdk, glib};

use super::application;
use crate::library::{DELETE_KEYS, MENU_KEYS};
use crate::page::{REVERSALS, SHORTCUTS, TEXT_SHORTCUTS};

const OVERLAY: &str = "/app/reflection/Reflection/gtk/help-overlay.ui";
/// Set by GTK for the window of shortcuts itself.
const OVERLAY_KEY: &str = "<Control>question";

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
fn the_window_of_shortcuts_tells_of_all_of_them() {
    let application = application();
    let actions = application.list_action_descriptions();
    let mut can_be_pressed: BTreeSet<String> = actions
        .iter()
        .flat_map(|action| application.accels_for_action(action))
        .flat_map(|accelerator| parsed(&accelerator).collect::<Vec<_>>())
        .collect();
    assert!(can_be_pressed.len() > 10, "{can_be_pressed:?}");
    can_be_pressed.extend(parsed(OVERLAY_KEY));
    let keys = SHORTCUTS.iter().chain(&TEXT_SHORTCUTS);
    can_be_pressed.extend(keys.map(|(key, modifiers, _)| name(*key, *modifiers)));
    can_be_pressed.extend(REVERSALS.iter().map(|(key, held, _)| name(*key, *held)));
    let keys = MENU_KEYS.iter().chain(&DELETE_KEYS);
    can_be_pressed.extend(keys.map(|(key, modifiers)| name(*key, *modifiers)));

    let builder = gtk::Builder::from_resource(OVERLAY);
    let mut is_told = BTreeSet::new();
    for object in builder.objects() {
        if object.find_property("accelerator").is_none() {
            continue;
        }
        let of = |property| object.property::<Option<glib::GString>>(property);
        is_told.extend(of("accelerator").iter().flat_map(|keys| parsed(keys)));
        match of("action-name").as_deref() {
            Some("win.show-help-overlay") => is_told.extend(parsed(OVERLAY_KEY)),
            Some(action) => {
                let keys = application.accels_for_action(action);
                assert!(!keys.is_empty(), "{action} has no key");
                is_told.extend(keys.iter().flat_map(|keys| parsed(keys)));
            }
            None => {}
        }
    }
    let untold: Vec<_> = can_be_pressed.difference(&is_told).collect();
    let dead: Vec<_> = is_told.difference(&can_be_pressed).collect();
    assert!(
        untold.is_empty() && dead.is_empty(),
        "not told: {untold:?}; of no use: {dead:?}"
    );
}
