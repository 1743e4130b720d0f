// SPDX-License-Identifier: GPL-3.0-or-later
//! Brings a place of the text into view and sees to it that it gets there.
//!
//! A text view learns the heights of its lines little by little, and cannot be scrolled beyond
//! those that it knows: right after a long text was put in, that is the first screenful.

use std::cell::Cell;
use std::rc::Rc;

use gtk::glib;
use gtk::prelude::*;

/// For how many frames the place has to be seen before it counts as reached.
const STEADY_FRAMES: u32 = 10;
/// Frames after which it is given up; a screen shows sixty in a second.
const FRAMES_MAX: u32 = 600;

/// What one view is looking for.
#[derive(Debug, Default)]
pub struct Seeking {
    /// Counts searches, so that a new one ends the one before.
    current: Rc<Cell<u32>>,
}

impl Seeking {
    /// Brings the caret to `part` of the view's height below its upper edge. Ends when the caret
    /// is moved.
    pub fn seek(&self, view: &impl IsA<gtk::TextView>, part: f64) {
        let number = self.current.get().wrapping_add(1);
        self.current.set(number);
        let (current, steady, frames) = (self.current.clone(), Cell::new(0), Cell::new(0));
        let wanted = caret(view.upcast_ref()).offset();
        view.as_ref().add_tick_callback(move |view, _| {
            frames.set(frames.get() + 1);
            let is_over = current.get() != number
                || caret(view).offset() != wanted
                || frames.get() > FRAMES_MAX;
            if is_over || steady.get() == STEADY_FRAMES {
                return glib::ControlFlow::Break;
            }
            if is_seen(view) {
                steady.set(steady.get() + 1);
            } else {
                steady.set(0);
                scroll(view, part);
            }
            glib::ControlFlow::Continue
        });
    }
}

fn caret(view: &gtk::TextView) -> gtk::TextIter {
    let buffer = view.buffer();
    buffer.iter_at_mark(&buffer.get_insert())
}

fn is_seen(view: &gtk::TextView) -> bool {
    let (visible, line) = (view.visible_rect(), view.iter_location(&caret(view)));
    line.y() >= visible.y() && line.y() + line.height() <= visible.y() + visible.height()
}

fn scroll(view: &gtk::TextView, part: f64) {
    if let Some(adjustment) = view.vadjustment() {
        let line = f64::from(view.iter_location(&caret(view)).y() + view.top_margin());
        let before = adjustment.value();
        // The adjustment itself keeps this within what is known of the text.
        adjustment.set_value(line - part * adjustment.page_size());
        if (adjustment.value() - before).abs() < f64::EPSILON {
            // A view that got its height after its text may be elsewhere than its adjustment says.
            adjustment.emit_by_name::<()>("value-changed", &[]);
        }
    }
}
