// SPDX-License-Identifier: GPL-3.0-or-later
//! Copies at a replica that cannot read them, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Online, Person, eventually, stderr};
use serde_json::Value;

/// Words that stand nowhere else.
const TYPED: &str = "zygomorphic";
const TITLE: &str = "quaternionic";

fn ticket(replica: &Person) -> String {
    let ticket = replica.stdout(&["replica", "ticket"]).trim().to_owned();
    assert!(ticket.starts_with("ticket1"));
    ticket
}

/// Waits until a replica has confirmed everything of the last document.
fn is_kept(online: &Online, person: &Person) {
    let document = person.json(&["list"])[0]["document"].clone();
    let is_whole = |line: &Value| {
        line["document"] == document && line["state"] == "taken" && line["pending"] == 0
    };
    let list = || person.json(&["replica", "list"]);
    if !list().iter().any(is_whole) {
        online.wait_for("replica-progress", |event| {
            event["document"] == document && event["pending"] == 0 && list().iter().any(is_whole)
        });
    }
}

/// Everything in a person's data folder.
fn folder_bytes(person: &Person) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(person.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            all.extend(std::fs::read(path).unwrap());
        }
    }
    all
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_replica_alone_serves_a_newcomer_and_cannot_read_what_it_serves() {
    let (alice, bob, carol, replica) = (Person::new(), Person::new(), Person::new(), Person::new());
    let at_replica = replica.online_with(&["--replica"]);
    let ticket = ticket(&replica);
    let at_alice = alice.online();
    let text = format!("# {TITLE}\n{TYPED} by Alice\n");
    let write = alice.creates(&text);
    let added = alice.json(&["replica", "add", "--name", "attic", &ticket, "@last"]);
    assert_eq!(added[0]["state"], "taken", "{added:?}");
    assert_eq!(added[0]["name"], "attic");
    is_kept(&at_alice, &alice);
    assert_eq!(alice.json(&["list"])[0]["copies"], 1);
    let at_bob = bob.online();
    bob.joins(&write);
    eventually("Bob has the text", || bob.cat() == text);
    bob.stdout(&["edit", "@last", "--at", "0", "--insert", "by Bob\n"]);
    let text = format!("by Bob\n{text}");
    eventually("Alice has what Bob wrote", || alice.cat() == text);
    is_kept(&at_alice, &alice);
    let code = alice.stdout(&["code", "@last"]).trim().to_owned();
    // All authors leave, and the replica is restarted.
    at_alice.terminate();
    at_bob.terminate();
    at_replica.terminate();
    let held = folder_bytes(&replica);
    let (_, secret) = bech32::decode(&code).unwrap();
    for word in [
        TYPED.as_bytes(),
        TITLE.as_bytes(),
        b"by Bob",
        &secret[1..33],
    ] {
        assert!(!holds(&held, word), "the replica holds something readable");
    }
    assert!(
        holds(&folder_bytes(&alice), &secret[1..33]),
        "the search finds"
    );
    let at_replica = replica.online_with(&["--replica"]);
    assert_eq!(replica.run(&["cat", "@last"]).status.code(), Some(1));
    // The code names the replica beside Alice.
    carol.joins(&code);
    let synced = carol.json(&["sync"]);
    assert_eq!(synced[0]["documents"], 1);
    assert_eq!(carol.cat(), text);
    // And what Carol writes reaches Alice by the replica.
    carol.stdout(&["edit", "@last", "--at", "0", "--insert", "by Carol\n"]);
    carol.stdout(&["sync"]);
    let _at_alice = alice.online();
    eventually("Alice has what Carol wrote", || {
        alice.cat() == format!("by Carol\n{text}")
    });
    drop(at_replica);
}

#[test]
fn the_library_is_kept_with_what_comes_later_though_the_replica_is_away_at_first() {
    let (alice, replica) = (Person::new(), Person::new());
    let at_replica = replica.online_with(&["--replica"]);
    let ticket = ticket(&replica);
    at_replica.terminate();
    alice.creates("first");
    let added = alice.json(&["replica", "add", &ticket, "--timeout", "0.2"]);
    assert_eq!(added[0]["state"], "waiting");
    assert_eq!(added[0]["library"], true);
    let at_alice = alice.online();
    let at_replica = replica.online_with(&["--replica"]);
    is_kept(&at_alice, &alice);
    // A later document goes by itself, even after everything was restarted.
    at_alice.kill();
    at_replica.kill();
    let _at_replica = replica.online_with(&["--replica"]);
    let at_alice = alice.online();
    alice.creates("second");
    is_kept(&at_alice, &alice);
    eventually("both are kept", || {
        let list = alice.json(&["replica", "list"]);
        list.len() == 2
            && list
                .iter()
                .all(|line| line["state"] == "taken" && line["pending"] == 0)
    });
    let kept = replica.json(&["replica", "list"]);
    assert_eq!(kept[0]["documents"], 2);
    assert_eq!(kept[0]["assigner"], at_alice.ready["id"]);
    // A deleted document is withdrawn.
    alice.stdout(&["delete", "@last"]);
    eventually("the replica drops it", || {
        replica.json(&["list"]).len() == 1
    });
    eventually("the tombstone is gone", || {
        alice.json(&["replica", "list"]).len() == 1
    });
}

