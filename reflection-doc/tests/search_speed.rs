// SPDX-License-Identifier: GPL-3.0-or-later
//! How long a search in ten thousand documents takes: `cargo test --release -- --ignored`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::fmt::Write as _;
use std::time::Instant;

use common::Home;
use reflection_node::rusqlite::params;

const DOCUMENTS: i64 = 10_000;
const WORDS: u64 = 200;

/// Words as texts have them: few that are everywhere, many that are rare.
fn text(document: i64) -> String {
    let mut seed = document.unsigned_abs() + 1;
    let mut text = format!("# Notes {document}\n\n");
    for _ in 0..WORDS {
        // Marsaglia's xorshift.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let rank = 20_000 / (1 + seed % 20_000);
        let _ = write!(text, "word{rank}x{} ", seed % (1 + rank * 3));
    }
    text
}

#[tokio::test]
#[ignore = "measures"]
async fn a_search_in_ten_thousand_documents() {
    let home = Home::new();
    let library = home.open().await;
    library
        .node()
        .write(|connection| {
            for document in 0..DOCUMENTS {
                let topic = [document.to_be_bytes(); 4].concat();
                connection.execute(
                    "INSERT INTO document_texts (topic, version, indexed, title, preview, text)
                     VALUES (?1, 1, 0, ?2, '', ?3)",
                    params![topic, format!("Notes {document}"), text(document)],
                )?;
                connection.execute(
                    "INSERT INTO document_summaries
                         (topic, version, summarised, title, chars, unread, updated_us)
                     VALUES (?1, 1, 1, '', 0, 0, 0)",
                    [topic],
                )?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let timed = async |words: &str, limit: usize| {
        let begun = Instant::now();
        let hits = library.search(words, limit).await.unwrap().hits.len();
        eprintln!("{words:>20}: {hits:>3} hits in {:?}", begun.elapsed());
    };
    timed("everything is indexed", 50).await;
    for words in [
        "notes",
        "n",
        "w",
        "word1x1",
        "word7",
        "word1x0 word2x1",
        "notes 4242",
        "\"notes 77\"",
        "nothing",
    ] {
        timed(words, 50).await;
        timed(words, 50).await;
    }
    let size = std::fs::metadata(home.data().join("database.sqlite"))
        .unwrap()
        .len();
    eprintln!("{} MiB", size / 1_048_576);
    library.close(common::DEADLINE).await;
}
