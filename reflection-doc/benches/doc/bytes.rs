// SPDX-License-Identifier: GPL-3.0-or-later
//! Bytes that a document takes on the disk and on the wire to a newcomer, for each typed character.

use std::time::Duration;

use loro::ExportMode;
use reflection_node::access::{Access, TopicId};
use reflection_node::{Event, Mode};

use super::home::Home;
use super::measure::Row;
use super::trace::{Bare, Trace};

const PATIENCE: Duration = Duration::from_mins(1);
const TARGET: f64 = 2.0;

/// Bytes of the database, with all free space given back.
async fn database_bytes(home: &Home) -> u64 {
    home.library.node().reclaim().await.unwrap();
    home.library.node().storage().await.unwrap().database_bytes
}

/// Bytes that a newcomer receives until it has the whole document, and its text.
async fn newcomer(home: &Home, topic: &TopicId, text: &str) -> u64 {
    let node = home.library.node();
    let code = node.code(topic, Access::Write, true).await.unwrap();
    let bob = Home::new(Mode::Local).await;
    let mut events = bob.library.node().events();
    bob.library.node().join(&code).await.unwrap();
    let fetched = async {
        loop {
            if let Some(Event::SyncFinished { counts, error, .. }) = events.next().await {
                assert_eq!(error, None);
                break counts.bytes_in;
            }
        }
    };
    let bytes = tokio::time::timeout(PATIENCE, fetched).await.unwrap();
    assert!(bob.library.text(topic).await.unwrap() == text);
    bob.leaves().await;
    bytes
}

pub(crate) async fn measure() {
    let trace = Trace::read("sveltecomponent");
    let mut bare = Bare::new();
    for (at, delete, insert) in trace.patches(1) {
        bare.edit(at, delete, insert);
    }
    let snapshot = bare.doc.export(ExportMode::Snapshot).unwrap().len();
    let typed = trace.inserted();

    let home = Home::new(Mode::Local).await;
    let empty = database_bytes(&home).await;
    let topic = home.types(trace.patches(1), 1).await;
    let print =
        async |when: &str, has_target: bool| {
            let held = home.library.node().statistics(&topic).await.unwrap();
            let disk = database_bytes(&home).await - empty;
            let wire = newcomer(&home, &topic, &trace.end_content).await;
            let by = |bytes: u64| bytes as f64 / typed as f64;
            let ratios = [disk, wire].map(|bytes| bytes as f64 / snapshot as f64);
            Row {
            what: format!("sveltecomponent, {typed} typed characters, {when}"),
            measured: format!(
                "{} operations of {} bytes; on disk {disk} ({:.2} a character), a newcomer's wire \
                 {wire} ({:.2} a character; {:.2} × the snapshot)",
                held.operations,
                held.header_bytes + held.body_bytes,
                by(disk),
                by(wire),
                ratios[1],
            ),
            beside: format!(
                "Loro's snapshot: {snapshot} bytes ({:.2} a character)",
                by(snapshot as u64)
            ),
            ratio: Some(ratios[0]),
            target: if has_target { "disk and wire each under 2 ×" } else { "–" }.into(),
            is_met: has_target.then_some(ratios[0] < TARGET && ratios[1] < TARGET),
        }
        .print();
        };
    print("one operation a keystroke", false).await;
    home.library.node().compact(&topic).await.unwrap();
    print("compacted", true).await;
    home.leaves().await;
}
