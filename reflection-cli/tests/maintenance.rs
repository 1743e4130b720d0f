// SPDX-License-Identifier: GPL-3.0-or-later
//! A store that was damaged: it is noticed, told in words, and mended where that can be done.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Person, stderr};
use reflection_node::rusqlite::Connection;
use serde_json::Value;

/// Does something to the database behind the program's back.
fn tamper(person: &Person, sql: &str) {
    let connection = Connection::open(person.data().join("database.sqlite")).unwrap();
    connection
        .pragma_update(None, "foreign_keys", "OFF")
        .unwrap();
    connection.execute_batch(sql).unwrap();
}

/// What a check tells, with the texts that were kept before it repaired anything.
fn check(person: &Person, arguments: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let mut all = vec!["--json", "check"];
    all.extend_from_slice(arguments);
    let output = person.run(&all);
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    let mut lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let summary = lines.pop().expect("a summary at the end");
    let is_kept = |line: &Value| line.get("kept_as").is_some();
    let (kept, found): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_kept);
    assert_eq!(summary["problems"], found.len());
    assert_eq!(summary["kept"], kept.len());
    let left = found.iter().filter(|line| line["repaired"] == false);
    let is_done = left.count() == 0;
    assert_eq!(output.status.success(), is_done, "{}", stderr(&output));
    (found, kept)
}

/// What a check finds.
fn problems(person: &Person, arguments: &[&str]) -> Vec<Value> {
    check(person, arguments).0
}

#[track_caller]
fn finds(person: &Person, sentence: &str) {
    let found = problems(person, &[]);
    let said: Vec<_> = found.iter().map(|line| &line["problem"]).collect();
    assert!(
        said.iter()
            .any(|said| said.as_str().unwrap().contains(sentence)),
        "{said:?}"
    );
}

/// Mends what is damaged without losing a text; gives those that had to be kept for that.
#[track_caller]
fn mends_and_keeps(person: &Person) -> Vec<Value> {
    let (mended, kept) = check(person, &["--repair"]);
    assert!(!mended.is_empty());
    assert!(
        mended.iter().all(|line| line["repaired"] == true),
        "{mended:?}"
    );
    assert_eq!(problems(person, &[]), Vec::<Value>::new());
    kept
}

#[track_caller]
fn mends(person: &Person) {
    let kept = mends_and_keeps(person);
    assert!(kept.is_empty(), "nothing would have been lost: {kept:?}");
}

/// One bit of the first operation of the oldest document.
const FLIPPED: &str = "UPDATE operations SET body =
         CAST(substr(body, 1, 40) || iif(substr(body, 41, 1) = x'00', x'01', x'00')
             || substr(body, 42) AS BLOB)
     WHERE position = (SELECT min(position) FROM operations)";

#[test]
fn a_sound_store_is_told_to_be_sound_also_by_the_process_that_runs() {
    let alice = Person::new();
    alice.creates("some text");
    alice.stdout(&["list"]);
    assert!(problems(&alice, &[]).is_empty());
    let _online = alice.online();
    assert!(problems(&alice, &["@last"]).is_empty());
    let report = alice.json(&["check"]);
    assert_eq!(report[0]["documents"], 1);
    assert_eq!(report[0]["operations"], 1);
}

#[test]
fn what_was_made_of_operations_is_made_again() {
    let alice = Person::new();
    alice.creates("some text");
    alice.stdout(&["list"]);
    tamper(&alice, "UPDATE document_counters SET next = next + 7");
    finds(&alice, "is not what its operations make");
    let refused = alice.run(&["edit", "@last", "--at", "0", "--insert", "x"]);
    assert!(!refused.status.success(), "the damage does harm");
    mends(&alice);
    alice.stdout(&["edit", "@last", "--at", "0", "--insert", "x"]);

    tamper(&alice, "DELETE FROM document_counters");
    assert_eq!(alice.json(&["rebuild", "@last"])[0]["operations"], 2);
    alice.stdout(&["edit", "@last", "--at", "0", "--insert", "y"]);
    assert_eq!(alice.cat(), "yxsome text");

    alice.stdout(&["list"]);
    tamper(&alice, "UPDATE document_summaries SET chars = 3");
    finds(&alice, "is not what its operations make");
    mends(&alice);
    assert_eq!(alice.json(&["list"])[0]["chars"], 11);
}

