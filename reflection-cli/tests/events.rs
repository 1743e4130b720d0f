// SPDX-License-Identifier: GPL-3.0-or-later
//! Every event that scripts may wait for, told by the running process when the thing really happens,
//! with everything that belongs to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;
mod network;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::Command;

use common::{Online, Person, copy_folder, eventually};
use network::{Machine, Network};
use reflection_node::access::Code;
use reflection_node::identity::AuthorKey;
use reflection_node::operation::Kind;
use reflection_node::store::DataFolder;
use reflection_node::testing::{Ledger, Person as _};
use reflection_node::{Mode, NetworkConfig, Node};
use serde_json::Value;

/// What is told, and what is said about it.
const EVENTS: [(&str, &[&str]); 19] = [
    ("ready", &["id", "addresses"]),
    ("peer-found", &["peer", "how"]),
    ("connected", &["peer", "route", "address", "rtt_ms"]),
    (
        "disconnected",
        &["peer", "route", "address", "rtt_ms", "reason"],
    ),
    ("neighbor-up", &["peer", "document"]),
    ("neighbor-down", &["peer", "document"]),
    ("sync-started", &["peer", "document"]),
    (
        "sync-finished",
        &[
            "peer",
            "document",
            "operations_in",
            "operations_out",
            "bytes_in",
            "bytes_out",
            "duration_ms",
            "error",
        ],
    ),
    ("document-changed", &["document", "author", "chars"]),
    ("author-online", &["document", "author"]),
    ("author-offline", &["document", "author"]),
    ("operation-refused", &["reason", "author"]),
    ("fork", &["document", "author", "sequence"]),
    (
        "replica-progress",
        &["replica", "document", "acknowledged", "pending"],
    ),
    ("mode-changed", &["mode"]),
    ("network-up", &["addresses"]),
    ("network-down", &[]),
    ("storage-trouble", &["message"]),
    ("error", &["message"]),
];

/// Those that have been told so far.
#[derive(Default)]
struct Told(BTreeSet<String>);

impl Told {
    /// Waits until somebody's process has told these.
    fn hear(&mut self, person: &Person, names: &[&str]) {
        eventually(&format!("{names:?} are told"), || {
            let said = person.plain(&["--json", "events"]).output().unwrap();
            let said = String::from_utf8(said.stdout).unwrap();
            for line in said.lines() {
                self.take(&serde_json::from_str(line).unwrap());
            }
            names.iter().all(|name| self.0.contains(*name))
        });
    }

    fn take(&mut self, event: &Value) {
        let name = event["event"].as_str().unwrap();
        if let Some((_, fields)) = EVENTS.iter().find(|(known, _)| *known == name) {
            for field in *fields {
                assert!(event.get(field).is_some(), "{event} does not say {field}");
            }
            self.0.insert(name.to_owned());
        }
    }
}

#[test]
fn every_event_is_told_when_it_happens() {
    let mut told = Told::default();
    two_people_meet_and_part(&mut told);
    somebody_writes_nonsense(&mut told);
    a_backup_is_restored(&mut told);
    a_replica_keeps_a_document(&mut told);
    the_disk_is_full(&mut told);
    no_relay_answers(&mut told);
    let mut missing: Vec<&str> = EVENTS.iter().map(|(name, _)| *name).collect();
    match Network::new() {
        Some(network) => a_plug_is_pulled(&network, &mut told),
        // The network module has said why.
        None => missing.retain(|name| !name.starts_with("network-")),
    }
    missing.retain(|name| !told.0.contains(*name));
    assert_eq!(missing, [""; 0], "never told");
}

fn two_people_meet_and_part(told: &mut Told) {
    let (alice, bob) = (Person::new(), Person::new());
    alice.creates("# Minutes\n");
    let _at_alice = alice.online();
    bob.joins(alice.stdout(&["code", "@last"]).trim());
    let at_bob = bob.online();
    bob.stdout(&["edit", "@last", "--at", "0", "--insert", "Bob "]);
    told.hear(
        &alice,
        &[
            "ready",
            "peer-found",
            "connected",
            "sync-started",
            "sync-finished",
            "document-changed",
            "author-online",
            "neighbor-up",
        ],
    );
    at_bob.terminate();
    told.hear(&alice, &["author-offline", "neighbor-down", "disconnected"]);
    alice.stdout(&["mode", "offline"]);
    told.hear(&alice, &["mode-changed"]);
}

