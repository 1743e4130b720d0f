// SPDX-License-Identifier: GPL-3.0-or-later
//! Every command while somebody is online: the running process carries it out, since nobody else may
//! touch the folder that it holds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;

use common::{Person, eventually, stderr, trace};
use serde_json::Value;

/// Carries out a command by the running process, without any option of its own, and gives its results.
#[track_caller]
fn asks(person: &Person, arguments: &[&str]) -> Vec<Value> {
    let mut all = vec!["--json"];
    all.extend_from_slice(arguments);
    let output = person.plain(&all).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// That there is a result, and that each says all that scripts rely on.
#[track_caller]
fn say(results: &[Value], fields: &[&str]) {
    assert!(!results.is_empty(), "nothing is said of {fields:?}");
    for (result, field) in results
        .iter()
        .flat_map(|one| fields.iter().map(move |field| (one, field)))
    {
        assert!(result.get(field).is_some(), "{result} does not say {field}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn documents_are_made_and_written_by_the_running_process() {
    let alice = Person::new();
    let online = alice.online();
    assert!(alice.data().join("socket").exists());
    assert_eq!(asks(&alice, &["id"])[0]["id"], online.ready["id"]);
    let made = asks(&alice, &["new", "--title", "Minutes"]);
    say(&made, &["document", "code"]);
    let document = text(&made[0]["document"]);
    let edit = ["edit", document, "--at", "0", "--insert", "zygomorphic "];
    say(&asks(&alice, &edit), &["document", "operation"]);
    let listed = asks(&alice, &["list"]);
    let fields = [
        "document", "title", "access", "chars", "unread", "updated", "copies",
    ];
    say(&listed, &fields);
    assert_eq!(listed.len(), 1);
    assert_eq!(
        asks(&alice, &["cat", document])[0]["text"],
        "zygomorphic # Minutes\n"
    );
    let code = asks(&alice, &["code", document, "--read-only", "--no-hints"]);
    say(&code, &["code", "access"]);
    assert!(text(&code[0]["code"]).starts_with("read1"));
    say(
        &asks(&alice, &["search", "zygomorphic"]),
        &["document", "title", "snippet"],
    );

    let history = asks(&alice, &["history", document]);
    say(&history, &["version", "author", "time", "added", "deleted"]);
    let first = text(&history.last().unwrap()["version"]).to_owned();
    let newest = text(&history[0]["version"]).to_owned();
    let old = asks(&alice, &["cat", document, "--version", &first]);
    say(&old, &["text"]);
    asks(&alice, &["diff", document, &first, &newest]);
    say(
        &asks(&alice, &["blame", document]),
        &["from", "to", "author"],
    );
    asks(&alice, &["restore", document, &first]);
    assert_eq!(asks(&alice, &["cat", document])[0]["text"], old[0]["text"]);

    asks(&alice, &["new"]);
    let file = trace("friendsforever_flat.json.gz");
    let played = asks(&alice, &["play", "@last", file.to_str().unwrap()]);
    say(
        &played[played.len() - 1..],
        &["edits", "operations", "seconds"],
    );
    assert!(online.terminate() < common::PATIENCE);
    assert!(!alice.data().join("socket").exists());
}

#[test]
fn files_go_in_and_out_through_the_running_process() {
    let alice = Person::new();
    let _online = alice.online();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("notes.md"), "# Notes\n").unwrap();
    asks(&alice, &["import", path("notes.md").to_str().unwrap()]);
    assert_eq!(asks(&alice, &["list"])[0]["title"], "Notes");
    let out = path("out");
    asks(
        &alice,
        &["export", "--to", out.to_str().unwrap(), "--format", "txt"],
    );
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files(&out), 1);
    asks(&alice, &["delete", "@last"]);
    assert!(asks(&alice, &["list"]).is_empty());
}

#[test]
fn the_store_is_looked_after_by_the_running_process() {
    let alice = Person::new();
    let _online = alice.online();
    asks(&alice, &["new", "--title", "Minutes"]);
    for word in ["one ", "two ", "three "] {
        asks(&alice, &["edit", "@last", "--at", "0", "--insert", word]);
    }
    let replayed = asks(&alice, &["replay", "@last"]);
    assert!(replayed.len() >= 4, "{replayed:?}");
    let last = asks(&alice, &["replay", "@last", "--from", "3"]).len();
    assert!(last < replayed.len(), "a part is less than the whole");
    say(&asks(&alice, &["compact", "@last"])[..1], &["document"]);
    assert_eq!(asks(&alice, &["replay", "@last"]).len(), 1);
    for repair in [&["check"] as &[&str], &["check", "--repair"]] {
        assert!(!asks(&alice, repair).is_empty());
    }
    say(&asks(&alice, &["rebuild", "@last"]), &["document"]);
    say(
        &asks(&alice, &["stats", "@last"])[..1],
        &["operations", "authors"],
    );
    assert_eq!(
        asks(&alice, &["cat", "@last"])[0]["text"],
        "three two one # Minutes\n"
    );
}

#[test]
fn others_are_met_through_the_running_processes() {
    let (alice, bob, replica) = (Person::new(), Person::new(), Person::new());
    let _at_alice = alice.online();
    asks(&alice, &["new", "--title", "Minutes"]);
    let code = asks(&alice, &["code", "@last"]);
    let at_bob = bob.online();
    say(
        &asks(&bob, &["join", text(&code[0]["code"])]),
        &["document", "access"],
    );
    let synced = asks(&bob, &["sync", "--timeout", "60"]);
    let fields = [
        "documents",
        "operations_in",
        "operations_out",
        "bytes_in",
        "bytes_out",
        "seconds",
    ];
    say(&synced, &fields);
    assert_eq!(asks(&bob, &["cat", "@last"])[0]["text"], "# Minutes\n");
    say(&asks(&bob, &["events"]), &["event"]);
    eventually("Alice knows Bob", || {
        let peers = asks(&alice, &["peers"]);
        peers
            .iter()
            .any(|peer| peer["peer"] == at_bob.ready["id"] && peer["connected"] == true)
    });

    let at_replica = replica.online_with(&["--replica"]);
    let ticket = asks(&replica, &["replica", "ticket"]);
    say(&ticket, &["ticket"]);
    let ticket = text(&ticket[0]["ticket"]);
    let wait = ["--timeout", "60"];
    let added = asks(
        &alice,
        &[&["replica", "add", ticket, "@last"] as &[&str], &wait].concat(),
    );
    assert_eq!(added[0]["state"], "taken", "{added:?}");
    eventually("the replica has confirmed it", || {
        let list = asks(&alice, &["replica", "list"]);
        say(&list, &["acknowledged", "pending"]);
        list[0]["pending"] == 0
    });
    let id = text(&at_replica.ready["id"]);
    asks(
        &alice,
        &[&["replica", "remove", id] as &[&str], &wait].concat(),
    );
    eventually("nothing is kept any more", || {
        asks(&alice, &["replica", "list"]).is_empty()
    });

    assert_eq!(asks(&alice, &["mode"])[0]["mode"], "local");
    assert_eq!(asks(&alice, &["mode", "offline"])[0]["mode"], "offline");
    eventually("Bob has noticed", || {
        asks(&bob, &["peers"])
            .iter()
            .all(|peer| peer["connected"] == false)
    });
}
