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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use adw::prelude::*;
    use gtk::glib;

    use super::{caret, visible_caret};
    use crate::page::text_view::TextView;

    /// Lets a number of frames pass, which is how long a screen takes to settle.
    fn frames(view: &TextView, count: u32) {
        let left = std::rc::Rc::new(std::cell::Cell::new(count));
        let counted = left.clone();
        view.add_tick_callback(move |view, _| {
            view.queue_draw();
            counted.set(counted.get().saturating_sub(1));
            glib::ControlFlow::Continue
        });
        let end = Instant::now() + Duration::from_secs(10);
        while left.get() > 0 && Instant::now() < end {
            glib::MainContext::default().iteration(false);
        }
    }

    fn caret_height(view: &TextView) -> i32 {
        view.iter_location(&caret(view.upcast_ref())).y() - view.visible_rect().y()
    }

    #[gtk::test]
    fn the_line_with_the_caret_stays_where_it_is() {
        sourceview5::init();
        let _ = adw::init();
        let view = TextView::default();
        let scrolled = gtk::ScrolledWindow::builder().child(&view).build();
        let window = gtk::Window::builder()
            .child(&scrolled)
            .default_width(400)
            .default_height(400)
            .build();
        window.present();
        let buffer = view.text_buffer();
        let lines = "some words\n".repeat(200);
        buffer.set_text(&lines);
        let (Some(line), Some(above)) = (buffer.iter_at_line(100), buffer.iter_at_line(98)) else {
            panic!("the text has 200 lines");
        };
        buffer.place_cursor(&line);
        frames(&view, 3);
        view.scroll_to_mark(&buffer.get_insert(), 0.0, true, 0.0, 0.5);
        // GTK scrolls there in steps.
        frames(&view, 60);
        let before = caret_height(&view);
        assert!(visible_caret(view.upcast_ref()).is_some(), "at {before}");

        // Between the topmost visible line and the caret, above everything, and below the caret.
        for at in [above.offset(), 0, above.offset() + 100] {
            for _ in 0..3 {
                view.hold_place();
                buffer.insert_arrived(u32::try_from(at).unwrap_or(0), "🎉 one\ntwo\nthree\n");
                view.restore_place();
            }
            frames(&view, 8);
            assert_eq!(caret_height(&view), before, "after a change at {at}");
        }
        window.destroy();
    }
}
