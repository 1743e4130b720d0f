// SPDX-License-Identifier: GPL-3.0-or-later
//! Opening a document from the store: until its text can be shown, until an edit is accepted, and
//! until it is all there, with that edit.

use std::hint::black_box;
use std::time::{Duration, Instant};

use loro::{ExportMode, LoroDoc};
use reflection_doc::engine::{Draft, Shown};
use reflection_node::Mode;
use reflection_node::access::TopicId;

use super::home::Home;
use super::measure::{Row, median, ratio, shown};
use super::peers;
use super::trace::{Bare, Trace, longest};

const ROUNDS: usize = 7;
const LOADED_TARGET: f64 = 1.3;
/// What a person takes for at once: a frame of the screen.
const EDITED_TARGET: Duration = Duration::from_micros(16_700);

/// Keystrokes in an operation of the longer texts, or typing them would take all day.
const JOINED_KEYSTROKES: usize = 10;

struct Opened {
    shown: Duration,
    edited: Duration,
    loaded: Duration,
}

/// Opens and closes the document; gives how long each part took.
async fn open_once(home: &Home, topic: &TopicId, text: &str) -> Opened {
    let library = &home.library;
    let started = Instant::now();
    let cached = library.cached_text(topic).await.unwrap().unwrap();
    let shown = started.elapsed();
    assert!(cached.is_fresh && cached.text == text);

    let ahead = Shown {
        text: cached.text.into(),
        position: cached.position,
    };
    let started = Instant::now();
    let mut draft = Draft::new(library.node().id(), topic, ahead.clone());
    draft.engine_mut().edit(0, 0, "x").unwrap();
    let edited = started.elapsed();

    let started = Instant::now();
    let mut document = library.open_shown(topic, Some(ahead)).await.unwrap();
    document.engine.take_over_draft(draft, &document.since);
    let loaded = started.elapsed();
    assert_eq!(document.engine.len_chars(), text.chars().count() + 1);
    Opened {
        shown,
        edited: shown + edited,
        // The edit is made meanwhile, by the thread that draws the screen.
        loaded: shown + loaded,
    }
}

async fn open(home: &Home, topic: &TopicId, text: &str) -> Opened {
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        all.push(open_once(home, topic, text).await);
    }
    let middle =
        |part: fn(&Opened) -> Duration| median(&mut all.iter().map(part).collect::<Vec<_>>());
    Opened {
        shown: middle(|opened| opened.shown),
        edited: middle(|opened| opened.edited),
        loaded: middle(|opened| opened.loaded),
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
                "open {times} × {name} ({} characters), {state}: shown / first edit accepted / \
                 fully loaded, with that edit",
                text.chars().count(),
            ),
            measured: format!(
                "{} / {} / {}",
                shown(opened.shown),
                shown(opened.edited),
                shown(opened.loaded)
            ),
            beside: format!(
                "importing Loro's updates and an edit: {}{}",
                shown(beside),
                peers::times("open", &format!("{name}*{times}"))
            ),
            ratio: Some(loaded),
            target: format!(
                "shown in {}, edited in {}, loaded within {LOADED_TARGET} ×",
                shown(target),
                shown(EDITED_TARGET)
            ),
            is_met: is_aimed_at.then_some(
                opened.shown <= target && opened.edited <= EDITED_TARGET && loaded <= LOADED_TARGET,
            ),
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
    let first = open_once(&home, &topic, &text).await;
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
