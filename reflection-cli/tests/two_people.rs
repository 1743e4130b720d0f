// SPDX-License-Identifier: GPL-3.0-or-later
//! Two people with a process each, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use common::{Person, eventually, stderr, trace, trace_json, with_stdin};
use serde_json::json;

#[test]
fn what_one_types_arrives_at_the_other_who_joined_by_the_code() {
    let (alice, bob) = (Person::new(), Person::new());
    let at_alice = alice.online();
    let code = alice.creates("# Minutes 🎉\n");
    let at_bob = bob.online();
    bob.joins(&code);
    at_bob.wait_for("document-changed", |event| event["chars"] == 12);
    assert_eq!(bob.cat(), "# Minutes 🎉\n");
    bob.stdout(&["edit", "@last", "--at", "12", "--insert", "தமிழ் and שלום\n"]);
    let changed = at_alice.wait_for("document-changed", |_| true);
    assert_eq!(changed["author"], at_bob.ready["id"]);
    eventually("both show the same", || alice.cat() == bob.cat());
    assert_eq!(alice.cat(), "# Minutes 🎉\nதமிழ் and שלום\n");
    assert!(at_alice.terminate() < Duration::from_secs(2));
    assert!(at_bob.terminate() < Duration::from_secs(2));
}

#[test]
fn who_was_away_catches_up_later_and_both_keep_what_they_wrote_alone() {
    let (alice, bob) = (Person::new(), Person::new());
    let at_alice = alice.online();
    let code = alice.creates("one\n");
    let at_bob = bob.online();
    bob.joins(&code);
    at_bob.wait_for("sync-finished", |event| event["operations_in"] == 1);
    at_alice.kill();
    at_bob.terminate();
    alice.stdout(&["edit", "@last", "--at", "4", "--insert", "by Alice\n"]);
    bob.stdout(&["edit", "@last", "--at", "0", "--insert", "by Bob\n"]);
    assert_eq!(alice.cat(), "one\nby Alice\n");
    assert_eq!(bob.cat(), "by Bob\none\n");
    // Back on a new port: the code's hint is stale, so Alice dials whom she met before.
    let at_bob = bob.online();
    let address = at_bob.ready["addresses"][0].as_str().unwrap();
    let peer = format!("{}@{address}", at_bob.ready["id"].as_str().unwrap());
    let report = alice.json(&["--peer", &peer, "sync"]);
    assert_eq!(report[0]["documents"], 1);
    assert_eq!(report[0]["operations_in"], 1);
    assert_eq!(report[0]["operations_out"], 1);
    assert_eq!(alice.cat(), "by Bob\none\nby Alice\n");
    assert_eq!(bob.cat(), alice.cat());
    assert_eq!(alice.json(&["list"])[0]["copies"], 1);
}

#[test]
fn who_restarts_is_found_where_it_was() {
    let (alice, bob) = (Person::new(), Person::new());
    let at_alice = alice.online();
    let code = alice.creates("one");
    let address = at_alice.ready["addresses"].clone();
    at_alice.terminate();
    // The code names the port that Alice had; after a restart she has it again.
    let at_alice = alice.online();
    assert_eq!(at_alice.ready["addresses"], address);
    let at_bob = bob.online();
    bob.joins(&code);
    at_bob.wait_for("sync-finished", |event| event["operations_in"] == 1);
    // And whoever met is in touch again after either one's crash.
    at_bob.kill();
    alice.stdout(&["edit", "@last", "--at", "3", "--insert", " two"]);
    let at_bob = bob.online();
    at_bob.wait_for("sync-finished", |event| event["operations_in"] == 1);
    assert_eq!(bob.cat(), "one two");
    at_alice.kill();
    bob.stdout(&["edit", "@last", "--at", "7", "--insert", " three"]);
    let _at_alice = alice.online();
    eventually("Alice has what Bob wrote", || {
        alice.cat() == "one two three"
    });
}

#[test]
fn a_long_session_of_one_person_arrives_letter_for_letter() {
    let (alice, bob) = (Person::new(), Person::new());
    let _at_alice = alice.online();
    let code = alice.stdout(&["new"]);
    let _at_bob = bob.online();
    bob.joins(code.trim());
    let played = alice.json(&[
        "play",
        "@last",
        trace("sveltecomponent.json.gz").to_str().unwrap(),
        "--rate",
        "20000",
    ]);
    assert_eq!(played[0]["edits"], 18_335);
    let expected = trace_json("sveltecomponent.json.gz");
    let expected = expected["endContent"].as_str().unwrap();
    assert!(alice.cat() == expected, "Alice has the whole text");
    eventually("Bob has the whole text", || bob.cat() == expected);
}

#[test]
fn two_people_who_type_at_once_end_with_the_same_text() {
    let (alice, bob) = (Person::new(), Person::new());
    let _at_alice = alice.online();
    let code = alice.stdout(&["new"]);
    let _at_bob = bob.online();
    bob.joins(code.trim());
    let file = trace("friendsforever.concurrent.json.gz");
    let plays = |person: &Person, agent: &str| {
        let arguments = [
            "play",
            "@last",
            file.to_str().unwrap(),
            "--agent",
            agent,
            "--rate",
            "4000",
        ];
        person.command(&arguments).spawn().unwrap()
    };
    let mut players = [plays(&alice, "0"), plays(&bob, "1")];
    for player in &mut players {
        assert!(player.wait().unwrap().success());
    }
    eventually("both end equal", || {
        let text = alice.cat();
        text.chars().count() > 1_000 && text == bob.cat()
    });
    let synced = alice.json(&["sync"]);
    assert_eq!(synced[0]["documents"], 1);
}

