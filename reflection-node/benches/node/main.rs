// SPDX-License-Identifier: GPL-3.0-or-later
//! How fast nodes are: `cargo bench --bench node -- ROW...`, or all rows with none named.
//!
//! One file for each row. A row is measured beside its bound in the same run and printed as a line
//! of the table in docs/benchmarks.md; `make bench` writes all of them there.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

mod burst;
mod catch_up;
mod fan_out;
mod first_contact;
mod many_documents;
mod measure;
mod one_operation;
mod person;

const ROWS: [&str; 6] = [
    "catch-up",
    "one-operation",
    "burst",
    "first-contact",
    "fan-out",
    "many-documents",
];

async fn measure(row: &str) {
    match row {
        "catch-up" => catch_up::measure().await,
        // Not among all: `build-aux/bench beside` asks for them, and prints them beside other programs.
        "catch-up-beside-peers" => catch_up::beside_peers().await,
        "fan-out-beside-peers" => fan_out::beside_peers().await,
        "one-operation" => one_operation::measure().await,
        "burst" => burst::measure().await,
        "first-contact" => first_contact::by_hint().await,
        // Not among all: it needs a network of its own, which `make bench` makes.
        "first-contact-nearby" => first_contact::nearby().await,
        "fan-out" => fan_out::measure().await,
        "many-documents" => many_documents::measure().await,
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
