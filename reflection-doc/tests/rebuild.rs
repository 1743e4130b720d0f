// SPDX-License-Identifier: GPL-3.0-or-later
//! What is made of operations is thrown away and made again: the texts that lists show, and the
//! words by which searches find them.
#![allow(clippy::unwrap_used)]

mod common;

use common::Home;
use reflection_doc::library::Library;
use reflection_node::access::TopicId;

async fn found(library: &Library, words: &str) -> Vec<TopicId> {
    let results = library.search(words, 200).await.unwrap();
    assert_eq!(results.unsearchable, 0);
    results.hits.iter().map(|hit| hit.topic).collect()
}

/// Changes the tables behind the program's back.
async fn tamper(library: &Library, sql: &'static str) {
    let tampered = library.node().write(move |connection| {
        connection.execute_batch(sql)?;
        Ok(())
    });
    tampered.await.unwrap();
}

async fn count(library: &Library, sql: &'static str) -> i64 {
    let counted = library
        .node()
        .read(move |connection| Ok(connection.query_row(sql, [], |row| row.get(0))?));
    counted.await.unwrap()
}

const TEXTS: &str = "SELECT count(*) FROM document_texts";
const INDEXED: &str = "SELECT count(*) FROM document_search";
/// How many documents the index, asked past the program, names for a word of the plan.
const ZEBRAS: &str = "SELECT count(*) FROM document_search WHERE document_search MATCH 'zebra'";

#[tokio::test]
async fn a_rebuilt_document_has_its_text_and_its_words_made_anew() {
    let home = Home::new();
    let library = home.open().await;
    let plan = library.create("# Plan\n\nzebra crossing").await.unwrap();
    let other = library.create("# Other\n\ngiraffe").await.unwrap();
    assert_eq!(found(&library, "zebra").await, [plan]);

    library.node().rebuild(&plan).await.unwrap();
    assert_eq!(count(&library, TEXTS).await, 1, "the text is gone");
    assert_eq!(count(&library, INDEXED).await, 1, "and so are its words");
    assert!(library.cached_text(&plan).await.unwrap().is_none());
    assert_eq!(found(&library, "zebra").await, [plan]);
    assert_eq!(found(&library, "giraffe").await, [other]);
    assert_eq!(count(&library, INDEXED).await, 2);
    assert_eq!(library.summary(&plan).await.unwrap().title, "Plan");
    library.close(common::DEADLINE).await;
}

#[tokio::test]
async fn a_damaged_text_is_neither_shown_nor_left_in_the_index() {
    let home = Home::new();
    let library = home.open().await;
    let plan = library.create("# Plan\n\nzebra crossing").await.unwrap();
    let other = library.create("# Other\n\ngiraffe").await.unwrap();
    assert_eq!(found(&library, "zebra").await, [plan]);
    tamper(
        &library,
        "UPDATE document_texts SET text = 'yak' WHERE title = 'Plan'",
    )
    .await;
    // It is noticed when it is read, before anybody asks for a check.
    assert!(library.cached_text(&plan).await.unwrap().is_none());
    let report = library.check(None, false).await.unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].topic, Some(plan));

    let report = library.check(None, true).await.unwrap();
    assert!(report.findings.iter().all(|finding| finding.is_repaired));
    assert_eq!(
        count(&library, ZEBRAS).await,
        0,
        "words are left of which nobody knows the text"
    );
    assert!(found(&library, "yak").await.is_empty());
    assert_eq!(found(&library, "zebra").await, [plan]);
    assert_eq!(found(&library, "giraffe").await, [other]);
    let text = library.text(&plan).await.unwrap();
    assert_eq!(text, "# Plan\n\nzebra crossing");
    assert!(
        library
            .check(None, false)
            .await
            .unwrap()
            .findings
            .is_empty()
    );
    library.close(common::DEADLINE).await;
}

#[tokio::test]
async fn tables_of_another_version_are_made_anew_at_start() {
    let home = Home::new();
    let library = home.open().await;
    let plan = library.create("# Plan\n\nzebra crossing").await.unwrap();
    assert_eq!(found(&library, "zebra").await, [plan]);
    // As a program left them that knew another text and other words.
    tamper(
        &library,
        "UPDATE meta SET value = x'00000002' WHERE name = 'application';
         UPDATE document_texts SET text = 'yak', title = 'Yak'",
    )
    .await;
    library.close(common::DEADLINE).await;

    let library = home.open().await;
    assert_eq!(count(&library, TEXTS).await, 0);
    assert_eq!(count(&library, INDEXED).await, 0);
    assert_eq!(found(&library, "zebra").await, [plan]);
    assert!(found(&library, "yak").await.is_empty());
    library.close(common::DEADLINE).await;
}
