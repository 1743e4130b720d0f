// SPDX-License-Identifier: GPL-3.0-or-later
//! Searching a library: what was written is found, in every script and at once; what was deleted
//! is nowhere.
#![allow(clippy::unwrap_used)]

mod common;

use common::Home;
use proptest::prelude::*;
use reflection_doc::library::Library;
use reflection_node::access::TopicId;

async fn found(library: &Library, words: &str) -> Vec<TopicId> {
    let results = library.search(words, 200).await.unwrap();
    assert_eq!(results.unsearchable, 0);
    results.hits.iter().map(|hit| hit.topic).collect()
}

#[tokio::test]
async fn what_was_just_written_is_found_in_every_script() {
    let home = Home::new();
    let library = home.open().await;
    let plan = library
        .create("# Über-Plan\n\nCafé mit Sørensen")
        .await
        .unwrap();
    let minutes = library
        .create("# 会議の記録\n\n次回は金曜日")
        .await
        .unwrap();
    let tamil = library.create("தமிழ் மொழி 🎉").await.unwrap();
    for (words, expected) in [
        ("uber plan", plan),
        ("CAFE SOR", plan),
        ("会議", minutes),
        ("金曜", minutes),
        ("மொழி", tamil),
        ("🎉", tamil),
    ] {
        assert_eq!(found(&library, words).await, [expected], "{words}");
    }
    for words in ["plan 会議", "議会", "soren s", "\"plan uber\"", "", "()"] {
        assert!(found(&library, words).await.is_empty(), "{words}");
    }
    // An edit is found without delay, and what it removed is not.
    let mut document = library.open_document(&plan).await.unwrap();
    document.engine.edit(13, 4, "Tee").unwrap();
    document.flush().await.unwrap();
    drop(document);
    assert_eq!(found(&library, "tee").await, [plan]);
    assert!(found(&library, "cafe").await.is_empty());
    library.close(common::DEADLINE).await;
}

#[tokio::test]
async fn a_title_counts_more_than_a_text() {
    let home = Home::new();
    let library = home.open().await;
    let in_text = library.create("Other\n\nzebra zebra zebra").await.unwrap();
    let in_title = library
        .create(&format!("# Zebra\n\n{}", "word ".repeat(500)))
        .await
        .unwrap();
    assert_eq!(found(&library, "zebra").await, [in_title, in_text]);
    let results = library.search("zeb", 1).await.unwrap();
    assert_eq!(results.hits.len(), 1);
    assert_eq!(results.hits[0].title.text, "Zebra");
    assert_eq!(results.hits[0].title.hits, vec![0..5]);
    library.close(common::DEADLINE).await;
}

#[tokio::test]
async fn a_single_letter_gives_titles_first_and_everything_else() {
    let home = Home::new();
    let library = home.open().await;
    let titled = library.create("Zebra").await.unwrap();
    let often = library.create("Other\n\nzebra zoo zenith").await.unwrap();
    let once = library
        .create("Another one, in which much else is said\n\nzebra")
        .await
        .unwrap();
    let all = found(&library, "z").await;
    assert_eq!((all[0], all.len()), (titled, 3));
    assert!(all.contains(&once) && all.contains(&often));
    // With a second letter it is weighed.
    let twice = library.create("Last\n\nzebra ze").await.unwrap();
    let best = found(&library, "ze").await;
    assert_eq!(best[0], titled);
    assert_ne!(best[1], once);
    assert!(best.contains(&twice) && best.contains(&often));
    library.close(common::DEADLINE).await;
}

#[tokio::test]
async fn a_deleted_document_leaves_nothing_in_the_files() {
    const SECRET: &str = "zygomorphicquaternion";
    let home = Home::new();
    let library = home.open().await;
    let kept = library
        .create(&"all the other words of this text ".repeat(200))
        .await
        .unwrap();
    let secret = library
        .create(&format!("# {SECRET}\n\n{}", "pad words ".repeat(50)))
        .await
        .unwrap();
    let large = library
        .create(&format!("{} {SECRET}", "pad words ".repeat(20_000)))
        .await
        .unwrap();
    assert_eq!(found(&library, &SECRET[..9]).await.len(), 2);
    assert!(home.holds(SECRET), "the scan finds what is there");
    library.node().delete(&secret).await.unwrap();
    library.node().delete(&large).await.unwrap();
    assert!(found(&library, SECRET).await.is_empty());
    assert_eq!(found(&library, "other words").await, [kept]);
    library.close(common::DEADLINE).await;
    for part in [SECRET, &SECRET[..9], &SECRET[9..]] {
        assert!(!home.holds(part), "{part} is still in a file");
    }
}

