// SPDX-License-Identifier: GPL-3.0-or-later
//! What one reads stays where it is, whether the caret is seen or not.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use adw::prelude::*;
use gtk::glib;

use super::{caret, height, is_seen, topmost};
use crate::page::{TextBuffer, TextView};

/// How far the text may be from where it was, in pixels.
const DRIFT_MAX: i32 = 1;

/// Lets a number of frames pass, which is how long a screen takes to settle.
fn frames(view: &TextView, count: u32) {
    let left = std::rc::Rc::new(std::cell::Cell::new(count));
    let counted = left.clone();
    view.add_tick_callback(move |view, _| {
        view.queue_draw();
        counted.set(counted.get().saturating_sub(1));
        glib::ControlFlow::from(counted.get() > 0)
    });
    let end = Instant::now() + Duration::from_mins(1);
    while left.get() > 0 && Instant::now() < end {
        glib::MainContext::default().iteration(false);
    }
}

/// A view as it is on the page, with this text in it.
fn shown(text: &str, wrap: gtk::WrapMode) -> (gtk::Window, TextView) {
    sourceview5::init();
    let _ = adw::init();
    let view = TextView::default();
    view.set_wrap_mode(wrap);
    let clamp = adw::ClampScrollable::builder().child(&view).build();
    let scrolled = gtk::ScrolledWindow::builder()
        .hscrollbar_policy(gtk::PolicyType::Never)
        .child(&clamp)
        .build();
    let window = gtk::Window::builder()
        .child(&scrolled)
        .default_width(400)
        .default_height(400)
        .build();
    window.present();
    view.text_buffer().set_text(text);
    (window, view)
}

fn caret_height(view: &TextView) -> i32 {
    height(view.upcast_ref(), &caret(view.upcast_ref()))
}

fn is_caret_seen(view: &TextView) -> bool {
    is_seen(view.upcast_ref(), &caret(view.upcast_ref()))
}

#[gtk::test]
fn the_line_with_the_caret_stays_where_it_is() {
    let (window, view) = shown(&"some words\n".repeat(200), gtk::WrapMode::WordChar);
    let buffer = view.text_buffer();
    let (line, above) = (
        buffer.iter_at_line(100).unwrap(),
        buffer.iter_at_line(98).unwrap(),
    );
    buffer.place_cursor(&line);
    show_caret(&view);
    let before = caret_height(&view);

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

/// Goes to the caret, which GTK does in steps, and comes to rest there.
fn show_caret(view: &TextView) {
    let end = Instant::now() + Duration::from_mins(1);
    while !is_caret_seen(view) {
        assert!(Instant::now() < end, "at {}", caret_height(view));
        view.scroll_to_mark(&view.text_buffer().get_insert(), 0.0, true, 0.0, 0.5);
        frames(view, 5);
    }
    frames(view, 10);
}

/// Scrolls as the wheel does, away from the caret.
fn scroll_to(view: &TextView, value: f64) {
    let adjustment = view.vadjustment().unwrap();
    while (adjustment.value() - value).abs() > 1.0 {
        let step = (value - adjustment.value()).clamp(-200.0, 200.0);
        adjustment.set_value(adjustment.value() + step);
        frames(view, 1);
    }
    frames(view, 3);
}

/// What somebody else writes: within a line, a line, and one that is wrapped.
const WRITTEN: [&str; 3] = [
    "x",
    "\n",
    "words that are more than what fits into one line of this window\n",
];
/// How many times each, and how many lines above what is seen.
const TIMES: i32 = 3;

const SHORT: &str = "some words\n";
const LONG: &str = "a line with so many words that it takes three of them on the screen, or more\n";

/// A view that is scrolled away from its caret, and the topmost line in it.
struct Reader {
    view: TextView,
    mark: gtk::TextMark,
    /// Where that line was.
    height: i32,
}

impl Reader {
    fn scrolled_to(view: &TextView, value: f64) -> Self {
        scroll_to(view, value);
        assert!(!is_caret_seen(view));
        let top = topmost(view.upcast_ref());
        let mark = view.text_buffer().create_mark(None, &top, false);
        let mut reader = Self {
            view: view.clone(),
            mark,
            height: 0,
        };
        reader.height = reader.height();
        reader
    }

    fn place(&self) -> gtk::TextIter {
        self.view.text_buffer().iter_at_mark(&self.mark)
    }

    fn height(&self) -> i32 {
        height(self.view.upcast_ref(), &self.place())
    }

    /// Somebody else does something some times, a frame apart.
    #[track_caller]
    fn sees_nothing_of(&self, what: &str, act: impl Fn(&TextBuffer)) {
        for _ in 0..TIMES {
            self.view.hold_place();
            act(self.view.text_buffer());
            self.view.restore_place();
            frames(&self.view, 1);
            let drift = self.height() - self.height;
            assert!(drift.abs() <= DRIFT_MAX, "{what}: moved by {drift}");
        }
        frames(&self.view, 4);
        let drift = self.height() - self.height;
        assert!(
            drift.abs() <= DRIFT_MAX,
            "{what}: moved by {drift} in the end"
        );
    }
}

fn offset(place: &gtk::TextIter) -> u32 {
    u32::try_from(place.offset()).unwrap()
}

fn write_and_delete_above(reader: &Reader, case: &str) {
    let near = reader.place().line() - TIMES;
    for line in [near, 2, near + TIMES] {
        for text in WRITTEN {
            let at = offset(&reader.view.text_buffer().iter_at_line(line).unwrap());
            reader.sees_nothing_of(&format!("{case}: {text:?} at {line}"), |buffer| {
                buffer.insert_arrived(at, text);
            });
        }
    }
    for line in [2, reader.place().line() - TIMES - 1] {
        reader.sees_nothing_of(&format!("{case}: line {line} deleted"), |buffer| {
            let start = offset(&buffer.iter_at_line(line).unwrap());
            let end = offset(&buffer.iter_at_line(line + 1).unwrap());
            buffer.delete_arrived(start, end - start);
        });
    }
}

#[gtk::test]
fn the_topmost_line_stays_where_it_is_without_the_caret() {
    for (wrap, line) in [
        (gtk::WrapMode::WordChar, SHORT),
        (gtk::WrapMode::WordChar, LONG),
        (gtk::WrapMode::None, LONG),
    ] {
        let (window, view) = shown(&line.repeat(200), wrap);
        let buffer = view.text_buffer().clone();
        for caret in [buffer.char_count(), 0] {
            buffer.place_cursor(&buffer.iter_at_offset(caret));
            show_caret(&view);
            for value in [1500.0, 1507.0] {
                let reader = Reader::scrolled_to(&view, value);
                let case = format!("{wrap:?}, {value}, caret at {caret}");
                write_and_delete_above(&reader, &case);
            }
        }
        window.destroy();
    }
}

#[gtk::test]
fn whoever_scrolls_is_not_held_back() {
    let (window, view) = shown(&SHORT.repeat(200), gtk::WrapMode::WordChar);
    let buffer = view.text_buffer();
    buffer.place_cursor(&buffer.start_iter());
    show_caret(&view);
    scroll_to(&view, 1500.0);
    let adjustment = view.vadjustment().unwrap();
    let line = |view: &TextView| topmost(view.upcast_ref()).line();
    let before = line(&view);
    for _ in 0..10 {
        view.hold_place();
        buffer.insert_arrived(0, "x");
        view.restore_place();
        adjustment.set_value(adjustment.value() + 50.0);
        frames(&view, 1);
    }
    frames(&view, 6);
    assert!(line(&view) > before + 15, "{} of {before}", line(&view));
    window.destroy();
}
