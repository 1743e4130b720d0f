// SPDX-License-Identifier: GPL-3.0-or-later
//! A list that is as long as a screen at first and has everything a little later. A list view makes
//! some two hundred rows before it is first painted, for which nobody's text needs to wait.

use std::time::Duration;

use gtk::prelude::*;
use gtk::{gio, glib};

/// More rows than most screens show.
const AT_FIRST: u32 = 24;
/// Rows that are made without a pause, which is short enough not to be felt in between keys.
const AT_ONCE: u32 = 8;
const PAUSE: Duration = Duration::from_millis(40);
/// A view makes no rows of what comes after these until somebody scrolls there.
const MADE: u32 = 256;

/// The items of `model`: the first ones now, the others while there is nothing else to do.
pub fn gradual(model: &impl IsA<gio::ListModel>) -> gtk::SliceListModel {
    let slice = gtk::SliceListModel::new(Some(model.clone()), 0, AT_FIRST);
    let growing = slice.downgrade();
    glib::timeout_add_local_full(PAUSE, glib::Priority::LOW, move || {
        let Some(slice) = growing.upgrade() else {
            return glib::ControlFlow::Break;
        };
        let grown = slice.size().saturating_add(AT_ONCE);
        let everything = slice.model().map_or(0, |model| model.n_items());
        let is_done = grown >= everything.min(MADE);
        slice.set_size(if is_done { u32::MAX } else { grown });
        if is_done {
            glib::ControlFlow::Break
        } else {
            glib::ControlFlow::Continue
        }
    });
    slice
}

/// Where an item is, after making the list long enough for it to be there.
pub fn reach(slice: &gtk::SliceListModel, item: &impl IsA<glib::Object>) -> Option<u32> {
    let model = slice.model()?;
    let position =
        (0..model.n_items()).find(|at| model.item(*at).as_ref() == Some(item.upcast_ref()))?;
    slice.set_size(slice.size().max(position.saturating_add(1)));
    Some(position)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ALL: u32 = 1_000;

    fn many() -> gio::ListStore {
        (0..ALL).map(|_| gtk::StringObject::new("")).collect()
    }

    #[gtk::test]
    fn everything_is_there_a_little_later() {
        let slice = gradual(&many());
        assert_eq!(slice.n_items(), AT_FIRST);
        let largest = std::rc::Rc::new(std::cell::Cell::new(0));
        slice.connect_items_changed({
            let largest = largest.clone();
            // The last step is of what no rows are made of.
            move |slice, at, _, added| {
                if slice.n_items() <= MADE {
                    largest.set(largest.get().max(added));
                }
                assert!(at >= AT_FIRST, "what was there stays");
            }
        });
        while slice.n_items() < ALL {
            glib::MainContext::default().iteration(true);
        }
        assert!(largest.get() <= AT_ONCE);
        let model = slice.model().and_downcast::<gio::ListStore>().unwrap();
        model.append(&gtk::StringObject::new(""));
        assert_eq!(slice.n_items(), ALL + 1, "and what comes later at once");
    }

    #[gtk::test]
    fn what_is_selected_is_there_at_once() {
        let model = many();
        let slice = gradual(&model);
        let far = model.item(ALL - 1).unwrap();
        assert_eq!(reach(&slice, &far), Some(ALL - 1));
        assert_eq!(slice.item(ALL - 1), Some(far));
        assert_eq!(reach(&slice, &gtk::StringObject::new("")), None);
    }
}
