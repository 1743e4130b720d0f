// SPDX-License-Identifier: GPL-3.0-or-later
//! Brings a place of the text into view and sees to it that it gets there.
//!
//! A text view learns the heights of its lines little by little, and cannot be scrolled beyond
//! those that it knows: right after a long text was put in, that is the first screenful. And one
//! that got its text before its height may show another place than its adjustment says.

use std::cell::Cell;
use std::rc::Rc;

use gtk::glib;
use gtk::prelude::*;

/// For how many frames the place has to be reached before it counts as reached.
const STEADY_FRAMES: u32 = 10;
/// Frames after which it is given up; a screen shows sixty in a second.
const FRAMES_MAX: u32 = 600;
/// How much of the view lies above a place that is brought into it, as a part of its height.
const SHOWN_AT: f64 = 0.3;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// That the caret is seen; what is on the screen stays if it is.
    Seen,
    /// What somebody sees who opens the text: its beginning if the caret is there, else the
    /// caret in the upper part of the view.
    Opened,
}

/// What one view is looking for.
#[derive(Debug, Default)]
pub struct Seeking {
    /// Counts searches, so that a new one ends the one before.
    current: Rc<Cell<u32>>,
}

impl Seeking {
    /// Brings the caret into view. Ends when the caret is moved.
    pub fn seek(&self, view: &impl IsA<gtk::TextView>, aim: Aim) {
        let number = self.current.get().wrapping_add(1);
        self.current.set(number);
        let (current, steady, frames) = (self.current.clone(), Cell::new(0), Cell::new(0));
        let wanted = caret(view.upcast_ref()).offset();
        view.as_ref().add_tick_callback(move |view, _| {
            frames.set(frames.get() + 1);
            let is_over = current.get() != number
                || caret(view).offset() != wanted
                || frames.get() > FRAMES_MAX;
            let Some(adjustment) = view.vadjustment().filter(|_| !is_over) else {
                return glib::ControlFlow::Break;
            };
            if steady.get() == STEADY_FRAMES {
                return glib::ControlFlow::Break;
            }
            // Without a height there is nothing to scroll, and what is set then is kept.
            if adjustment.page_size() >= f64::from(line(view).height()) {
                let is_reached = is_reached(view, &adjustment, aim);
                steady.set(if is_reached { steady.get() + 1 } else { 0 });
                if !is_reached {
                    adjustment.set_value(target(view, &adjustment, aim));
                }
                // Has the view show what the adjustment says; nothing, where it does already.
                adjustment.emit_by_name::<()>("value-changed", &[]);
            }
            glib::ControlFlow::Continue
        });
    }
}

fn caret(view: &gtk::TextView) -> gtk::TextIter {
    let buffer = view.buffer();
    buffer.iter_at_mark(&buffer.get_insert())
}

/// The caret's line in the coordinates of the text.
fn line(view: &gtk::TextView) -> gtk::gdk::Rectangle {
    view.iter_location(&caret(view))
}

fn is_reached(view: &gtk::TextView, adjustment: &gtk::Adjustment, aim: Aim) -> bool {
    match aim {
        Aim::Seen => {
            let (visible, line) = (view.visible_rect(), line(view));
            line.y() >= visible.y() && line.y() + line.height() <= visible.y() + visible.height()
        }
        Aim::Opened => (adjustment.value() - target(view, adjustment, aim)).abs() < 1.0,
    }
}

/// Where to scroll to, within what is known of the text.
fn target(view: &gtk::TextView, adjustment: &gtk::Adjustment, aim: Aim) -> f64 {
    let (line, page) = (line(view), adjustment.page_size());
    let top = f64::from(line.y() + view.top_margin());
    let begins_there = aim == Aim::Opened && top + f64::from(line.height()) <= page;
    let wanted = if begins_there {
        adjustment.lower()
    } else {
        top - SHOWN_AT * page
    };
    let last = (adjustment.upper() - page).max(adjustment.lower());
    wanted.clamp(adjustment.lower(), last)
}
