// SPDX-License-Identifier: GPL-3.0-or-later
//! Installations that were copied or restored from a backup: one key, two histories.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use common::{Online, Person, copy_folder, eventually, trace};

fn types(person: &Person, at: usize, text: &str) {
    person.stdout(&["edit", "@last", "--at", &at.to_string(), "--insert", text]);
}

fn has(person: &Person, text: &str) {
    eventually(&format!("the text becomes {text:?}"), || {
        person.cat() == text
    });
}

/// Alice, who made a document with this text, and Bob, who has it; and what Alice's folder was
/// like then.
fn shared(text: &str) -> (Person, Online, Person, Online, tempfile::TempDir, String) {
    let (alice, bob) = (Person::new(), Person::new());
    let at_alice = alice.online();
    let code = alice.creates(text);
    let at_bob = bob.online();
    bob.joins(&code);
    at_bob.wait_for("sync-finished", |event| event["operations_in"] == 1);
    at_alice.terminate();
    let backup = tempfile::tempdir().unwrap();
    copy_folder(&alice.data(), backup.path());
    let at_alice = alice.online();
    (alice, at_alice, bob, at_bob, backup, code)
}

#[test]
fn a_restored_backup_takes_back_what_it_had_forgotten_before_it_writes() {
    let (alice, at_alice, bob, at_bob, backup, _) = shared("one");
    types(&alice, 3, " two");
    has(&bob, "one two");
    at_alice.terminate();
    copy_folder(backup.path(), &alice.data());
    assert_eq!(alice.offline(&["cat", "@last"]).stdout, b"one");
    let at_alice = alice.online();
    has(&alice, "one two");
    types(&alice, 7, " three");
    has(&bob, "one two three");
    types(&bob, 0, "zero ");
    has(&alice, "zero one two three");
    at_alice.terminate();
    at_bob.terminate();
}

#[test]
fn a_backup_that_was_written_to_is_joined_with_what_others_hold() {
    let (alice, at_alice, bob, at_bob, backup, code) = shared("base\n");
    let carol = Person::new();
    let at_carol = carol.online();
    carol.joins(&code);
    has(&carol, "base\n");
    types(&alice, 5, "left\n");
    has(&bob, "base\nleft\n");
    has(&carol, "base\nleft\n");
    at_alice.terminate();
    at_carol.terminate();
    copy_folder(backup.path(), &alice.data());
    // Longer than the other branch, so that this is the one that keeps its place in the CRDT.
    alice.offline(&["edit", "@last", "--at", "5", "--insert", "right and more\n"]);
    alice.offline(&["edit", "@last", "--at", "0", "--insert", "top\n"]);
    let at_alice = alice.online();
    at_bob.wait_for("fork", |event| event["author"] == at_alice.ready["id"]);
    eventually("both branches are at Alice's", || {
        let text = alice.cat();
        text.contains("left\n") && text.contains("right and more\n")
    });
    eventually("Bob has the same", || alice.cat() == bob.cat());
    let text = alice.cat();
    assert_eq!(
        text.len(),
        "base\nleft\nright and more\ntop\n".len(),
        "{text}"
    );
    at_alice.terminate();
    // Carol held the branch that lost, and hears of it from Bob alone.
    let address = at_bob.ready["addresses"][0].as_str().unwrap();
    let peer = format!("{}@{address}", at_bob.ready["id"].as_str().unwrap());
    at_bob.terminate();
    let at_carol = carol.online_with(&["--peer", &peer]);
    let _at_bob = bob.online();
    at_carol.wait_for("fork", |_| true);
    has(&carol, &text);
    types(&carol, 0, "Carol\n");
    has(&bob, &format!("Carol\n{text}"));
    let _at_alice = alice.online();
    has(&alice, &format!("Carol\n{text}"));
    types(&alice, 0, "Alice\n");
    has(&carol, &format!("Alice\nCarol\n{text}"));
}

/// What the opening stands for cannot be compared with what others hold by its place in the log.
#[test]
fn a_backup_that_was_written_to_and_compacted_takes_nothing_from_others() {
    for lines in [1, 4] {
        let (alice, at_alice, bob, at_bob, backup, _) = shared("base\n");
        types(&alice, 5, "left\n");
        has(&bob, "base\nleft\n");
        at_alice.terminate();
        copy_folder(backup.path(), &alice.data());
        for _ in 0..lines {
            alice.offline(&["edit", "@last", "--at", "5", "--insert", "rite\n"]);
        }
        alice.offline(&["compact"]);
        let at_alice = alice.online();
        eventually("both branches are at Alice's", || {
            let text = alice.cat();
            text.matches("left\n").count() == 1 && text.matches("rite\n").count() == lines
        });
        eventually("Bob has the same", || alice.cat() == bob.cat());
        assert_eq!(bob.cat().len(), 5 * (lines + 2));
        types(&bob, 0, "Bob\n");
        eventually("Alice has the same", || alice.cat() == bob.cat());
        at_alice.terminate();
        at_bob.terminate();
        for person in [&alice, &bob] {
            let check = person.offline(&["check"]);
            assert!(check.status.success(), "{}", common::stderr(&check));
        }
    }
}