#[test]
fn what_is_removed_is_dropped_and_nobody_dials_any_more() {
    let (alice, replica) = (Person::new(), Person::new());
    let at_replica = replica.online_with(&["--replica"]);
    let ticket = ticket(&replica);
    let at_alice = alice.online();
    alice.creates("kept for a while");
    alice.stdout(&["replica", "add", &ticket, "@last"]);
    is_kept(&at_alice, &alice);
    let none: Vec<Value> = Vec::new();
    assert_eq!(alice.json(&["replica", "remove", &ticket]), none);
    assert_eq!(alice.json(&["replica", "list"]), none);
    assert_eq!(replica.json(&["replica", "list"]), none);
    assert_eq!(replica.json(&["list"]), none);
    at_alice.wait_for("disconnected", |_| true);
    eventually("it is no copy any more", || {
        alice.json(&["list"])[0]["copies"] == 0
    });
    // Neither dials the other after a restart: both wait for nobody, and sync finds nobody.
    at_alice.terminate();
    let at_alice = alice.online();
    let synced = alice.run(&["sync", "--timeout", "4"]);
    assert_eq!(synced.status.code(), Some(1), "{}", stderr(&synced));
    // Assigned again and removed while the replica is away, it is told when it comes by.
    alice.stdout(&["replica", "add", &ticket, "@last"]);
    is_kept(&at_alice, &alice);
    at_replica.terminate();
    let id = alice.json(&["replica", "list"])[0]["replica"].clone();
    let left = alice.json(&[
        "replica",
        "remove",
        id.as_str().unwrap(),
        "--timeout",
        "0.1",
    ]);
    assert_eq!(left[0]["state"], "withdrawn");
    let _at_replica = replica.online_with(&["--replica"]);
    eventually("the replica drops it", || replica.json(&["list"]) == none);
    eventually("the tombstone is gone", || {
        alice.json(&["replica", "list"]) == none
    });
}

#[test]
fn a_wrong_ticket_stores_nothing() {
    let (alice, replica) = (Person::new(), Person::new());
    let _at_replica = replica.online_with(&["--replica"]);
    let right = ticket(&replica);
    let _at_alice = alice.online();
    alice.creates("not for everybody");
    // A typing error is found before anything is sent.
    let mut typo = right.clone().into_bytes();
    typo[20] = if typo[20] == b'q' { b'p' } else { b'q' };
    let typo = String::from_utf8(typo).unwrap();
    let refused = alice.run(&["replica", "add", &typo, "@last"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("typing error"));
    // A guess is met with silence.
    let (part, mut bytes) = bech32::decode(&right).unwrap();
    bytes[7] ^= 1;
    let guess = bech32::encode::<bech32::Bech32m>(part, &bytes).unwrap();
    let added = alice.json(&["replica", "add", &guess, "@last"]);
    assert_eq!(added[0]["state"], "waiting");
    let trouble = added[0]["trouble"].as_str().unwrap();
    assert!(trouble.contains("does not know the ticket"), "{trouble}");
    let none: Vec<Value> = Vec::new();
    assert_eq!(replica.json(&["list"]), none);
    // The right one mends it.
    let added = alice.json(&["replica", "add", &right, "@last"]);
    assert_eq!(added[0]["state"], "taken", "{added:?}");
    // Made worthless by the replica, it is worth nothing.
    replica.stdout(&["replica", "remove", &right]);
    assert_eq!(replica.json(&["list"]), none);
}

#[test]
fn a_full_replica_says_so_keeps_what_it_has_and_goes_on_when_there_is_room() {
    const QUOTA: u64 = 60_000;
    let (alice, replica) = (Person::new(), Person::new());
    let quota = QUOTA.to_string();
    let at_replica = replica.online_with(&["--replica", "--quota", &quota]);
    let ticket = ticket(&replica);
    let at_alice = alice.online();
    alice.creates("small");
    alice.stdout(&["replica", "add", &ticket]);
    is_kept(&at_alice, &alice);
    // More than fits, in several operations.
    for number in 0_u8..10 {
        let text: String = noise(number).take(10_000).collect();
        alice.stdout(&["edit", "@last", "--at", "0", "--insert", &text]);
    }
    let told = at_alice.wait_for("replica-trouble", |event| !event["reason"].is_null());
    assert!(told["reason"].as_str().unwrap().contains("quota"));
    let list = alice.json(&["replica", "list"]);
    assert!(list[0]["pending"].as_u64().unwrap() > 0, "{list:?}");
    assert!(list[0]["trouble"].as_str().unwrap().contains("full"));
    let kept = replica.json(&["replica", "list"])[0]["bytes"]
        .as_u64()
        .unwrap();
    assert!((QUOTA..QUOTA + 20_000).contains(&kept), "{kept} bytes");
    // Nor does it take another document.
    alice.creates("no room");
    eventually("it is refused", || {
        let list = alice.json(&["replica", "list"]);
        list.iter().any(|line| line["state"] == "refused")
    });
    at_replica.terminate();
    let _at_replica = replica.online_with(&["--replica", "--quota", "1000000"]);
    eventually("everything is kept", || {
        let list = alice.json(&["replica", "list"]);
        list.iter().all(|line| {
            line["state"] == "taken" && line["pending"] == 0 && line["trouble"].is_null()
        })
    });
}

/// Letters that no compression makes much shorter.
fn noise(seed: u8) -> impl Iterator<Item = char> {
    let mut state = u64::from(seed) + 1;
    std::iter::from_fn(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from_u32(0x4e00 + u32::try_from(state >> 40).unwrap() % 20_000)
    })
}
