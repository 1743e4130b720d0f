// SPDX-License-Identifier: GPL-3.0-or-later
//! How fast documents are: `cargo bench --bench doc -- ROW...`, or all rows with none named.
//!
//! One file for each row. A row is measured beside the CRDT alone in the same run and printed as a
//! line of the table in docs/benchmarks.md; `make bench` writes all of them there.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

mod bytes;
mod catch_up;
mod cursors;
mod heap;
mod history;
mod home;
mod keystroke;
#[path = "../../../reflection-node/benches/node/measure.rs"]
mod measure;
mod memory;
mod merge;
mod open;
mod peers;
mod remote;
mod search;
mod session;
mod trace;
mod undo;

const ROWS: [&str; 11] = [
    "keystroke",
    "remote",
    "merge",
    "catch-up",
    "undo",
    "cursors",
    "history",
    "open",
    "search",
    "memory",
    "bytes",
];

async fn measure(row: &str) {
    match row {
        "keystroke" => keystroke::measure(),
        "remote" => remote::measure(),
        "merge" => merge::measure(),
        "catch-up" => catch_up::measure(),
        "undo" => undo::measure(),
        "cursors" => cursors::measure(),
        "history" => history::measure(),
        "open" => open::measure().await,
        "search" => search::measure().await,
        "memory" => memory::measure(),
        "bytes" => bytes::measure().await,
        _ => panic!("there is no row {row}; there are {}", ROWS.join(", ")),
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // Cargo adds an option for its own harness.
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let all = ROWS.map(String::from);
    let rows = if named.is_empty() { &all[..] } else { &named };
    for row in rows {
        measure::progress(row);
        measure(row).await;
    }
}
