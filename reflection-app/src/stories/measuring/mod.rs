// SPDX-License-Identifier: GPL-3.0-or-later
//! What the page costs beside a bare view of GtkSourceView, as rows of the table in
//! docs/benchmarks.md. One file for each row, played by `build-aux/bench app` alone: figures are
//! only worth something on a machine that does nothing else, so none of these is among the tests.

#![allow(clippy::cast_precision_loss)]

mod closing;
mod keys;
mod library;
mod line;
mod others;
mod paste;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use adw::prelude::*;
use gtk::glib;
use reflection_doc::objects::Document;

use super::{Desk, application, until};
use crate::page::TextView;

/// What the kernel counts processor time in, by its interface.
const TICKS_PER_S: u32 = 100;
const LINE: &str = "Some words of a line, as people write them, and not too long.\n";
const LINES_OF_A_MEGABYTE: usize = 1_000_000 / LINE.len();

fn megabyte() -> String {
    LINE.repeat(LINES_OF_A_MEGABYTE)
}

/// A view with nothing but highlighting, in a window of the same size and in the same font: some
/// take several times as long as others to lay out.
fn bare(text: &str) -> (gtk::Window, sourceview5::View) {
    // Which brings the style sheets.
    application();
    let view = sourceview5::View::builder()
        .wrap_mode(gtk::WrapMode::WordChar)
        .css_classes(["document-text"])
        .build();
    let buffer = view.buffer().downcast::<sourceview5::Buffer>().unwrap();
    let languages = sourceview5::LanguageManager::default();
    let markdown = languages.language("markdown");
    sourceview5::prelude::BufferExt::set_language(&buffer, markdown.as_ref());
    let scrolled = gtk::ScrolledWindow::builder().child(&view).build();
    let window = gtk::Window::builder()
        .child(&scrolled)
        .default_width(1000)
        .default_height(720)
        .build();
    window.present();
    buffer.set_text(text);
    view.grab_focus();
    until("the bare view is shown", || view.height() > 0);
    settle();
    (window, view)
}

/// The page with a document of this text.
fn page(desk: &Desk, text: &str) -> (Document, TextView) {
    let document = desk.document(text);
    desk.window.open_document(&document);
    let editor = desk.editor(&document);
    settle();
    (document, editor)
}

/// Lets the program run for a while, without looks that would themselves be work.
fn pass(time: Duration) {
    let is_over = Rc::new(Cell::new(false));
    let over = is_over.clone();
    glib::timeout_add_local_once(time, move || over.set(true));
    while !is_over.get() {
        glib::MainContext::default().iteration(true);
    }
}

/// Until what comes after opening is done: heights of lines, spelling, highlighting.
fn settle() {
    pass(Duration::from_secs(5));
}

/// Puts the caret at the beginning of a line and the view around it.
fn go_to_line(view: &impl IsA<gtk::TextView>, line: usize) {
    let view = view.as_ref();
    let buffer = view.buffer();
    let place = buffer.iter_at_line(i32::try_from(line).unwrap());
    buffer.place_cursor(&place.unwrap());
    view.scroll_to_mark(&buffer.get_insert(), 0.0, true, 0.0, 0.3);
    settle();
}

/// How long frames take from their beginning to their end, over some time in which there is one
/// after another.
fn frames(
    view: &impl IsA<gtk::TextView>,
    time: Duration,
    before_each: impl Fn() + 'static,
) -> Vec<Duration> {
    let view = view.as_ref();
    let clock = view.frame_clock().unwrap();
    let begun = Rc::new(Cell::new(None));
    let times = Rc::new(RefCell::new(Vec::new()));
    let (begins, taken) = (begun.clone(), times.clone());
    let before = clock.connect_before_paint(move |_| begins.set(Some(Instant::now())));
    let after = clock.connect_after_paint(move |_| {
        if let Some(begun) = begun.take() {
            taken.borrow_mut().push(begun.elapsed());
        }
    });
    let tick = view.add_tick_callback(move |view, _| {
        before_each();
        view.queue_draw();
        glib::ControlFlow::Continue
    });
    pass(time);
    tick.remove();
    clock.disconnect(before);
    clock.disconnect(after);
    times.take()
}

/// The longest time in which nothing else could happen, from an act until things have settled.
fn longest_stall(act: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    act();
    let mut longest = begun.elapsed();
    let is_over = Rc::new(Cell::new(false));
    let over = is_over.clone();
    glib::timeout_add_local_once(Duration::from_secs(5), move || over.set(true));
    // So that an iteration without work ends at once.
    let tick = glib::timeout_add_local(Duration::from_millis(1), || glib::ControlFlow::Continue);
    while !is_over.get() {
        let begun = Instant::now();
        glib::MainContext::default().iteration(true);
        longest = longest.max(begun.elapsed());
    }
    tick.remove();
    longest
}

/// Processor time so far: of this thread or of the whole process, by the name of the kernel's file.
fn processor(of: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{of}/stat")).unwrap();
    // The name in parentheses may hold spaces; the two fields are counted from after it.
    let after_name = stat.rsplit(')').next().unwrap();
    let field = |at: usize| -> u32 {
        let mut fields = after_name.split_whitespace();
        fields.nth(at).unwrap().parse().unwrap()
    };
    Duration::from_secs(1) * (field(11) + field(12)) / TICKS_PER_S
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// What stands at a share of the way through measurements, in milliseconds; 0.5 is the median.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn at_share(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    ms(times[((times.len() - 1) as f64 * share).round() as usize])
}

/// A row of the table. It begins a line of its own, wherever the harness of the tests is in its.
struct Row<'text> {
    what: &'text str,
    measured: String,
    beside: String,
    ratio: Option<f64>,
    target: &'text str,
    is_met: Option<bool>,
}

impl Row<'_> {
    fn print(&self) {
        let ratio = self.ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"));
        let is_met = match self.is_met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        };
        let Row {
            what,
            measured,
            beside,
            target,
            ..
        } = self;
        let row = format!("\n| {what} | {measured} | {beside} | {ratio} | {target} | {is_met} |");
        writeln!(std::io::stdout(), "{row}").unwrap();
    }
}