#[tokio::test]
async fn a_lost_index_is_made_anew() {
    let home = Home::new();
    let library = home.open().await;
    let plan = library.create("the plan").await.unwrap();
    library
        .node()
        .write(|connection| {
            connection.execute_batch("DELETE FROM document_search_format")?;
            Ok(())
        })
        .await
        .unwrap();
    library.close(common::DEADLINE).await;
    let library = home.open().await;
    assert_eq!(found(&library, "plan").await, [plan]);
    // The cached texts may go too.
    library
        .node()
        .write(|connection| {
            connection.execute_batch("DELETE FROM document_texts")?;
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(library.text(&plan).await.unwrap(), "the plan");
    library.close(common::DEADLINE).await;
}

/// Words as they are looked up, each with ways to write it.
const WORDS: [(&str, &[&str]); 10] = [
    ("plan", &["plan", "Plan", "PLAN", "plán"]),
    ("planet", &["planet", "Plänet"]),
    ("uber", &["uber", "Über", "U\u{308}BER"]),
    ("strasse", &["Straße", "strasse", "STRASSE"]),
    ("மொழி", &["மொழி"]),
    ("שלום", &["שלום", "שָׁלוֹם"]),
    ("елка", &["ёлка", "ЕЛКА"]),
    ("会", &["会"]),
    ("議", &["議"]),
    ("ガ", &["ガ", "ｶﾞ"]),
];
/// The words from here on are written without spaces between them.
const SIGNS_FROM: usize = 7;

#[derive(Clone, Debug)]
struct Text {
    words: Vec<usize>,
    written: String,
}

fn text() -> impl Strategy<Value = Text> {
    let word = (0..WORDS.len(), any::<prop::sample::Index>(), 0..4usize);
    prop::collection::vec(word, 0..12).prop_map(|words| {
        let mut written = String::new();
        for (word, way, separator) in &words {
            let ways: &[&str] = WORDS[*word].1;
            written.push_str(ways[way.index(ways.len())]);
            written.push_str([" ", "\n\n", " *", ", "][*separator]);
        }
        Text {
            words: words.iter().map(|(word, ..)| *word).collect(),
            written,
        }
    })
}

/// What a search has to find, by looking at every word of every text.
fn fits(text: &Text, query: &[usize], is_open: bool) -> bool {
    query.iter().enumerate().all(|(place, wanted)| {
        let wanted_word = WORDS[*wanted].0;
        let may_go_on = is_open && place + 1 == query.len();
        text.words.iter().any(|word| {
            let is_sign = *word >= SIGNS_FROM || *wanted >= SIGNS_FROM;
            word == wanted || (may_go_on && !is_sign && WORDS[*word].0.starts_with(wanted_word))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Edits, deletions and searches in turn: the index always answers as a look at every text.
    #[test]
    fn a_search_finds_what_a_look_at_every_text_finds(
        texts in prop::collection::vec(text(), 1..8),
        rewritten in prop::collection::vec((any::<prop::sample::Index>(), text()), 0..4),
        deleted in prop::option::of(any::<prop::sample::Index>()),
        queries in prop::collection::vec(
            (prop::collection::vec(0..WORDS.len(), 1..4), any::<bool>(), any::<prop::sample::Index>()),
            1..6,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let home = Home::new();
            let library = home.open().await;
            let mut documents = Vec::new();
            for text in &texts {
                documents.push((library.create(&text.written).await.unwrap(), text.clone()));
            }
            for (which, text) in &rewritten {
                let at = which.index(documents.len());
                let mut document = library.open_document(&documents[at].0).await.unwrap();
                let length = document.engine.len_chars();
                document.engine.edit(0, length, &text.written).unwrap();
                document.flush().await.unwrap();
                documents[at].1 = text.clone();
                // Half of them are searched in between, so that some are indexed twice.
                if at % 2 == 0 {
                    found(&library, "plan").await;
                }
            }
            if let Some(which) = &deleted {
                let (topic, _) = documents.remove(which.index(documents.len()));
                library.node().delete(&topic).await.unwrap();
            }
            for (query, is_open, way) in &queries {
                let mut words: Vec<&str> =
                    query.iter().map(|word| *way.get(WORDS[*word].1)).collect();
                if !is_open {
                    words.push("");
                }
                let mut expected: Vec<TopicId> = documents
                    .iter()
                    .filter(|(_, text)| fits(text, query, *is_open))
                    .map(|(topic, _)| *topic)
                    .collect();
                let mut answer = found(&library, &words.join(" ")).await;
                expected.sort_by_key(TopicId::to_string);
                answer.sort_by_key(TopicId::to_string);
                assert_eq!(answer, expected);
            }
            library.close(common::DEADLINE).await;
        });
    }

    /// Whatever is typed into the field is a question that can be answered.
    #[test]
    fn no_query_is_an_error(query in "\\PC{0,40}|[\"'*^(){}:+\\- a-z]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let home = Home::new();
            let library = home.open().await;
            library.create("a plan").await.unwrap();
            library.search(&query, 10).await.unwrap();
            library.close(common::DEADLINE).await;
        });
    }
}
