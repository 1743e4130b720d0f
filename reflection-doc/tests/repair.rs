// SPDX-License-Identifier: GPL-3.0-or-later
//! Repairing what is damaged loses no text that can still be read.
#![allow(clippy::unwrap_used)]

mod common;

use common::{DEADLINE, Home};
use reflection_doc::library::{Checked, Library};
use reflection_node::access::{Access, TopicId};
use reflection_node::{Finding, Problem};

/// Changes the tables behind the program's back.
async fn tamper(library: &Library, sql: &'static str) {
    let tampered = library.node().write(move |connection| {
        connection.execute_batch(sql)?;
        Ok(())
    });
    tampered.await.unwrap();
}

/// Damages the first operation of every document.
const DAMAGE: &str = "UPDATE operations SET body = zeroblob(60) WHERE sequence = 0";

async fn repaired(library: &Library) -> Checked {
    let checked = library.check(None, true).await.unwrap();
    assert!(!checked.findings.is_empty());
    assert!(checked.findings.iter().all(|finding| finding.is_repaired));
    let again = library.check(None, true).await.unwrap();
    assert!(again.findings.is_empty() && again.kept.is_empty());
    checked
}

/// All documents that are shown.
async fn listed(library: &Library) -> Vec<TopicId> {
    let documents = library.documents().await.unwrap();
    documents.iter().map(|document| document.topic).collect()
}

/// A document with the text "one two", in two operations.
async fn made_in_two(library: &Library) -> TopicId {
    let plan = library.create("one").await.unwrap();
    let mut document = library.open_document(&plan).await.unwrap();
    document.engine.edit(3, 0, " two").unwrap();
    document.flush().await.unwrap();
    plan
}

#[tokio::test]
async fn each_text_that_would_be_lost_is_kept_in_its_own_document() {
    let home = Home::new();
    let library = home.open().await;
    let plan = library.create("# Plan\n\nzebra").await.unwrap();
    // Two texts alike are two documents all the same.
    let list = library.create("# List").await.unwrap();
    let other = library.create("# List").await.unwrap();
    tamper(&library, DAMAGE).await;
    let checked = repaired(&library).await;
    assert_eq!(checked.kept.len(), 3);
    for kept in &checked.kept {
        let text = if kept.topic == plan {
            "# Plan\n\nzebra"
        } else {
            "# List"
        };
        assert!([plan, list, other].contains(&kept.topic));
        assert_eq!(kept.chars, text.len());
        assert_eq!(library.text(&kept.kept_as).await.unwrap(), text);
        assert_eq!(library.text(&kept.topic).await.unwrap(), "");
        let opened = library.open_document(&kept.kept_as).await.unwrap();
        assert_eq!(opened.engine.text(), text);
    }
    assert_eq!(listed(&library).await.len(), 6);
    let hits = library.search("zebra", 10).await.unwrap().hits;
    assert_eq!(hits.len(), 1);
    library.close(DEADLINE).await;
}

#[tokio::test]
async fn what_was_kept_before_a_repair_broke_off_is_not_kept_twice() {
    let home = Home::new();
    let library = home.open().await;
    let plan = library.create("# Plan").await.unwrap();
    tamper(&library, DAMAGE).await;
    // No log can be ended: the repair breaks off after the text was kept.
    tamper(
        &library,
        "CREATE TRIGGER broken BEFORE DELETE ON operations BEGIN SELECT raise(ABORT, 'no'); END",
    )
    .await;
    for _ in 0..2 {
        assert!(library.check(None, true).await.is_err());
        assert_eq!(listed(&library).await.len(), 2);
        assert_eq!(library.text(&plan).await.unwrap(), "# Plan");
    }
    library.close(DEADLINE).await;
    let library = home.open().await;
    tamper(&library, "DROP TRIGGER broken").await;
    let checked = repaired(&library).await;
    assert_eq!(checked.kept.len(), 1, "it is told where the text is");
    assert_eq!(listed(&library).await.len(), 2);
    let kept = checked.kept[0].kept_as;
    assert_eq!(library.text(&kept).await.unwrap(), "# Plan");
    library.close(DEADLINE).await;
}

