// SPDX-License-Identifier: GPL-3.0-or-later
//! Keeps what one is reading where it is while others write elsewhere.
//!
//! That is the line with the caret, or the topmost one where the caret is out of sight. A text view
//! keeps a paragraph at its upper edge in place by itself, nearly ([`compensation`]), but neither the
//! caret nor what is written right before that paragraph. So this scrolls by as much as what one is
//! reading has moved: at once, and again within the next frames, when the heights of the new lines
//! are known and so is how far one can scroll. Whoever scrolls meanwhile is not held back.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gtk::glib;
use gtk::prelude::*;

mod compensation;

pub use compensation::Compensation;

/// Frames after which the new heights are known at the latest.
const FRAMES_MAX: u32 = 3;
/// Pixels by which what is in place may be off.
const OFF_MAX: i32 = 1;

/// A place of the text, and how far below the upper edge of what is visible it is, in pixels.
#[derive(Clone, Debug)]
struct Place {
    mark: gtk::TextMark,
    height: i32,
}

impl Place {
    fn of(view: &gtk::TextView, mark: &gtk::TextMark) -> Self {
        let place = view.buffer().iter_at_mark(mark);
        Self {
            mark: mark.clone(),
            height: height(view, &place),
        }
    }

    /// How far it has moved on the screen since.
    fn drift(&self, view: &gtk::TextView) -> i32 {
        height(view, &view.buffer().iter_at_mark(&self.mark)) - self.height
    }
}

/// What is kept where it is.
#[derive(Debug)]
struct Held {
    /// What one is reading.
    place: Place,
    /// Which character that was.
    offset: i32,
    /// The topmost line as it was last seen: only scrolling moves it between two changes.
    top: Place,
    /// Whether the place was not reached, because so much text is not known of yet.
    is_short: bool,
}

impl Held {
    fn of(view: &gtk::TextView) -> Self {
        let buffer = view.buffer();
        let caret = buffer.get_insert();
        // What is written right before the line is above it.
        let top = Place::of(view, &buffer.create_mark(None, &topmost(view), false));
        let place = if is_seen(view, &self::caret(view)) {
            Place::of(view, &caret)
        } else {
            top.clone()
        };
        Self {
            offset: buffer.iter_at_mark(&place.mark).offset(),
            place,
            top,
            is_short: false,
        }
    }

    fn is_scrolled(&self, view: &gtk::TextView) -> bool {
        !self.is_short && self.top.drift(view).abs() > OFF_MAX
    }

    /// Scrolls back what is held to where it was.
    fn settle(&mut self, view: &gtk::TextView) {
        let drift = self.place.drift(view);
        if let Some(adjustment) = view.vadjustment().filter(|_| drift != 0) {
            // The adjustment itself keeps this within what is known of the text.
            adjustment.set_value(adjustment.value() + f64::from(drift));
        }
        self.is_short = self.place.drift(view).abs() > OFF_MAX;
        self.top = Place::of(view, &self.top.mark);
    }

    fn release(&self, view: &gtk::TextView) {
        let buffer = view.buffer();
        if self.top.mark.buffer().as_ref() == Some(&buffer) {
            buffer.delete_mark(&self.top.mark);
        }
    }
}

/// One view's anchor.
#[derive(Debug, Default)]
pub struct ScrollAnchor {
    held: Rc<RefCell<Option<Held>>>,
    /// How many frames it is watched yet whether that stays.
    frames: Rc<Cell<u32>>,
}

impl ScrollAnchor {
    /// Takes note of what one is reading. What is still being brought back stays what it was.
    pub fn hold(&self, view: &gtk::TextView) {
        let mut held = self.held.borrow_mut();
        let is_over = |held: &Held| self.frames.get() == 0 || held.is_scrolled(view);
        if held.as_ref().is_none_or(is_over) {
            let before = held.replace(Held::of(view));
            before.inspect(|held| held.release(view));
        }
    }

    /// Brings it back to its place, now and within the next frames.
    pub fn restore(&self, view: &gtk::TextView) {
        let is_watching = self.frames.get() > 0;
        let mut present = self.held.borrow_mut();
        let Some(held) = present.as_mut() else {
            return;
        };
        if !is_watching && view.buffer().iter_at_mark(&held.place.mark).offset() == held.offset {
            // Nothing was written before it.
            present.take().inspect(|held| held.release(view));
            return;
        }
        held.settle(view);
        self.frames.set(FRAMES_MAX);
        if is_watching {
            return;
        }
        drop(present);
        let (held, frames) = (self.held.clone(), self.frames.clone());
        view.add_tick_callback(move |view, _| {
            frames.set(frames.get().saturating_sub(1));
            let mut present = held.borrow_mut();
            match present.as_mut() {
                Some(held) if frames.get() > 0 && !held.is_scrolled(view) => {
                    held.settle(view);
                    glib::ControlFlow::Continue
                }
                _ => {
                    frames.set(0);
                    present.take().inspect(|held| held.release(view));
                    glib::ControlFlow::Break
                }
            }
        });
    }
}

fn caret(view: &gtk::TextView) -> gtk::TextIter {
    let buffer = view.buffer();
    buffer.iter_at_mark(&buffer.get_insert())
}

/// How far a place is below the upper edge of what is visible.
fn height(view: &gtk::TextView, place: &gtk::TextIter) -> i32 {
    view.iter_location(place).y() - view.visible_rect().y()
}

fn is_seen(view: &gtk::TextView, place: &gtk::TextIter) -> bool {
    let (visible, line) = (view.visible_rect(), view.iter_location(place));
    let height = line.y() - visible.y();
    height >= 0 && height + line.height() <= visible.height()
}

/// The first character of the topmost line on the screen; of a paragraph that is wrapped, it is
/// within that.
fn topmost(view: &gtk::TextView) -> gtk::TextIter {
    let upper = view.visible_rect().y();
    let (start, _) = view.line_at_y(upper);
    let first = view.iter_location(&start);
    if first.y() + first.height() > upper {
        return start;
    }
    // Below the first letter, from whichever side the script is written.
    let (x, y) = (first.x() + first.width() / 2, upper + first.height() / 2);
    view.iter_at_location(x, y).unwrap_or(start)
}

#[cfg(test)]
mod tests;
