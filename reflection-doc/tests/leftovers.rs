// SPDX-License-Identifier: GPL-3.0-or-later
//! What stays in a library and what goes by itself.
#![allow(clippy::unwrap_used)]

mod common;

use common::{DEADLINE, Home};
use reflection_doc::library::{Library, Profile};
use reflection_node::access::{Access, TopicId};
use reflection_node::identity::AuthorKey;

async fn listed(library: &Library) -> Vec<TopicId> {
    let documents = library.documents().await.unwrap();
    documents.iter().map(|document| document.topic).collect()
}

#[tokio::test]
async fn untouched_empty_documents_go_and_all_others_stay() {
    let home = Home::new();
    let library = home.open().await;
    library.create("").await.unwrap();
    let written = library.create("x").await.unwrap();
    let emptied = library.create("y").await.unwrap();
    let mut document = library.open_document(&emptied).await.unwrap();
    document.engine.edit(0, 1, "").unwrap();
    document.flush().await.unwrap();
    drop(document);
    let shared = library.create("").await.unwrap();
    library.code(&shared, Access::Read, false).await.unwrap();
    let pinned = library.create("").await.unwrap();
    library.set_pinned(&pinned, true).await.unwrap();
    let other_home = Home::new();
    let elsewhere = other_home.open().await;
    let topic = elsewhere.create("").await.unwrap();
    let code = elsewhere.code(&topic, Access::Write, false).await.unwrap();
    let (joined, _) = library.node().join(&code).await.unwrap();
    elsewhere.close(DEADLINE).await;
    assert_eq!(listed(&library).await.len(), 6);
    library.close(DEADLINE).await;
    let library = home.open().await;
    let mut stayed = listed(&library).await;
    let mut expected = vec![written, emptied, shared, pinned, joined];
    stayed.sort_by_key(TopicId::to_string);
    expected.sort_by_key(TopicId::to_string);
    assert_eq!(stayed, expected);
    library.close(DEADLINE).await;
}

#[tokio::test]
async fn a_document_of_an_empty_file_stays() {
    let home = Home::new();
    let library = home.open().await;
    let empty = home.path().join("empty.md");
    std::fs::write(&empty, "").unwrap();
    let mark = home.path().join("mark.md");
    std::fs::write(&mark, "\u{feff}").unwrap();
    let mut expected = vec![
        library.import(&empty).await.unwrap(),
        library.import(&mark).await.unwrap(),
    ];
    library.close(DEADLINE).await;
    let library = home.open().await;
    let mut stayed = listed(&library).await;
    stayed.sort_by_key(TopicId::to_string);
    expected.sort_by_key(TopicId::to_string);
    assert_eq!(stayed, expected);
    // Whoever throws it away gets rid of it.
    library.delete_later(&expected[0]).await.unwrap();
    library.close(DEADLINE).await;
    let library = home.open().await;
    assert_eq!(listed(&library).await, [expected[1]]);
    library.close(DEADLINE).await;
}

#[tokio::test]
async fn a_deletion_can_be_undone_until_it_happens() {
    let home = Home::new();
    let library = home.open().await;
    let plan = library.create("the plan").await.unwrap();
    let list = library.create("the list").await.unwrap();
    library.delete_later(&plan).await.unwrap();
    assert_eq!(listed(&library).await, [list]);
    assert!(library.summary(&plan).await.is_err());
    assert_eq!(library.search("the", 10).await.unwrap().hits.len(), 1);
    library.undelete(&plan).await.unwrap();
    assert_eq!(listed(&library).await.len(), 2);
    assert_eq!(library.text(&plan).await.unwrap(), "the plan");
    library.delete_later(&plan).await.unwrap();
    // As after a crash: nothing is tidied at the end.
    library.node().shutdown(DEADLINE).await;
    let library = home.open().await;
    assert_eq!(listed(&library).await, [list]);
    assert!(library.undelete(&plan).await.is_err());
    library.close(DEADLINE).await;
    assert!(!home.holds("the plan"));
}

#[tokio::test]
async fn what_a_device_knows_of_a_document_survives_and_goes_with_it() {
    let home = Home::new();
    let library = home.open().await;
    let plan = library.create("# Plan\n\n- first\n- second").await.unwrap();
    library.set_pinned(&plan, true).await.unwrap();
    library.set_archived(&plan, true).await.unwrap();
    library.used(&plan).await.unwrap();
    library.left_at(&plan, 7).await.unwrap();
    let mute = AuthorKey::generate().id();
    library.set_muted(&mute, true).await.unwrap();
    library.close(DEADLINE).await;
    let library = home.open().await;
    let summary = library.summary(&plan).await.unwrap();
    assert!(summary.local.is_pinned && summary.local.is_archived);
    assert_eq!(summary.local.caret, 7);
    assert!(summary.local.used_us > 0 && !summary.is_waiting);
    assert_eq!(summary.preview, "first second");
    assert_eq!(library.muted().await.unwrap(), [mute]);
    library.set_muted(&mute, false).await.unwrap();
    assert!(library.muted().await.unwrap().is_empty());
    library.node().delete(&plan).await.unwrap();
    assert!(library.set_pinned(&plan, true).await.is_err());
    let rows: i64 = library
        .node()
        .read(|connection| {
            Ok(connection.query_row(
                "SELECT (SELECT count(*) FROM document_local)
                      + (SELECT count(*) FROM document_texts)
                      + (SELECT count(*) FROM document_summaries)",
                [],
                |row| row.get(0),
            )?)
        })
        .await
        .unwrap();
    assert_eq!(rows, 0);
    library.close(DEADLINE).await;
}

#[tokio::test]
async fn a_document_learns_a_name_with_the_first_edit_and_not_before() {
    let home = Home::new();
    let library = home.open().await;
    let before = library.create("one").await.unwrap();
    let name = "Ann Ōkami".to_owned();
    let profile = Profile {
        name: name.clone(),
        colour: Some(4),
    };
    library.set_profile(profile.clone()).await.unwrap();
    assert!(library.profile().await.unwrap() == profile);
    let mut document = library.open_document(&before).await.unwrap();
    assert!(document.flush().await.unwrap().is_none(), "only looked at");
    assert!(document.engine.people().is_empty());
    document.engine.edit(0, 0, "x").unwrap();
    document.flush().await.unwrap();
    drop(document);
    library.close(DEADLINE).await;
    let library = home.open().await;
    let document = library.open_document(&before).await.unwrap();
    let people = document.engine.people();
    assert_eq!(people.len(), 1);
    assert!(people[0].name == name && people[0].colour == Some(4));
    assert_eq!(people[0].author, library.node().id());
    assert_eq!(document.engine.text(), "xone");
    drop((document, people));
    library.close(DEADLINE).await;
}
