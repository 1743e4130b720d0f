// SPDX-License-Identifier: GPL-3.0-or-later
//! Keys that come from the X server, through the input method and the view, into a megabyte.

use std::cell::{Cell, RefCell};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use adw::prelude::*;
use gtk::glib;

use super::{Desk, LINES_OF_A_MEGABYTE, Row, at_share, bare, go_to_line, megabyte, ms, page};
use super::{processor, until};

const KEYS: usize = 500;
/// As fast as a quick typist's bursts.
const BETWEEN_MS: &str = "40";

struct Typed {
    /// From the key's arrival in the window to the changed buffer.
    times: Vec<Duration>,
    /// Processor time of all threads for a key, painting included.
    processor_ms: f64,
}

fn type_into(view: &impl IsA<gtk::TextView>) -> Typed {
    let view = view.as_ref();
    let window = view.root().and_downcast::<gtk::Window>().unwrap();
    go_to_line(view, LINES_OF_A_MEGABYTE / 2);
    view.grab_focus();
    until("it has the keyboard", || {
        window.is_active() && view.has_focus()
    });
    let pressed = Rc::new(Cell::new(None));
    let times = Rc::new(RefCell::new(Vec::new()));
    let controller = gtk::EventControllerKey::new();
    controller.set_propagation_phase(gtk::PropagationPhase::Capture);
    let begins = pressed.clone();
    controller.connect_key_pressed(move |_, _, _, _| {
        begins.set(Some(Instant::now()));
        glib::Propagation::Proceed
    });
    window.add_controller(controller.clone());
    let taken = times.clone();
    let handler = view.buffer().connect_changed(move |_| {
        if let Some(pressed) = pressed.take() {
            taken.borrow_mut().push(pressed.elapsed());
        }
    });
    let before = processor("self");
    let words = "words ".repeat(KEYS.div_ceil(6));
    let mut typist = Command::new("xdotool")
        .args(["type", "--delay", BETWEEN_MS, &words[..KEYS]])
        .spawn()
        .unwrap();
    until("all keys have arrived", || times.borrow().len() >= KEYS);
    let used = processor("self").saturating_sub(before);
    assert!(typist.wait().unwrap().success());
    view.buffer().disconnect(handler);
    window.remove_controller(&controller);
    Typed {
        times: times.take(),
        processor_ms: ms(used) / KEYS as f64,
    }
}

#[gtk::test]
#[ignore = "measures"]
fn measure() {
    let (window, view) = bare(&megabyte());
    let mut beside = type_into(&view);
    window.destroy();
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (_, editor) = page(&desk, &megabyte());
    let mut ours = type_into(&editor);
    let (median, slow) = (
        at_share(&mut ours.times, 0.5),
        at_share(&mut ours.times, 0.99),
    );
    let (bare_median, bare_slow) = (
        at_share(&mut beside.times, 0.5),
        at_share(&mut beside.times, 0.99),
    );
    Row {
        what: "key to changed buffer in a document of 1 MB, p50 / p99",
        measured: format!("{median:.2} ms / {slow:.2} ms"),
        beside: format!("bare view: {bare_median:.2} ms / {bare_slow:.2} ms"),
        ratio: Some(median / bare_median),
        target: "p99 under 4 ms",
        is_met: Some(slow < 4.0),
    }
    .print();
    Row {
        what: "the same: processor time of all threads for a key, painting and saving included",
        measured: format!("{:.1} ms", ours.processor_ms),
        beside: format!(
            "bare view: {:.1} ms; the first Reflection: 5.5 ms, measured elsewhere",
            beside.processor_ms
        ),
        ratio: Some(ours.processor_ms / beside.processor_ms),
        target: "–",
        is_met: None,
    }
    .print();
    desk.close();
}