/// By a program that speaks the node's protocol and puts into operations what it likes.
fn somebody_writes_nonsense(told: &mut Told) {
    let alice = Person::new();
    alice.creates("# Minutes\n");
    let _at_alice = alice.online();
    let code: Code = alice.stdout(&["code", "@last"]).trim().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = runtime.block_on(async {
        let config = NetworkConfig {
            mode: Some(Mode::Local),
            bind: vec![(Ipv4Addr::LOCALHOST, 0).into()],
            mdns: false,
            ..NetworkConfig::default()
        };
        let folder = DataFolder::open(folder.path()).unwrap();
        let application = Ledger::default().application();
        let node = Node::start(folder, AuthorKey::generate(), config, application)
            .await
            .unwrap();
        node.join(&code).await.unwrap();
        let topic = code.keys().topic();
        let incarnation = node.incarnation(&topic).unwrap();
        let nonsense = b"a text as it was never agreed upon".to_vec();
        node.publish(&topic, Kind::Edit, incarnation, nonsense)
            .await
            .unwrap();
        node
    });
    told.hear(&alice, &["operation-refused"]);
    runtime.block_on(node.shutdown(common::PATIENCE));
}

fn a_backup_is_restored(told: &mut Told) {
    let (alice, bob) = (Person::new(), Person::new());
    let backup = tempfile::tempdir().unwrap();
    let code = alice.creates("one");
    copy_folder(&alice.data(), backup.path());
    let types = |text| {
        let edit = alice.offline(&["edit", "@last", "--at", "0", "--insert", text]);
        assert!(edit.status.success());
    };
    types("two ");
    let at_alice = alice.online();
    let at_bob = bob.online_with(&["--peer", &at_alice.endpoint()]);
    bob.joins(&code);
    eventually("Bob has it", || bob.cat() == "two one");
    at_alice.terminate();
    copy_folder(backup.path(), &alice.data());
    types("three ");
    let _at_alice = alice.online_with(&["--peer", &at_bob.endpoint()]);
    told.hear(&bob, &["fork"]);
}

fn a_replica_keeps_a_document(told: &mut Told) {
    let (alice, replica) = (Person::new(), Person::new());
    let _at_replica = replica.online_with(&["--replica"]);
    let ticket = replica.stdout(&["replica", "ticket"]);
    let _at_alice = alice.online();
    alice.creates("# Minutes\n");
    alice.stdout(&["replica", "add", ticket.trim(), "@last"]);
    told.hear(&alice, &["replica-progress"]);
}

fn the_disk_is_full(told: &mut Told) {
    let alice = Person::new();
    alice.creates("# Minutes\n");
    // No file may grow beyond that, and who tries is not killed but told.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_reflection-cli"))
        .arg("--data-dir")
        .arg(alice.data())
        .args(["--mode", "offline", "run"]);
    let _at_alice = Online::start(command);
    let text = "0123456789".repeat(10_000);
    let is_full = (0..200).any(|_| {
        let edit = ["edit", "@last", "--at", "0", "--insert", &text];
        !alice.plain(&edit).output().unwrap().status.success()
    });
    assert!(is_full, "the disk takes everything");
    told.hear(&alice, &["storage-trouble"]);
}

fn no_relay_answers(told: &mut Told) {
    let alice = Person::new();
    // Nothing listens at the discard port.
    let relay = ["--mode", "internet", "--relay", "http://127.0.0.1:9"];
    let rest = ["--no-mdns", "--bind", "127.0.0.1:0", "run"];
    let _at_alice = Online::start(alice.plain(&[relay, rest].concat()));
    told.hear(&alice, &["error"]);
}

fn a_plug_is_pulled(network: &Network, told: &mut Told) {
    let alice = Person::new();
    alice.creates("# Minutes\n");
    network.switch("home");
    let machine: Machine = network.machine();
    let cable = network.plug(&machine, "home", "10.99.0.1/24");
    machine.default_route(&cable);
    let command = alice.plain(&["--mode", "local", "--no-mdns", "run"]);
    let _at_alice = Online::start(machine.runs(&command));
    machine.down(&cable);
    told.hear(&alice, &["network-down"]);
    machine.up(&cable);
    machine.default_route(&cable);
    told.hear(&alice, &["network-up"]);
}