#[test]
fn a_code_can_come_as_a_link_by_standard_input_and_give_less() {
    let (alice, bob) = (Person::new(), Person::new());
    let at_alice = alice.online();
    alice.creates("read me");
    let code = alice.stdout(&["code", "@last", "--read-only"]);
    assert!(code.starts_with("read1"));
    let joined = with_stdin(
        bob.command(&["--json", "join", "-"]),
        &format!("reflection:{}", code.to_uppercase()),
    );
    assert!(joined.status.success(), "{}", stderr(&joined));
    let joined: serde_json::Value = serde_json::from_slice(&joined.stdout).unwrap();
    assert_eq!(joined["access"], "read");
    bob.stdout(&["sync"]);
    assert_eq!(bob.cat(), "read me");
    let refused = bob.run(&["edit", "@last", "--at", "0", "--insert", "x"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("can only be read"));
    assert_eq!(bob.cat(), "read me");
    drop(at_alice);
    // A reader has no write code to hand on.
    assert_eq!(bob.run(&["code", "@last"]).status.code(), Some(1));
}

#[test]
fn a_stronger_code_opens_what_was_kept_unread() {
    let (alice, bob) = (Person::new(), Person::new());
    let at_alice = alice.online();
    let write = alice.creates("kept, ");
    let at_bob = bob.online();
    bob.joins(alice.stdout(&["code", "@last", "--replica"]).trim());
    at_bob.wait_for("sync-finished", |event| event["operations_in"] == 1);
    assert_eq!(bob.run(&["cat", "@last"]).status.code(), Some(1));
    bob.joins(&write);
    assert_eq!(bob.cat(), "kept, ");
    alice.stdout(&["edit", "@last", "--at", "6", "--insert", "then read"]);
    eventually("Bob reads on", || bob.cat() == "kept, then read");
    drop(at_alice);
}

#[test]
fn a_document_that_was_deleted_and_joined_again_can_be_written_to() {
    let (alice, bob) = (Person::new(), Person::new());
    let _at_alice = alice.online();
    let code = alice.creates("one");
    let _at_bob = bob.online();
    bob.joins(&code);
    eventually("Bob has it", || bob.cat() == "one");
    alice.stdout(&["delete", "@last"]);
    alice.joins(&code);
    eventually("Alice has it again", || alice.cat() == "one");
    alice.stdout(&["edit", "@last", "--at", "3", "--insert", " two"]);
    eventually("Bob has what she wrote after", || bob.cat() == "one two");
}

#[test]
fn a_deleted_document_is_gone_here_and_stays_there() {
    let (alice, bob) = (Person::new(), Person::new());
    let at_alice = alice.online();
    let canary = "a sentence that nobody else would write";
    let code = alice.creates(canary);
    let at_bob = bob.online();
    bob.joins(&code);
    at_bob.wait_for("sync-finished", |event| event["operations_in"] == 1);
    alice.stdout(&["delete", "@last"]);
    assert_eq!(alice.json(&["list"]), Vec::<serde_json::Value>::new());
    assert_eq!(bob.cat(), canary);
    at_alice.terminate();
    let key = code_secret(&code);
    let database = std::fs::read(alice.data().join("database.sqlite")).unwrap();
    assert!(
        !database.windows(key.len()).any(|bytes| bytes == key),
        "no key remains in the file"
    );
    assert!(!alice.data().join("database.sqlite-wal").exists());
}

/// The 32 secret bytes in a write code, behind the version byte.
fn code_secret(code: &str) -> Vec<u8> {
    let (_, data) = bech32::decode(code).unwrap();
    data[1..33].to_vec()
}

#[test]
fn commands_answer_the_same_with_and_without_a_running_process() {
    let alice = Person::new();
    alice.creates("# A title\n\ntext");
    let alone = (
        alice.json(&["id"]),
        alice.cat(),
        alice.json(&["list"]),
        alice.json(&["code", "@last", "--no-hints"]),
    );
    let _online = alice.online();
    let served = (
        alice.json(&["id"]),
        alice.cat(),
        alice.json(&["list"]),
        alice.json(&["code", "@last", "--no-hints"]),
    );
    assert_eq!(alone, served);
    assert_eq!(served.2[0]["title"], json!("A title"));
    assert_eq!(served.2[0]["chars"], json!(15));
    assert_eq!(served.2[0]["access"], json!("write"));
}

#[test]
fn what_nobody_else_ever_had_is_missing_nowhere() {
    let (alice, bob) = (Person::new(), Person::new());
    alice.creates("# Ours\n");
    let alices = alice.online();
    bob.joins(alice.stdout(&["code", "@last"]).trim());
    let _bobs = bob.online();
    alice.creates("# Mine alone\n");
    eventually("both are equal", || bob.cat() == "# Ours\n");
    let begun = Instant::now();
    let synced = alice.json(&["sync", "--timeout", "50"]);
    assert_eq!(
        synced[0]["documents"], 1,
        "one has been exchanged with somebody"
    );
    assert!(begun.elapsed() < Duration::from_secs(40));
    // Asked for by name it is: the one who asks expects somebody to have it.
    let alone = alice.run(&["sync", "@last", "--timeout", "5"]);
    assert_eq!(alone.status.code(), Some(1));
    drop(alices);
}
