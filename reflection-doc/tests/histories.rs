// SPDX-License-Identifier: GPL-3.0-or-later
//! A document of very many operations is joined from them once, and opened from what that made.
#![allow(clippy::unwrap_used)]

mod common;

use common::Home;
use reflection_doc::engine::Engine;
use reflection_doc::library::Library;
use reflection_node::access::TopicId;
use reflection_node::operation::Kind;

/// More than are joined at each opening.
const MANY: usize = 530;
/// Operations that wait for the disk at once.
const AT_ONCE: usize = 300;

/// A document in which a letter was typed so many times, one operation for each.
async fn typed(library: &Library, count: usize) -> (TopicId, String) {
    let node = library.node();
    let topic = node.create().await.unwrap();
    let incarnation = node.incarnation(&topic).unwrap();
    let mut engine = Engine::new(node.id(), &topic, incarnation);
    let mut bodies = Vec::new();
    for number in 0..count {
        let letter = if number % 30 == 29 { "\n" } else { "é" };
        engine.edit(number / 2, 0, letter).unwrap();
        bodies.extend(engine.take_changes());
    }
    for batch in bodies.chunks(AT_ONCE) {
        let batch = batch
            .iter()
            .map(|body| node.publish(&topic, Kind::Edit, incarnation, body.clone()));
        for published in futures_util::future::join_all(batch).await {
            published.unwrap();
        }
    }
    (topic, engine.text())
}

/// Up to which position a history is kept; 0 where none is.
async fn kept(library: &Library) -> i64 {
    let sql = "SELECT coalesce(max(position), 0) FROM document_histories
               WHERE history IS NOT NULL";
    let kept = library
        .node()
        .read(move |connection| Ok(connection.query_row(sql, [], |row| row.get(0))?));
    kept.await.unwrap()
}

async fn tamper(library: &Library, sql: &'static str) {
    let tampered = library.node().write(move |connection| {
        connection.execute_batch(sql)?;
        Ok(())
    });
    tampered.await.unwrap();
}

/// Opens the document, reads it and closes it.
async fn read(library: &Library, topic: &TopicId) -> String {
    library.open_document(topic).await.unwrap().engine.text()
}

#[tokio::test]
async fn a_long_history_is_joined_once_and_gone_on_from() {
    let home = Home::new();
    let library = home.open().await;
    let (topic, text) = typed(&library, MANY).await;
    assert_eq!(kept(&library).await, 0);
    assert_eq!(read(&library, &topic).await, text);
    let position = kept(&library).await;
    assert!(position > 0);
    library.close(common::DEADLINE).await;

    let library = home.open().await;
    let mut document = library.open_document(&topic).await.unwrap();
    assert_eq!(document.engine.text(), text);
    document.engine.edit(0, 0, "x").unwrap();
    document.flush().await.unwrap();
    drop(document);
    assert_eq!(read(&library, &topic).await, format!("x{text}"));
    assert_eq!(kept(&library).await, position, "a few more change nothing");
    let found = library.check(None, false).await.unwrap().findings;
    assert!(found.is_empty());

    // A short one is not kept: its few operations are as quick.
    library.node().delete(&topic).await.unwrap();
    assert_eq!(kept(&library).await, 0, "it goes with the document");
    let (short, text) = typed(&library, 50).await;
    assert_eq!(read(&library, &short).await, text);
    assert_eq!(kept(&library).await, 0);
    library.close(common::DEADLINE).await;
}

#[tokio::test]
async fn a_kept_history_goes_when_the_log_is_compacted_or_the_document_made_again() {
    let home = Home::new();
    let library = home.open().await;
    let (topic, text) = typed(&library, MANY).await;
    assert_eq!(read(&library, &topic).await, text);
    assert!(kept(&library).await > 0);
    library.node().rebuild(&topic).await.unwrap();
    assert_eq!(kept(&library).await, 0);
    assert_eq!(read(&library, &topic).await, text);
    assert!(kept(&library).await > 0, "it is kept anew");

    library.node().compact(&topic).await.unwrap();
    assert_eq!(kept(&library).await, 0);
    assert_eq!(read(&library, &topic).await, text);
    assert_eq!(kept(&library).await, 0, "one operation is as good");
    library.close(common::DEADLINE).await;
}

#[tokio::test]
async fn a_damaged_history_is_passed_over_and_found_by_a_check() {
    let home = Home::new();
    let library = home.open().await;
    let (topic, text) = typed(&library, MANY).await;
    assert_eq!(read(&library, &topic).await, text);
    let last_byte = "UPDATE document_histories
         SET history = CAST(substr(history, 1, length(history) - 1) || x'00' AS BLOB)";
    tamper(&library, last_byte).await;
    let found = library.check(None, false).await.unwrap().findings;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].topic, Some(topic));
    assert_eq!(read(&library, &topic).await, text);
    // Whoever opened it has mended it.
    assert!(library.check(None, true).await.unwrap().findings.is_empty());

    tamper(
        &library,
        "UPDATE document_histories SET history = x'a0', position = 1",
    )
    .await;
    let report = library.check(Some(topic), true).await.unwrap();
    assert_eq!(report.findings.len(), 1);
    assert!(report.findings.iter().all(|finding| finding.is_repaired));
    assert_eq!(kept(&library).await, 0);
    assert_eq!(read(&library, &topic).await, text);
    library.close(common::DEADLINE).await;
}
