// SPDX-License-Identifier: GPL-3.0-or-later
//! Opening a document from the store: until its text can be shown, and until it is all there.

use std::hint::black_box;
use std::time::{Duration, Instant};

use loro::{ExportMode, LoroDoc};
use reflection_node::Mode;
use reflection_node::access::TopicId;

use super::home::Home;
use super::measure::{Row, median, ratio, shown};
use super::peers;
use super::trace::{Bare, Trace, longest};

const ROUNDS: usize = 7;
const LOADED_TARGET: f64 = 1.3;

/// Keystrokes in an operation of the longer texts, or typing them would take all day.
const JOINED_KEYSTROKES: usize = 10;

struct Opened {
    shown: Duration,
    loaded: Duration,
}

/// Opens and closes the document; gives how long each part took.
async fn open_once(home: &Home, topic: &TopicId, text: &str) -> (Duration, Duration) {
    let started = Instant::now();
    let cached = home.library.cached_text(topic).await.unwrap().unwrap();
    let shown = started.elapsed();
    assert!(cached.is_fresh && cached.text == text);

    let started = Instant::now();
    let mut document = home.library.open_document(topic).await.unwrap();
    document.engine.edit(0, 0, "x").unwrap();
    (shown, started.elapsed())
}

async fn open(home: &Home, topic: &TopicId, text: &str) -> Opened {
    let (mut shown, mut loaded) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (text_shown, all_loaded) = open_once(home, topic, text).await;
        shown.push(text_shown);
        loaded.push(all_loaded);
    }
    Opened {
        shown: median(&mut shown),
        loaded: median(&mut loaded),
    }
}

/// What the CRDT alone takes to import the same in one blob, and an edit.
fn bare(updates: &[u8]) -> Duration {
    let taken = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        let doc = LoroDoc::new();
        doc.import(updates).unwrap();
        doc.get_text("text").insert(0, "x").unwrap();
        black_box(&doc);
        started.elapsed()
    });
    median(&mut taken.collect::<Vec<_>>())
}

async fn at_length(name: &str, trace: &Trace, times: usize, target: Duration) {
    let mut doc = Bare::new();
    for (at, delete, insert) in trace.patches(times) {
        doc.edit(at, delete, insert);
    }
    let text = doc.doc.get_text("text").to_string();
    let updates = doc.doc.export(ExportMode::all_updates()).unwrap();
    drop(doc);

    let home = Home::new(Mode::Offline).await;
    let keystrokes = if times == 1 { 1 } else { JOINED_KEYSTROKES };
    let topic = home.types(trace.patches(times), keystrokes).await;
    // Nobody has looked at it yet: the text has to be worked out once, as the list does.
    assert!(home.library.text(&topic).await.unwrap() == text);
    let print = |state: &str, opened: &Opened, beside: Duration, is_aimed_at: bool| {
        let loaded = ratio(opened.loaded, beside);
        Row {
            what: format!(
                "open {times} × {name} ({} characters), {state}: shown / first edit accepted, \
                 fully loaded",
                text.chars().count(),
            ),
            measured: format!("{} / {}", shown(opened.shown), shown(opened.loaded)),
            beside: format!(
                "importing Loro's updates and an edit: {}{}",
                shown(beside),
                peers::times("open", &format!("{name}*{times}"))
            ),
            ratio: Some(loaded),
            target: format!(
                "shown in {}, loaded within {LOADED_TARGET} ×",
                shown(target)
            ),
            is_met: is_aimed_at.then_some(opened.shown <= target && loaded <= LOADED_TARGET),
        }
        .print();
    };
    let again = open(&home, &topic, &text).await;
    print(
        &format!("{keystrokes} keystrokes an operation, joined before"),
        &again,
        bare(&updates),
        true,
    );
    // What was kept of the first time is taken away: so long takes that.
    home.forgets().await;
    let (shown, loaded) = open_once(&home, &topic, &text).await;
    let first = Opened { shown, loaded };
    print(
        &format!("{keystrokes} keystrokes an operation, for the first time"),
        &first,
        bare(&updates),
        false,
    );
    if home.library.node().compact(&topic).await.is_ok() {
        assert!(home.library.text(&topic).await.unwrap() == text);
        let compacted = open(&home, &topic, &text).await;
        print("compacted", &compacted, bare(&updates), true);
    }
    home.leaves().await;
}

pub(crate) async fn measure() {
    let (name, trace) = longest();
    for (times, target_ms) in [(1, 2), (3, 4), (10, 12)] {
        at_length(name, &trace, times, Duration::from_millis(target_ms)).await;
    }
}
