// SPDX-License-Identifier: GPL-3.0-or-later
//! Painting a megabyte while five others type into what one is looking at. The others are real
//! nodes in a process of their own, so that what they use is not counted.

use std::cell::Cell;
use std::process::{Command, Stdio};
use std::time::Duration;

use adw::prelude::*;
use gtk::glib;
use reflection_doc::engine::Selection;
use reflection_doc::objects::{Document, DocumentPhase, Service};
use reflection_node::Mode;
use reflection_node::access::{Access, Code};
use reflection_node::identity::AuthorKey;
use reflection_node::store::DataFolder;

use super::{Desk, LINE, LINES_OF_A_MEGABYTE, Row, at_share, bare, frames, go_to_line, megabyte};
use super::{ms, page, pass, processor, until};
use crate::stories::{network, run};

const OTHERS: usize = 5;
/// Each of them, five keys a second.
const BETWEEN: Duration = Duration::from_millis(200);
const TIME: Duration = Duration::from_secs(20);
/// For as long as the others type at most, whatever becomes of who measures.
const KEYS_MAX: usize = 1_000;
const CODE: &str = "REFLECTION_BENCH_CODE";
const FIRST_LINE: usize = LINES_OF_A_MEGABYTE / 2;

/// Where somebody begins to type: each in a line of their own, all of them on the screen.
fn begins_at(other: usize) -> usize {
    (FIRST_LINE + 2 * other + 1) * LINE.len() + 12
}

struct Other {
    document: Document,
    _service: Service,
    _folder: tempfile::TempDir,
}

impl Other {
    fn join(code: &Code) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let opened = DataFolder::open(folder.path()).unwrap();
        let key = AuthorKey::generate();
        let service = run(Service::open(opened, key, network(Mode::Local))).unwrap();
        let document = run(service.join_document(code)).unwrap();
        document.open();
        Self {
            document,
            _service: service,
            _folder: folder,
        }
    }

    fn has_all(&self) -> bool {
        self.document.phase() == DocumentPhase::Open
            && self.document.text().len() >= LINES_OF_A_MEGABYTE * LINE.len()
    }
}

/// The five others, in the process that `measure` starts.
#[gtk::test]
#[ignore = "types while something is measured"]
fn write() {
    let Ok(code) = std::env::var(CODE) else {
        return;
    };
    let code = code.parse().unwrap();
    let others: Vec<Other> = (0..OTHERS).map(|_| Other::join(&code)).collect();
    until("all have the text", || others.iter().all(Other::has_all));
    for (number, other) in others.iter().enumerate() {
        let caret = begins_at(number);
        other.document.select(Selection {
            anchor: caret,
            caret,
        });
    }
    for _ in 0..KEYS_MAX {
        for (number, other) in others.iter().enumerate() {
            // Whoever types above has moved the place by a little, which matters to nobody here.
            let at = u32::try_from(begins_at(number)).unwrap();
            other.document.insert_text(at, "y").unwrap();
            pass(BETWEEN / u32::try_from(OTHERS).unwrap());
        }
    }
}

/// Median of a frame, and the share of a core that the main thread takes, for the same number of
/// frames.
fn paint(view: &gtk::TextView) -> (f64, f64) {
    let before = processor("thread-self");
    let mut times = frames(view, TIME, || {});
    let used = processor("thread-self").saturating_sub(before);
    (at_share(&mut times, 0.5), ms(used) / ms(TIME) * 100.0)
}

/// The bare view gets as many letters at the same places from nowhere.
fn paint_bare() -> (f64, f64) {
    let (window, view) = bare(&megabyte());
    go_to_line(&view, FIRST_LINE);
    let (buffer, turn) = (view.buffer(), Cell::new(0));
    let between = BETWEEN / u32::try_from(OTHERS).unwrap();
    let typing = glib::timeout_add_local(between, move || {
        let at = i32::try_from(begins_at(turn.replace((turn.get() + 1) % OTHERS))).unwrap();
        buffer.insert(&mut buffer.iter_at_offset(at), "y");
        glib::ControlFlow::Continue
    });
    let painted = paint(view.upcast_ref());
    typing.remove();
    window.destroy();
    painted
}

#[gtk::test]
#[ignore = "measures"]
fn measure() {
    let (bare_frame, bare_share) = paint_bare();
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let (document, editor) = page(&desk, &megabyte());
    let code = run(document.code(Access::Write)).unwrap().to_string();
    let mut others = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "stories::measuring::others::write"])
        .env(CODE, code)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let everybody = u32::try_from(OTHERS).unwrap();
    until("everybody is there", || {
        document.devices_connected() == everybody
    });
    let places = || document.remote_places().len();
    until("everybody types", || places() == OTHERS);
    go_to_line(&editor, FIRST_LINE);
    let before = document.chars();
    let (frame, share) = paint(editor.upcast_ref());
    let typed = document.chars() - before;
    others.kill().unwrap();
    others.wait().unwrap();
    Row {
        what: &format!("a frame of a document of 1 MB while five others type there ({typed} keys in {} s), their carets and names included", TIME.as_secs()),
        measured: format!("{frame:.2} ms"),
        beside: format!("bare view into which as much is inserted: {bare_frame:.2} ms"),
        ratio: Some(frame / bare_frame),
        target: "at most 1.1 × the bare view",
        is_met: Some(frame <= bare_frame * 1.1),
    }
    .print();
    Row {
        what: "the same: the main thread at 60 frames a second, in all",
        measured: format!("{share:.0} % of a core"),
        beside: format!("bare view: {bare_share:.0} %"),
        ratio: Some(share / bare_share),
        target: "–",
        is_met: None,
    }
    .print();
    desk.close();
}
