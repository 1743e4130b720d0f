// SPDX-License-Identifier: GPL-3.0-or-later
//! A search in ten thousand documents.

use std::fmt::Write;
use std::time::{Duration, Instant};

use reflection_node::Mode;
use reflection_node::rusqlite::params;

use super::home::Home;
use super::measure::{Row, median, progress, ratio, shown};

const DOCUMENTS: i64 = 10_000;
const WORDS: u64 = 200;
const HITS: usize = 50;
const ROUNDS: usize = 7;
const TARGET: Duration = Duration::from_millis(20);
const SEARCHES: [&str; 9] = [
    "notes",
    "n",
    "w",
    "word1x1",
    "word7",
    "word1x0 word2x1",
    "notes 4242",
    "\"notes 77\"",
    "nothing",
];

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

async fn fill(home: &Home) {
    let filled = home.library.node().write(|connection| {
        for document in 0..DOCUMENTS {
            let topic = [document.to_be_bytes(); 4].concat();
            connection.execute(
                "INSERT INTO document_texts
                     (topic, version, indexed, title, preview, text, digest)
                 VALUES (?1, 1, 0, ?2, '', ?3, zeroblob(32))",
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
    });
    filled.await.unwrap();
}

pub(crate) async fn measure() {
    let home = Home::new(Mode::Offline).await;
    fill(&home).await;
    let search = async |words: &str| {
        let begun = Instant::now();
        let hits = home.library.search(words, HITS).await.unwrap().hits.len();
        (begun.elapsed(), hits)
    };
    let (indexed, _) = search("everything is indexed").await;
    progress(format!("all indexed in {}", shown(indexed)));
    let mut slowest = (Duration::ZERO, "");
    let mut all = Vec::new();
    for words in SEARCHES {
        let mut taken = Vec::new();
        for _ in 0..ROUNDS {
            taken.push(search(words).await.0);
        }
        let taken = median(&mut taken);
        progress(format!("{words}: {}", shown(taken)));
        all.push(taken);
        slowest = slowest.max((taken, words));
    }
    Row {
        what: "search in 10,000 documents of 200 words, first 50 results".into(),
        measured: format!(
            "{}; slowest of {} searches ({}): {}",
            shown(median(&mut all)),
            SEARCHES.len(),
            slowest.1,
            shown(slowest.0)
        ),
        beside: "–".into(),
        ratio: Some(ratio(slowest.0, TARGET)),
        target: format!("first results within {}", shown(TARGET)),
        is_met: Some(slowest.0 <= TARGET),
    }
    .print();
    home.leaves().await;
}
