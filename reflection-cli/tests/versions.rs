// SPDX-License-Identifier: GPL-3.0-or-later
//! Folders that earlier versions left: they open, with every document as it was.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{Person, stderr};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reflection_node::rusqlite::Connection;

/// Texts in the folder of version 1, by the beginning of their documents' ids.
const TEXTS: [(&str, &str); 4] = [
    ("55c68dce", "## Minutes 🎉\nBob was here. தமிழ் and שלום\n"),
    ("a9306634", "Alice and Bob: Shared by Bob\n"),
    ("f97d7a17", "Only to read\n"),
    ("94648cc5", "Mine alone\n"),
];

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../reflection-node/tests/fixtures")
        .join(format!("version-{version}"))
}

/// Somebody who used the program of a version.
fn person_of_version(version: u32) -> Person {
    let person = Person::new();
    std::fs::create_dir_all(person.data()).unwrap();
    for name in ["database.sqlite", "identity.key", "version"] {
        std::fs::copy(fixture(version).join(name), person.data().join(name)).unwrap();
    }
    person
}

#[test]
fn documents_of_version_1_open_and_can_be_written() {
    let alice = person_of_version(1);
    for (document, text) in TEXTS {
        assert_eq!(alice.stdout(&["cat", document]), text);
    }
    let listed = alice.json(&["list"]);
    assert_eq!(listed.len(), 5);
    let unread = listed.iter().filter(|line| line["unread"] == true);
    assert_eq!(unread.count(), 3, "what she has not read stays unread");
    let kept = alice.run(&["cat", "cede4766"]);
    assert!(stderr(&kept).contains("cannot be read on this device"));
    alice.stdout(&["edit", "a9306634", "--at", "0", "--insert", "Now "]);
    assert_eq!(
        alice.stdout(&["cat", "a9306634"]),
        "Now Alice and Bob: Shared by Bob\n"
    );
    assert_eq!(
        std::fs::read_to_string(alice.data().join("version")).unwrap(),
        "2\n"
    );
}

/// Migrations that are killed.
const CRASHES: u64 = 16;
/// The seed of the moments at which they die.
const SEED: u64 = 20_261_123;

#[test]
fn a_killed_migration_goes_on_at_the_next_start() {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut killed = 0;
    for crash in 0..CRASHES {
        let alice = person_of_version(1);
        let mut listing = alice
            .command(&["list"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Half of them as soon as there is a backup, which is when it begins; or a little later.
        let backup = alice.data().join("backup-1.sqlite");
        if crash % 2 == 0 {
            common::eventually("a backup is made", || {
                backup.exists() || listing.try_wait().unwrap().is_some()
            });
        }
        for turn in 0..random.random_range(0..4_000_000) {
            std::hint::black_box(turn);
        }
        killed += usize::from(listing.try_wait().unwrap().is_none());
        listing.kill().unwrap();
        listing.wait().unwrap();
        for (document, text) in TEXTS {
            assert_eq!(alice.stdout(&["cat", document]), text, "crash {crash}");
        }
        assert_eq!(database_version(&alice), 2);
        assert_eq!(alice.json(&["check"]).len(), 1, "crash {crash}: not sound");
        alice.stdout(&["edit", "a9306634", "--at", "0", "--insert", "Now "]);
        let text = alice.stdout(&["cat", "a9306634"]);
        assert_eq!(text, "Now Alice and Bob: Shared by Bob\n");
    }
    assert!(killed > 0, "all had ended before they were killed");
}

/// The version that the database itself tells.
fn database_version(person: &Person) -> i64 {
    let connection = Connection::open(person.data().join("database.sqlite")).unwrap();
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

#[test]
fn the_backup_of_a_migration_goes_with_the_first_document_that_is_deleted() {
    let alice = person_of_version(1);
    alice.stdout(&["list"]);
    let backup = alice.data().join("backup-1.sqlite");
    assert!(backup.exists());
    alice.stdout(&["delete", "94648cc5"]);
    assert!(!backup.exists(), "it holds the deleted text");
}

#[test]
fn documents_of_an_old_folder_are_recovered_as_new_ones() {
    let old = person_of_version(1);
    let alice = Person::new();
    let before = std::fs::read(old.data().join("database.sqlite")).unwrap();
    let recovered = alice.json(&["recover", old.data().to_str().unwrap()]);
    assert_eq!(recovered.len(), 5);
    for line in &recovered {
        let id = line["old"].as_str().unwrap();
        let text = TEXTS.iter().find(|(begin, _)| id.starts_with(begin));
        match text {
            Some((_, text)) => {
                let new = line["document"].as_str().unwrap();
                assert_ne!(new, id, "it has secrets of its own");
                assert_eq!(alice.stdout(&["cat", new]), *text);
            }
            None => assert!(line["document"].is_null(), "kept for others, unread"),
        }
        assert_eq!(line["damaged"], 0);
    }
    assert_eq!(alice.json(&["list"]).len(), 4);
    let after = std::fs::read(old.data().join("database.sqlite")).unwrap();
    assert_eq!(after, before, "the old ones are left as they are");
    let nothing = alice.run(&["recover", "/dev/null"]);
    assert!(stderr(&nothing).contains("there is no database of Reflection"));
}