#[test]
fn the_end_of_a_log_is_found_again() {
    let alice = Person::new();
    alice.creates("some text");
    tamper(&alice, "UPDATE logs SET next = 9");
    finds(&alice, "the log is said to end at 9 and ends at 1");
    mends(&alice);
    tamper(&alice, "DELETE FROM logs");
    finds(&alice, "the log is said to end at 0 and ends at 1");
    mends(&alice);
    assert_eq!(alice.cat(), "some text");
    alice.stdout(&["edit", "@last", "--at", "0", "--insert", "x"]);
    assert_eq!(alice.cat(), "xsome text");
}

#[test]
fn rows_that_belong_to_nothing_are_taken_away() {
    let alice = Person::new();
    alice.creates("some text");
    tamper(
        &alice,
        "INSERT INTO document_peers VALUES (77, x'00', 1);
         INSERT INTO authors (key) VALUES (x'0102');
         INSERT INTO operations (document, author, sequence, state, header, body)
             VALUES (77, 1, 5, 1, x'00', x'00')",
    );
    let found = problems(&alice, &[]);
    assert_eq!(found.len(), 3, "{found:?}");
    mends(&alice);
}

#[test]
fn a_damaged_operation_is_moved_aside_and_fetched_again() {
    let (alice, bob) = (Person::new(), Person::new());
    let code = alice.creates("by Alice\n");
    let at_alice = alice.online();
    bob.joins(&code);
    let address = at_alice.ready["addresses"][0].as_str().unwrap();
    let peer = format!("{}@{address}", at_alice.ready["id"].as_str().unwrap());
    let exchange = ["--peer", peer.as_str(), "sync"];
    bob.stdout(&exchange);
    bob.stdout(&["edit", "@last", "--at", "0", "--insert", "by Bob\n"]);
    alice.stdout(&["edit", "@last", "--at", "9", "--insert", "again\n"]);
    bob.stdout(&exchange);
    let text = "by Bob\nby Alice\nagain\n";
    assert_eq!(bob.cat(), text);

    // One byte of the first operation, which is Alice's.
    tamper(
        &bob,
        "UPDATE operations SET body =
             CAST(substr(body, 1, 40) || zeroblob(8) || substr(body, 49) AS BLOB)
         WHERE position = (SELECT min(position) FROM operations WHERE sequence = 0)",
    );
    finds(&bob, "operation 0 is damaged");
    finds(&bob, "; 1 come after it");
    let kept = mends_and_keeps(&bob);
    assert_eq!(kept.len(), 1, "nobody knows yet whether others have it");
    // Nothing was thrown away.
    let connection = Connection::open(bob.data().join("database.sqlite")).unwrap();
    let aside: i64 = connection
        .query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0))
        .unwrap();
    assert_eq!(aside, 2);
    drop(connection);
    bob.stdout(&exchange);
    let document = kept[0]["document"].as_str().unwrap();
    assert_eq!(bob.stdout(&["cat", document]), text);
    assert!(problems(&bob, &[]).is_empty());
}

#[test]
fn a_text_that_a_repair_would_lose_is_kept_as_a_document() {
    let text = "# Minutes\nof which nobody else has a copy\n";
    let mended = |alice: &Person| {
        alice.creates(text);
        alice.stdout(&["list"]);
        tamper(alice, FLIPPED);
        assert_eq!(alice.cat(), text, "the cached text is what it was");
        finds(alice, "operation 0 is damaged");
        let kept = mends_and_keeps(alice);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0]["chars"], text.chars().count());
        assert_ne!(kept[0]["document"], kept[0]["kept_as"]);
        let kept_as = kept[0]["kept_as"].as_str().unwrap().to_owned();
        assert_eq!(alice.stdout(&["cat", &kept_as]), text);
        let titles: Vec<_> = alice.json(&["list"]);
        assert!(titles.iter().any(|line| line["title"] == "Minutes"));
        kept_as
    };
    let alice = Person::new();
    let kept_as = mended(&alice);
    // It is a document like any other.
    alice.stdout(&["edit", &kept_as, "--at", "0", "--insert", "x"]);
    assert_eq!(alice.stdout(&["cat", &kept_as]), format!("x{text}"));
    // In words, and by the process that runs.
    let bob = Person::new();
    let _online = bob.online();
    mended(&bob);
    let carol = Person::new();
    carol.creates(text);
    carol.stdout(&["list"]);
    tamper(&carol, FLIPPED);
    let said = carol.stdout(&["check", "--repair"]);
    assert!(
        said.contains("kept_as") && said.contains("kept 1"),
        "{said}"
    );
}