/// Bob has answered what was lost with the disk, and was answered.
#[test]
fn what_others_wrote_upon_what_was_lost_stays_theirs() {
    let (alice, at_alice, bob, at_bob, backup, _) = shared("base\n");
    for _ in 0..2 {
        types(&alice, 5, "Alice\n");
        eventually("Bob has it", || alice.cat() == bob.cat());
        types(&bob, 11, "Bob\n");
        eventually("Alice has it", || alice.cat() == bob.cat());
    }
    at_alice.terminate();
    copy_folder(backup.path(), &alice.data());
    for _ in 0..8 {
        alice.offline(&["edit", "@last", "--at", "0", "--insert", "again\n"]);
    }
    let at_alice = alice.online();
    eventually("all of it is at Alice's", || {
        let text = alice.cat();
        text.contains("Alice\n") && text.matches("again\n").count() == 8
    });
    eventually("Bob has the same", || alice.cat() == bob.cat());
    let text = bob.cat();
    assert_eq!(text.matches("Alice\n").count(), 2, "{text}");
    assert_eq!(text.matches("Bob\n").count(), 2, "{text}");
    let letters: Vec<char> = text.chars().collect();
    for run in bob.json(&["blame", "@last"]) {
        let place = |name: &str| usize::try_from(run[name].as_u64().unwrap()).unwrap();
        let said: String = letters[place("from")..place("to")].iter().collect();
        let is_bobs = run["author"] == at_bob.ready["id"];
        assert_eq!(is_bobs, said.contains("Bob"), "{said}");
    }
    at_alice.terminate();
    at_bob.terminate();
}

#[test]
fn two_devices_with_one_key_come_to_rest() {
    let (alice, at_alice, bob, at_bob, backup, _) = shared("base\n");
    at_alice.terminate();
    let copied = Person::new();
    copy_folder(backup.path(), &copied.data());
    for round in 0..3 {
        for (device, name) in [(&alice, "first"), (&copied, "second")] {
            device.offline(&[
                "edit",
                "@last",
                "--at",
                "0",
                "--insert",
                &format!("{name} {round}\n"),
            ]);
        }
        for device in [&alice, &copied, &alice, &copied] {
            let online = device.online();
            eventually("they are equal", || device.cat() == bob.cat());
            online.terminate();
        }
    }
    let text = bob.cat();
    for round in 0..3 {
        for name in ["first", "second"] {
            assert_eq!(
                text.matches(&format!("{name} {round}\n")).count(),
                1,
                "{text}"
            );
        }
    }
    assert_eq!(text.lines().count(), 7);
    at_bob.terminate();
}

/// Played, as typed, while the log turns out to go on in two ways.
#[test]
fn what_is_being_played_goes_on_after_the_log_was_mended() {
    let (alice, at_alice, bob, at_bob, backup, _) = shared("base\n");
    types(&alice, 5, "left\n");
    has(&bob, "base\nleft\n");
    at_bob.terminate();
    at_alice.terminate();
    copy_folder(backup.path(), &alice.data());
    let _at_alice = alice.online();
    let file = trace("sveltecomponent.json.gz");
    let file = file.to_str().unwrap();
    let mut player = alice
        .command(&[
            "play", "@last", file, "--agent", "0", "--rate", "50", "--ack",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = BufReader::new(player.stdout.take().unwrap()).lines();
    let mut next = || acknowledged.next().expect("it goes on playing").unwrap();
    next();
    let _at_bob = bob.online();
    eventually("both branches are at Alice's", || {
        alice.cat().contains("left\n")
    });
    // What was acknowledged by now may have been on its way; what comes after that was not.
    let until = |text: &str| -> usize { text.strip_prefix("acked ").unwrap().parse().unwrap() };
    let now = until(&next());
    while until(&next()) < now + 50 {}
    player.kill().unwrap();
    player.wait().unwrap();
    eventually("Bob has the same", || alice.cat() == bob.cat());
    assert_eq!(bob.cat().matches("left\n").count(), 1);
}
