// SPDX-License-Identifier: GPL-3.0-or-later
//! Keeps what one is reading where it is while others write elsewhere.
//!
//! A text view keeps its topmost line in place by itself. The line with the caret moves all the
//! same when something is written between the two; then this scrolls by as much, as soon as the
//! heights of the new lines are known.

use std::cell::Cell;
use std::rc::Rc;

use gtk::glib;
use gtk::prelude::*;

/// Frames after which the new heights are known at the latest.
const FRAMES_MAX: u32 = 3;

/// Where the caret was.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Which character.
    offset: i32,
    /// Pixels below the upper edge of what is visible.
    height: i32,
}

/// One view's anchor.
#[derive(Debug, Default)]
pub struct ScrollAnchor {
    place: Rc<Cell<Option<Place>>>,
    is_restoring: Rc<Cell<bool>>,
}

impl ScrollAnchor {
    /// Takes note of where the caret is, if it is seen. What is still being restored stays.
    pub fn hold(&self, view: &gtk::TextView) {
        if !self.is_restoring.get() {
            self.place.set(visible_caret(view));
        }
    }

    /// Brings the caret's line back to its place within the next frames.
    pub fn restore(&self, view: &gtk::TextView) {
        let Some(place) = self.place.get() else {
            return;
        };
        if caret(view).offset() == place.offset && !self.is_restoring.get() {
            // Nothing was written before the caret.
            return;
        }
        if self.is_restoring.replace(true) {
            return;
        }
        let (held, is_restoring) = (self.place.clone(), self.is_restoring.clone());
        let frames = Cell::new(0);
        view.add_tick_callback(move |view, _| {
            if let Some(place) = held.get() {
                scroll_back(view, place);
            }
            frames.set(frames.get() + 1);
            if frames.get() < FRAMES_MAX {
                return glib::ControlFlow::Continue;
            }
            held.set(None);
            is_restoring.set(false);
            glib::ControlFlow::Break
        });
    }
}

fn caret(view: &gtk::TextView) -> gtk::TextIter {
    let buffer = view.buffer();
    buffer.iter_at_mark(&buffer.get_insert())
}

fn visible_caret(view: &gtk::TextView) -> Option<Place> {
    let caret = caret(view);
    let (visible, line) = (view.visible_rect(), view.iter_location(&caret));
    let height = line.y() - visible.y();
    let is_visible = height >= 0 && height + line.height() <= visible.height();
    is_visible.then_some(Place {
        offset: caret.offset(),
        height,
    })
}

fn scroll_back(view: &gtk::TextView, place: Place) {
    let Some(adjustment) = view.vadjustment() else {
        return;
    };
    let height = view.iter_location(&caret(view)).y() - view.visible_rect().y();
    let drift = height - place.height;
    if drift != 0 {
        // The adjustment itself keeps this within the text.
        adjustment.set_value(adjustment.value() + f64::from(drift));
    }
}
