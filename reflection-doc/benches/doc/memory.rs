// SPDX-License-Identifier: GPL-3.0-or-later
//! Bytes on the heap that an open document takes: typed in, loaded, after its past was looked at.

use loro::{ExportMode, LoroDoc};
use reflection_doc::engine::{Engine, Loading};

use super::heap::live_bytes;
use super::measure::Row;
use super::peers;
use super::trace::{Bare, TOPIC, Trace, author, longest, typed};

const TARGET_BYTES: isize = 2_500_000;
/// Versions that are looked at.
const STEPS: usize = 20;

#[allow(clippy::cast_precision_loss)]
fn megabytes(bytes: isize) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

fn print(name: &str, state: &str, bytes: isize, beside: &str) {
    let by_others = ["yrs", "automerge"].into_iter().filter_map(|crdt| {
        let told = peers::figure(&format!("memory-{state}"), name, crdt)?;
        Some(format!(
            "{crdt}: {}",
            megabytes(isize::try_from(told).unwrap())
        ))
    });
    let mut all: Vec<String> = by_others.collect();
    all.splice(0..0, (!beside.is_empty()).then(|| beside.into()));
    #[allow(clippy::cast_precision_loss)]
    Row {
        what: format!("heap of an open document ({name}), {state}"),
        measured: megabytes(bytes),
        beside: if all.is_empty() {
            "–".into()
        } else {
            all.join("; ")
        },
        ratio: Some(bytes as f64 / TARGET_BYTES as f64),
        target: format!("at most {}", megabytes(TARGET_BYTES)),
        is_met: Some(bytes <= TARGET_BYTES),
    }
    .print();
}

/// Looks at versions of an engine's past, and lets go of it.
fn look_back(engine: &Engine, versions: &[String]) {
    let history = engine.history().unwrap().open().unwrap();
    for version in versions {
        std::hint::black_box(history.text(&version.parse().unwrap()).unwrap());
    }
}

/// What the CRDT alone takes: typed in, and loaded from all updates.
fn bare(trace: &Trace) -> (isize, isize) {
    let before = live_bytes();
    let mut typed = Bare::new();
    for (at, delete, insert) in trace.patches(1) {
        std::hint::black_box(typed.edit(at, delete, insert));
    }
    let typed_bytes = live_bytes() - before;
    let updates = typed.doc.export(ExportMode::all_updates()).unwrap();
    let before = live_bytes();
    let loaded = LoroDoc::new();
    loaded.import(&updates).unwrap();
    std::hint::black_box(loaded.get_text("text").len_unicode());
    (typed_bytes, live_bytes() - before)
}

pub(crate) fn measure() {
    let (name, trace): (&str, Trace) = longest();
    let (bare_typed, bare_loaded) = bare(&trace);
    // What belongs to the trace is not counted.
    let before = live_bytes();
    let mut engine = super::trace::engine(1);
    let mut versions = Vec::new();
    let count = trace.patches(1).count();
    for (number, (at, delete, insert)) in trace.patches(1).enumerate() {
        engine.edit(at, delete, insert).unwrap();
        std::hint::black_box(engine.take_changes());
        if number % (count / STEPS) == 0 {
            versions.push(engine.version().to_string());
        }
    }
    let typed_bytes = live_bytes() - before;
    let before_history = live_bytes();
    look_back(&engine, &versions);
    let after_bytes = typed_bytes + live_bytes() - before_history;
    drop(engine);
    let left = live_bytes() - before;
    print(
        name,
        "typed",
        typed_bytes,
        &format!(
            "Loro alone: {}; left when it is closed: {}",
            megabytes(bare_typed),
            megabytes(left)
        ),
    );

    let (engine, operations) = typed(1, trace.patches(1));
    drop(engine);
    let before = live_bytes();
    let mut loading = Loading::new(author(2), &TOPIC, 0);
    for batch in operations.chunks(1_000) {
        loading.add(batch).unwrap();
    }
    let mut engine = loading.finish().unwrap();
    print(
        name,
        "loaded",
        live_bytes() - before,
        &format!("Loro alone: {}", megabytes(bare_loaded)),
    );
    look_back(&engine, &versions);
    print(name, "after history", live_bytes() - before, "");
    print(name, "typed, then after history", after_bytes, "");
    std::hint::black_box(engine.author_runs());
    print(name, "with runs by author", live_bytes() - before, "");
}
