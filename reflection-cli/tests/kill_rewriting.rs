// SPDX-License-Identifier: GPL-3.0-or-later
//! A crash while a log is being rewritten: made short, or joined with another form of itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Online, Person, copy_folder, eventually};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

/// Crashes during compactions.
const COMPACTIONS: u64 = 8;
/// Crashes during the mending of forks.
const FORKS: u64 = 3;
/// The seed of the moments at which they happen.
const SEED: u64 = 20_261_122;
/// Edits between two compactions.
const EDITS: usize = 2;

/// Returns after so long without giving up the processor: the moment of death is to fall anywhere.
fn spin(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Some part of a time and a little more.
fn moment(random: &mut StdRng, of: Duration) -> Duration {
    of * random.random_range(0..120) / 100
}

/// Nothing is wrong with what is stored.
fn is_sound(person: &Person) {
    let report: Vec<Value> = person.json(&["check"]);
    assert_eq!(report.last().unwrap()["problems"], 0, "{report:?}");
}

fn types(person: &Person, text: &mut String, insert: &str) {
    person.stdout(&["edit", "@last", "--at", "0", "--insert", insert]);
    text.insert_str(0, insert);
}

fn operations(person: &Person) -> usize {
    person.json(&["replay", "@last"]).len()
}

#[test]
fn a_log_whose_compaction_is_killed_is_the_old_or_the_new_one() {
    let mut random = StdRng::seed_from_u64(SEED);
    let alice = Person::new();
    let mut text = "begun long ago\n".repeat(4_000);
    alice.creates(&text);
    types(&alice, &mut text, "x");
    let started = Instant::now();
    alice.stdout(&["compact", "@last"]);
    let undisturbed = started.elapsed();
    let mut done = 0;
    for crash in 0..COMPACTIONS {
        for _ in 0..EDITS {
            types(&alice, &mut text, "abc ");
        }
        let before = operations(&alice);
        let mut compacting = alice
            .command(&["compact", "@last"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        spin(moment(&mut random, undisturbed));
        compacting.kill().unwrap();
        compacting.wait().unwrap();
        let after = operations(&alice);
        assert!(
            [1, before].contains(&after),
            "crash {crash}: {after} operations"
        );
        done += u64::from(after == 1);
        assert!(alice.cat() == text, "crash {crash}: another text");
        is_sound(&alice);
    }
    println!("{done} of {COMPACTIONS} killed compactions were done by then");
    // The log goes on in any case, and can be made short.
    types(&alice, &mut text, "end ");
    alice.stdout(&["compact", "@last"]);
    assert_eq!(operations(&alice), 1);
    assert!(alice.cat() == text);
}

/// Makes Alice go back to a backup of now after Bob has got what she writes, and write something
/// else.
fn part(alice: &Person, bob: &Person, round: u64, at_alice: Online) {
    let backup = tempfile::tempdir().unwrap();
    at_alice.terminate();
    copy_folder(&alice.data(), backup.path());
    let at_alice = alice.online();
    let left = format!("left {round}\n");
    alice.stdout(&["edit", "@last", "--at", "0", "--insert", &left]);
    eventually("Bob has it", || bob.cat().contains(&left));
    at_alice.terminate();
    copy_folder(backup.path(), &alice.data());
    let right = format!("right {round}\n");
    alice.offline(&["edit", "@last", "--at", "0", "--insert", &right]);
}

#[test]
fn a_fork_whose_mending_is_killed_is_mended_later_and_nothing_is_lost() {
    let mut random = StdRng::seed_from_u64(SEED);
    let (alice, bob) = (Person::new(), Person::new());
    let mut at_alice = alice.online();
    let code = alice.creates("base\n");
    let _at_bob = bob.online();
    bob.joins(&code);
    eventually("Bob has the text", || bob.cat() == "base\n");
    let mut undisturbed = Duration::ZERO;
    for round in 0..=FORKS {
        part(&alice, &bob, round, at_alice);
        let started = Instant::now();
        let online = alice.online();
        // The first round shows how long it takes.
        if round == 0 {
            let own = online.ready["id"].clone();
            online.wait_for("fork", |event| event["author"] == own);
            undisturbed = started.elapsed();
            at_alice = online;
        } else {
            let ready = started.elapsed();
            spin(moment(&mut random, undisturbed.saturating_sub(ready)));
            online.kill();
            is_sound(&alice);
            at_alice = alice.online();
        }
        let said = [format!("left {round}\n"), format!("right {round}\n")];
        eventually("Alice has both branches", || {
            let text = alice.cat();
            said.iter().all(|line| text.contains(line))
        });
        eventually("Bob has the same", || alice.cat() == bob.cat());
        is_sound(&alice);
    }
    let text = bob.cat();
    for round in 0..=FORKS {
        for side in ["left", "right"] {
            let line = format!("{side} {round}\n");
            assert_eq!(text.matches(&line).count(), 1, "{line:?} in {text:?}");
        }
    }
    assert_eq!(text.lines().count() as u64, 1 + 2 * (FORKS + 1), "{text:?}");
}
