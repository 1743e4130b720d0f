// SPDX-License-Identifier: GPL-3.0-or-later
//! Opening a document from the store: until its text can be shown, and until it is all there.

use std::hint::black_box;
use std::time::{Duration, Instant};

use loro::{ExportMode, LoroDoc};
use reflection_node::Mode;
use reflection_node::access::TopicId;

use super::home::Home;
use super::measure::{Row, median, ratio, shown};
use super::trace::{Bare, Trace};

const ROUNDS: usize = 7;
const LOADED_TARGET: f64 = 1.3;

struct Opened {
    shown: Duration,
    loaded: Duration,
}

async fn open(home: &Home, topic: &TopicId, text: &str) -> Opened {
    // As a program does that closes the document.
    let document = home.library.open_document(topic).await.unwrap();
    let position = document.stream.position();
    drop(document);
    let kept = home
        .library
        .keep_text(topic, position, text.into(), Vec::new())
        .await;
    kept.unwrap();

    let (mut shown, mut loaded) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let cached = home.library.cached_text(topic).await.unwrap().unwrap();
        shown.push(started.elapsed());
        assert!(cached.is_fresh && cached.text == text);

        let started = Instant::now();
        let mut document = home.library.open_document(topic).await.unwrap();
        document.engine.edit(0, 0, "x").unwrap();
        loaded.push(started.elapsed());
    }
    Opened {
        shown: median(&mut shown),
        loaded: median(&mut loaded),
    }
}

async fn at_length(trace: &Trace, times: usize, target: Duration) {
    let mut bare = Bare::new();
    for (at, delete, insert) in trace.patches(times) {
        bare.edit(at, delete, insert);
    }
    let text = bare.doc.get_text("text").to_string();
    let updates = bare.doc.export(ExportMode::all_updates()).unwrap();
    let mut beside = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let doc = LoroDoc::new();
        doc.import(&updates).unwrap();
        doc.get_text("text").insert(0, "x").unwrap();
        black_box(&doc);
        beside.push(started.elapsed());
    }
    let beside = median(&mut beside);

    let home = Home::new(Mode::Offline).await;
    let topic = home.types(trace.patches(times)).await;
    let mut states = vec![("as typed", open(&home, &topic, &text).await)];
    if home.library.node().compact(&topic).await.is_ok() {
        states.push(("compacted", open(&home, &topic, &text).await));
    }
    for (state, opened) in states {
        let loaded = ratio(opened.loaded, beside);
        Row {
            what: format!(
                "open {times} × sveltecomponent ({} characters), {state}: shown / first edit in \
                 the engine",
                text.chars().count(),
            ),
            measured: format!("{} / {}", shown(opened.shown), shown(opened.loaded)),
            beside: format!("importing Loro's updates and an edit: {}", shown(beside)),
            ratio: Some(loaded),
            target: format!(
                "shown in {}, loaded within {LOADED_TARGET} ×",
                shown(target)
            ),
            is_met: Some(opened.shown <= target && loaded <= LOADED_TARGET),
        }
        .print();
    }
    home.leaves().await;
}

pub(crate) async fn measure() {
    let trace = Trace::read("sveltecomponent");
    for (times, target_ms) in [(1, 2), (3, 4), (10, 12)] {
        at_length(&trace, times, Duration::from_millis(target_ms)).await;
    }
}