#[test]
fn what_a_rebuild_would_lose_is_kept_as_well_and_once() {
    let alice = Person::new();
    alice.creates("some text");
    alice.stdout(&["list"]);
    tamper(&alice, FLIPPED);
    let rebuilt = alice.json(&["rebuild"]);
    assert_eq!(rebuilt.len(), 2);
    let kept_as = rebuilt[0]["kept_as"].as_str().unwrap();
    assert_eq!(alice.stdout(&["cat", kept_as]), "some text");
    assert_eq!(rebuilt[1]["damaged"], 1);
    let kept = mends_and_keeps(&alice);
    assert!(kept.is_empty(), "there is nothing more to keep: {kept:?}");
    assert_eq!(alice.json(&["list"]).len(), 2);
}

#[test]
fn one_damaged_document_is_named_and_the_others_are_usable() {
    let alice = Person::new();
    alice.creates("one");
    alice.creates("two");
    let damaged = alice.json(&["list"])[0]["document"].clone();
    let damaged = damaged.as_str().unwrap();
    let hex = format!("upper('{damaged}')");
    tamper(
        &alice,
        &format!("UPDATE documents SET key = zeroblob(3) WHERE hex(topic) = {hex}"),
    );
    alice.creates("three");
    let listed = alice.run(&["list"]);
    assert_eq!(listed.status.code(), Some(1));
    assert!(stderr(&listed).contains("left out: 1"));
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 2);
    let opened = alice.run(&["cat", damaged]);
    assert!(stderr(&opened).contains("the keys of the document are damaged"));
    let found = problems(&alice, &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["document"], damaged);

    // Its text comes back, and where that is gone too, it is said.
    let recovered = |code: i32| -> Vec<Value> {
        let bob = Person::new();
        let output = bob.run(&["--json", "recover", alice.data().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let lines = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(code == 1, stderr(&output).contains("could not be read: 1"));
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let lines = recovered(0);
    assert!(lines.iter().all(|line| line["whole"] == true), "{lines:?}");
    tamper(
        &alice,
        &format!("DELETE FROM document_texts WHERE hex(topic) = {hex}"),
    );
    let lines = recovered(1);
    assert_eq!(lines.len(), 3);
    let lost: Vec<_> = lines.iter().filter(|line| line["whole"] == false).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0]["old"], damaged);
    assert!(lost[0]["document"].is_null());
    alice.stdout(&["delete", damaged]);
    alice.stdout(&["list"]);
    assert!(problems(&alice, &[]).is_empty());
}

#[test]
fn a_document_that_lists_do_not_know_is_found_and_listed_again() {
    let alice = Person::new();
    alice.creates("some text");
    alice.stdout(&["list"]);
    tamper(&alice, "DELETE FROM document_summaries");
    assert!(alice.json(&["list"]).is_empty(), "the damage does harm");
    finds(&alice, "is not what its operations make");
    mends(&alice);
    assert_eq!(alice.json(&["list"])[0]["chars"], 9);
    assert_eq!(alice.cat(), "some text");
}

#[test]
fn state_of_another_version_is_made_again_at_start() {
    let alice = Person::new();
    alice.creates("some text");
    tamper(
        &alice,
        "INSERT OR REPLACE INTO meta (name, value) VALUES ('application', x'00000063');
         DROP TABLE document_counters; CREATE TABLE document_counters (other TEXT)",
    );
    alice.stdout(&["edit", "@last", "--at", "0", "--insert", "x"]);
    assert_eq!(alice.cat(), "xsome text");
    assert!(problems(&alice, &[]).is_empty());
}