#[tokio::test]
async fn what_is_deleted_does_not_come_back_and_what_is_put_away_stays_away() {
    let home = Home::new();
    let library = home.open().await;
    let deleted = library.create("to be deleted").await.unwrap();
    library.delete_later(&deleted).await.unwrap();
    let archived = library.create("put away").await.unwrap();
    library.set_archived(&archived, true).await.unwrap();
    tamper(&library, DAMAGE).await;
    let checked = repaired(&library).await;
    assert_eq!(checked.kept.len(), 1);
    assert_eq!(checked.kept[0].topic, archived);
    let kept = library.summary(&checked.kept[0].kept_as).await.unwrap();
    assert!(kept.local.is_archived);
    // Nothing says what was in it once it is gone.
    library.node().delete(&archived).await.unwrap();
    let noted = library.node().read(|connection| {
        let count = "SELECT count(*) FROM kept_texts";
        Ok(connection.query_row(count, [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(noted.await.unwrap(), 0);
    library.close(DEADLINE).await;
}

#[tokio::test]
async fn a_document_whose_keys_are_damaged_is_named_and_no_other_is_touched() {
    let (home, elsewhere) = (Home::new(), Home::new());
    let library = home.open().await;
    let other = elsewhere.open().await;
    let plan = other.create("# Plan").await.unwrap();
    let code = other.code(&plan, Access::Write, false).await.unwrap();
    other.close(DEADLINE).await;
    let (joined, _) = library.node().join(&code).await.unwrap();
    let list = library.create("# List").await.unwrap();
    let third = library.create("# Third").await.unwrap();
    tamper(
        &library,
        "UPDATE documents SET key = x'000000' WHERE id = 2;
         UPDATE documents SET access = CAST(x'ff' AS TEXT) WHERE id = 1",
    )
    .await;
    library.close(DEADLINE).await;

    let library = home.open().await;
    assert_eq!(listed(&library).await, [third]);
    assert_eq!(library.search("third", 10).await.unwrap().hits.len(), 1);
    let new = library.create("a new one").await.unwrap();
    assert_eq!(library.text(&new).await.unwrap(), "a new one");
    let damaged = library.node().damaged_documents().await.unwrap();
    assert_eq!(damaged, [Some(joined), Some(list)]);
    for _ in 0..2 {
        let checked = library.check(None, true).await.unwrap();
        let named: Vec<_> = checked.findings.iter().map(|found| found.topic).collect();
        assert_eq!(named, damaged);
        assert!(checked.findings.iter().all(|found| !found.is_repaired));
        // Its text is not lost with its keys.
        assert_eq!(checked.kept.len(), 1);
        let kept = checked.kept[0].kept_as;
        assert_eq!(library.text(&kept).await.unwrap(), "# List");
    }
    // One is given its keys again, the other one thrown away.
    library.node().join(&code).await.unwrap();
    library.node().delete(&list).await.unwrap();
    assert!(
        library
            .check(None, false)
            .await
            .unwrap()
            .findings
            .is_empty()
    );
    assert!(listed(&library).await.contains(&joined));
    library.close(DEADLINE).await;
}

async fn make_two(home: &Home) {
    let library = home.open().await;
    let plan = library.create("one").await.unwrap();
    library.create("# List").await.unwrap();
    let mut document = library.open_document(&plan).await.unwrap();
    document.engine.edit(3, 0, " two").unwrap();
    document.flush().await.unwrap();
    drop(document);
    assert_eq!(library.text(&plan).await.unwrap(), "one two");
    library.close(DEADLINE).await;
}

/// What comes out of a folder after some damage: the texts, and what is said of each.
async fn recovered(sql: &'static str) -> Vec<(Option<String>, u64, bool)> {
    let (home, damaged) = (Home::new(), Home::new());
    make_two(&damaged).await;
    let library = damaged.open().await;
    tamper(&library, sql).await;
    library.close(DEADLINE).await;
    let library = home.open().await;
    let mut recovered = Vec::new();
    for line in library.recover(&damaged.data()).await.unwrap() {
        let text = match line.new {
            Some(new) => Some(library.text(&new).await.unwrap()),
            None => None,
        };
        let chars = text.as_ref().map_or(0, String::len);
        assert_eq!(line.chars, chars);
        recovered.push((text, line.damaged, line.is_whole));
    }
    library.close(DEADLINE).await;
    recovered
}

#[tokio::test]
async fn what_the_operations_do_not_say_is_recovered_from_the_text_that_they_made() {
    let (one, two) = (Some("one".into()), Some("one two".into()));
    let list = || Some("# List".into());
    let whole = [(two.clone(), 0, true), (list(), 0, true)];
    assert_eq!(recovered("SELECT 1").await, whole);
    assert_eq!(
        recovered(DAMAGE).await,
        [(two.clone(), 1, true), (list(), 1, true)]
    );
    let key = "UPDATE documents SET key = x'000000' WHERE id = 1";
    assert_eq!(
        recovered(key).await,
        [(two.clone(), 2, true), (list(), 0, true)]
    );
    let end = "DELETE FROM operations WHERE sequence = 1";
    assert_eq!(recovered(end).await, whole);
    let both = "UPDATE operations SET body = zeroblob(60) WHERE sequence = 1;
         UPDATE document_texts SET text = 'x' WHERE title = 'one two'";
    assert_eq!(recovered(both).await, [(one, 1, false), (list(), 0, true)]);
    let nothing = "UPDATE operations SET body = zeroblob(60); DELETE FROM document_texts;
         UPDATE documents SET topic = x'00' WHERE id = 2";
    assert_eq!(
        recovered(nothing).await,
        [(None, 2, false), (None, 1, false)]
    );
}

#[tokio::test]
async fn where_neither_holds_everything_both_are_recovered() {
    let (home, damaged) = (Home::new(), Home::new());
    make_two(&damaged).await;
    let library = damaged.open().await;
    // The text is taken for one that lacks the last operation.
    tamper(
        &library,
        "UPDATE operations SET body = zeroblob(60) WHERE sequence = 1;
         UPDATE document_texts SET version = version - 1 WHERE title = 'one two'",
    )
    .await;
    library.close(DEADLINE).await;
    let library = home.open().await;
    let lines = library.recover(&damaged.data()).await.unwrap();
    let mut texts = Vec::new();
    for line in &lines {
        texts.push(library.text(&line.new.unwrap()).await.unwrap());
    }
    assert_eq!(texts, ["one", "one two", "# List"]);
    let whole: Vec<_> = lines.iter().map(|line| line.is_whole).collect();
    assert_eq!(whole, [false, false, true]);
    library.close(DEADLINE).await;
}

#[tokio::test]
async fn a_damaged_search_index_is_found_and_made_anew() {
    let home = Home::new();
    for damage in [
        "UPDATE document_search_data SET block = zeroblob(10) WHERE id > 10",
        "DELETE FROM document_search_data WHERE id > 10",
    ] {
        let library = home.open().await;
        let plan = library.create("# Plan\n\nzebra").await.unwrap();
        assert_eq!(library.search("zebra", 10).await.unwrap().hits.len(), 1);
        tamper(&library, damage).await;
        library.close(DEADLINE).await;

        let library = home.open().await;
        let checked = library.check(None, false).await.unwrap();
        assert!(!checked.findings.is_empty());
        let is_index = |found: &Finding| matches!(found.problem, Problem::SearchIndex(_));
        assert!(checked.findings.iter().all(is_index), "{checked:?}");
        library.rebuild(&plan).await.unwrap();
        assert_eq!(library.search("zebra", 10).await.unwrap().hits.len(), 1);
        tamper(&library, damage).await;
        let checked = repaired(&library).await;
        assert!(checked.kept.is_empty());
        let indexed = library.node().read(|connection| {
            let count = "SELECT count(*) FROM document_search WHERE document_search MATCH 'zebra'";
            Ok(connection.query_row(count, [], |row| row.get::<_, i64>(0))?)
        });
        assert_eq!(indexed.await.unwrap(), 1, "nobody had to search");
        library.node().delete(&plan).await.unwrap();
        library.close(DEADLINE).await;
    }
}

#[tokio::test]
async fn a_text_that_the_operations_still_make_is_not_kept() {
    let home = Home::new();
    let library = home.open().await;
    let plan = made_in_two(&library).await;
    // What was last worked out is an earlier text, and the newer one is there.
    tamper(
        &library,
        "UPDATE document_counters SET next = next + 7; UPDATE logs SET next = 9",
    )
    .await;
    let checked = repaired(&library).await;
    assert!(checked.kept.is_empty());
    assert_eq!(library.text(&plan).await.unwrap(), "one two");
    library.close(DEADLINE).await;
}

#[tokio::test]
async fn an_end_of_a_log_that_went_missing_costs_no_text() {
    let home = Home::new();
    let library = home.open().await;
    let plan = made_in_two(&library).await;
    assert_eq!(library.text(&plan).await.unwrap(), "one two");
    tamper(&library, "DELETE FROM operations WHERE sequence = 1").await;
    let checked = repaired(&library).await;
    assert_eq!(checked.kept.len(), 1);
    let kept = checked.kept[0].kept_as;
    assert_eq!(library.text(&kept).await.unwrap(), "one two");
    assert_eq!(library.text(&plan).await.unwrap(), "one");
    library.close(DEADLINE).await;
}