#[test]
fn operations_are_shown_from_the_start_from_a_position_and_from_a_time() {
    let alice = Person::new();
    alice.creates("one");
    for text in ["two", "three", "four"] {
        alice.stdout(&["edit", "@last", "--at", "0", "--insert", text]);
    }
    let sequences = |from: &[&str]| -> Vec<u64> {
        let mut arguments = vec!["replay", "@last"];
        arguments.extend_from_slice(from);
        let lines = alice.json(&arguments);
        lines
            .iter()
            .map(|line| line["sequence"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(sequences(&[]), [0, 1, 2, 3]);
    let third = alice.json(&["replay", "@last"])[2]["position"].to_string();
    assert_eq!(sequences(&["--from", &third]), [2, 3]);
    tamper(
        &alice,
        "UPDATE operations SET accepted_us = (sequence + 1) * 1000000",
    );
    assert_eq!(sequences(&["--from", "1970-01-01T00:00:03Z"]), [2, 3]);
    assert_eq!(sequences(&["--from", "1970-01-01T00:00:02.5Z"]), [2, 3]);
    assert!(sequences(&["--from", "2100-01-01T00:00:00Z"]).is_empty());
    let wrong = alice.run(&["replay", "@last", "--from", "soon"]);
    assert_eq!(wrong.status.code(), Some(2));
    let _online = alice.online();
    assert_eq!(sequences(&["--from", &third]), [2, 3]);
}

#[test]
fn space_is_given_back() {
    let alice = Person::new();
    alice.creates(&"a large text, not easily compressed: 0123456789\n".repeat(40_000));
    alice.stdout(&["delete", "@last"]);
    alice.creates("small");
    let before = alice.json(&["stats"]);
    assert!(
        before[0]["disk"]["free"].as_u64().unwrap() > 50_000,
        "{before:?}"
    );
    let compacted = alice.json(&["compact"]);
    let disk = compacted.last().unwrap();
    assert!(
        disk["disk"].as_u64() < disk["disk_before"].as_u64(),
        "{disk}"
    );
    assert_eq!(alice.json(&["stats"])[0]["disk"]["free"], 0);
    assert_eq!(alice.cat(), "small");
}

#[test]
fn what_was_compacted_is_sound_and_can_be_made_again() {
    let alice = Person::new();
    alice.creates("one");
    for text in ["two", "three", "four"] {
        alice.stdout(&["edit", "@last", "--at", "0", "--insert", text]);
    }
    let compacted = alice.json(&["compact", "@last"]);
    assert_eq!(compacted[0]["operations_before"], 4);
    assert_eq!(compacted[0]["operations"], 1);
    assert!(problems(&alice, &[]).is_empty());
    assert_eq!(alice.json(&["rebuild"])[0]["refused"], 0);
    tamper(&alice, "DELETE FROM logs");
    finds(&alice, "the log is said to end at 0 and ends at 5");
    mends(&alice);
    alice.stdout(&["edit", "@last", "--at", "0", "--insert", "five"]);
    assert_eq!(alice.cat(), "fivefourthreetwoone");
}

/// While a process runs, nobody else may touch the folder: all of this is done by it.
#[test]
fn the_process_that_runs_replays_rebuilds_compacts_and_mends() {
    let alice = Person::new();
    alice.creates("one");
    alice.stdout(&["list"]);
    tamper(&alice, "UPDATE document_counters SET next = next + 7");
    let online = alice.online();
    finds(&alice, "is not what its operations make");
    mends(&alice);
    for text in ["two", "three"] {
        alice.stdout(&["edit", "@last", "--at", "0", "--insert", text]);
    }
    let replayed = alice.json(&["replay", "@last"]);
    let sequences: Vec<_> = replayed.iter().map(|line| &line["sequence"]).collect();
    assert_eq!(sequences, [0, 1, 2]);
    let from = replayed[1]["position"].to_string();
    assert_eq!(alice.json(&["replay", "@last", "--from", &from]).len(), 2);
    assert_eq!(alice.json(&["rebuild", "@last"])[0]["operations"], 3);
    let compacted = alice.json(&["compact", "@last"]);
    assert_eq!(compacted[0]["operations_before"], 3);
    assert_eq!(compacted[0]["operations"], 1);
    let replayed = alice.json(&["replay", "@last"]);
    assert_eq!(replayed.len(), 1);
    assert_eq!(replayed[0]["kind"], "compaction");
    assert_eq!(replayed[0]["sequence"], 3);
    assert_eq!(alice.json(&["rebuild"])[0]["operations"], 1);
    assert!(problems(&alice, &[]).is_empty());
    alice.stdout(&["edit", "@last", "--at", "0", "--insert", "four"]);
    assert_eq!(alice.cat(), "fourthreetwoone");
    online.terminate();
    assert_eq!(alice.cat(), "fourthreetwoone");
}
