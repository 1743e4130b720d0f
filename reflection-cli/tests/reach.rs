// SPDX-License-Identifier: GPL-3.0-or-later
//! How far people reach, through whom they find each other, and what they are told of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::{Online, Person, eventually, stderr};
use reflection_node::access::{Access, Code, Hint};
use reflection_node::identity::AuthorId;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;

/// Internet sockets that a process holds.
fn internet_sockets(pid: u32) -> usize {
    let held: HashSet<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let name = target.to_str()?.to_owned();
            Some(name.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    ["udp", "udp6", "tcp", "tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok())
        .flat_map(|table| {
            let inodes: Vec<String> = table
                .lines()
                .skip(1)
                .filter_map(|line| line.split_whitespace().nth(9).map(str::to_owned))
                .collect();
            inodes
        })
        .filter(|inode| held.contains(inode))
        .count()
}

#[test]
fn a_bootstrap_node_introduces_two_who_share_a_document_and_nobody_else() {
    let (node, alice, bob, carol) = (Person::new(), Person::new(), Person::new(), Person::new());
    let way_in = node.online_with(&["--serve-bootstrap"]);
    let way_in_is = way_in.endpoint();
    alice.creates("met through somebody");
    carol.creates("something of my own");
    let code = alice.stdout(&["code", "@last", "--no-hints"]);
    assert!(bob.offline(&["join", code.trim()]).status.success());
    let online = |person: &Person| person.online_with(&["--bootstrap", &way_in_is]);
    let (at_carol, at_alice, at_bob) = (online(&carol), online(&alice), online(&bob));
    at_bob.wait_for("peer-found", |event| {
        event["how"] == "bootstrap" && event["peer"] == at_alice.ready["id"]
    });
    eventually("bob has the text", || bob.cat() == "met through somebody");
    while let Some(event) = at_carol.next_event() {
        assert_ne!(event["event"], "peer-found", "{event}");
    }
    // The node learnt of no document and shares none.
    assert_eq!(node.stdout(&["list"]), "");
}

#[test]
fn strangers_meet_who_know_a_relay_and_the_key_of_a_bootstrap_node() {
    let (server, node, alice, bob) = (Person::new(), Person::new(), Person::new(), Person::new());
    let serving = server.online_with(&["--serve-relay", "127.0.0.1:0"]);
    let relay = serving.ready["relay"].as_str().unwrap();
    let online = |person: &Person, more: &[&str]| {
        let by_relay = ["--mode", "internet", "--relay", relay, "--no-mdns"];
        let here = ["--bind", "127.0.0.1:0", "run"];
        let arguments = [&by_relay[..], &here, more].concat();
        Online::start(person.plain(&arguments))
    };
    let way_in = online(&node, &["--serve-bootstrap"]);
    let key = way_in.ready["id"].as_str().unwrap();
    alice.creates("met through a key");
    let code = alice.stdout(&["code", "@last", "--no-hints"]);
    assert!(bob.offline(&["join", code.trim()]).status.success());
    let at_alice = online(&alice, &["--bootstrap", key]);
    let at_bob = online(&bob, &["--bootstrap", key]);
    at_bob.wait_for("peer-found", |event| {
        event["how"] == "bootstrap" && event["peer"] == at_alice.ready["id"]
    });
    eventually("bob has the text", || bob.cat() == "met through a key");
}

#[test]
fn the_mode_changes_under_open_documents_and_is_remembered() {
    let (alice, bob) = (Person::new(), Person::new());
    let code = alice.creates("before");
    let at_alice = alice.online();
    let code = if code.is_empty() {
        code
    } else {
        alice.stdout(&["code", "@last"])
    };
    bob.joins(code.trim());
    let at_bob = bob.online();
    eventually("bob has the text", || bob.cat() == "before");
    assert!(internet_sockets(at_alice.pid()) > 0);

    assert_eq!(alice.stdout(&["mode"]), "local\n");
    assert_eq!(alice.stdout(&["mode", "offline"]), "offline\n");
    at_alice.wait_for("mode-changed", |event| event["mode"] == "offline");
    assert_eq!(internet_sockets(at_alice.pid()), 0);
    let gone = at_bob.wait_for("disconnected", |_| true);
    assert_eq!(gone["route"], "direct");
    assert!(gone["reason"].is_string() && gone["rtt_ms"].is_number());
    alice.stdout(&["edit", "@last", "--at", "6", "--insert", " and after"]);

    assert_eq!(alice.stdout(&["mode", "local"]), "local\n");
    eventually("bob has the rest", || bob.cat() == "before and after");
    alice.stdout(&["mode", "offline"]);
    assert!(at_alice.terminate() < Duration::from_secs(2));

    // Nothing runs: it is about the next time.
    let mode = |arguments: &[&str]| {
        String::from_utf8(alice.plain(arguments).output().unwrap().stdout).unwrap()
    };
    assert_eq!(mode(&["mode"]), "offline\n");
    let again = Online::start(alice.plain(&["run"]));
    assert_eq!(again.ready["addresses"], Value::Array(Vec::new()));
    assert_eq!(internet_sockets(again.pid()), 0);
    again.terminate();
    assert_eq!(mode(&["mode", "local"]), "local\n");
    let told = Online::start(alice.plain(&["--mode", "offline", "run"]));
    assert_eq!(told.ready["addresses"], Value::Array(Vec::new()));
    told.terminate();
    // An option is for once.
    assert_eq!(mode(&["mode"]), "local\n");
}

#[test]
fn the_running_process_tells_events_and_peers() {
    let (alice, bob) = (Person::new(), Person::new());
    assert!(stderr(&alice.offline(&["events"])).contains("no process is running"));
    alice.creates("shared");
    let at_alice = alice.online();
    let mut following = alice
        .plain(&["events", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut wait_for = |name: &str| -> Value {
        loop {
            let line = lines.next().unwrap().unwrap();
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    };
    wait_for("ready");
    let code = alice.stdout(&["code", "@last"]);
    bob.joins(code.trim());
    let at_bob = bob.online();
    let connected = wait_for("connected");
    assert_eq!(connected["peer"], at_bob.ready["id"]);
    assert_eq!(connected["route"], "direct");
    let synced = wait_for("sync-finished");
    assert!(synced["operations_out"].as_u64().unwrap() > 0);
    following.kill().unwrap();
    following.wait().unwrap();

    eventually("the exchange is noted", || {
        let peers = alice.json(&["peers"]);
        peers.len() == 1 && !peers[0]["last_sync"].is_null()
    });
    let known = &alice.json(&["peers"])[0];
    assert_eq!(known["peer"], at_bob.ready["id"]);
    assert_eq!(known["how"], "incoming");
    assert_eq!(known["connected"], true);
    assert_eq!(known["route"], "direct");
    assert!(known["last_seen"].is_string());
    at_alice.terminate();
    // The address book speaks of it when nothing runs.
    let known = &alice.json(&["peers"])[0];
    assert_eq!(known["connected"], false);
    assert!(known["last_sync"]["operations_out"].as_u64().unwrap() > 0);
    let all = bob.json(&["events"]);
    assert_eq!(all[0]["event"], "ready");
    assert!(all.iter().any(|event| event["event"] == "peer-found"));
}

#[test]
fn a_relay_that_does_not_answer_is_told() {
    let alice = Person::new();
    // Nothing listens at the discard port.
    let at_alice = Online::start(alice.plain(&[
        "--mode",
        "internet",
        "--relay",
        "http://127.0.0.1:9",
        "--no-mdns",
        "--bind",
        "127.0.0.1:0",
        "run",
    ]));
    let error = at_alice.wait_for("error", |_| true);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("no relay can be reached")
    );
}

/// A server whose certificate nobody vouches for; tells how each of its callers left.
fn impostor() -> (SocketAddr, mpsc::Receiver<rustls::Error>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (left, leaving) = mpsc::channel();
    std::thread::spawn(move || {
        for caller in listener.incoming() {
            let mut caller = caller.unwrap();
            let mut speaking = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            // Beyond the handshake there is nothing to say.
            let Err(error) = speaking.complete_io(&mut caller) else {
                continue;
            };
            let Some(error) = error.into_inner() else {
                continue;
            };
            if let Ok(error) = error.downcast::<rustls::Error>()
                && left.send(*error).is_err()
            {
                return;
            }
        }
    });
    (address, leaving)
}

#[test]
fn a_relay_with_a_certificate_that_nobody_vouches_for_is_left_and_told() {
    let alice = Person::new();
    let (address, leaving) = impostor();
    let at_alice = Online::start(alice.plain(&[
        "--mode",
        "internet",
        "--relay",
        &format!("https://{address}"),
        "--no-mdns",
        "--bind",
        "127.0.0.1:0",
        "run",
    ]));
    let error = at_alice.wait_for("error", |_| true);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("no relay can be reached"), "{message}");
    assert!(message.contains("certificate"), "{message}");
    let left = leaving.recv_timeout(common::PATIENCE).unwrap();
    assert!(
        matches!(left, rustls::Error::AlertReceived(_)),
        "it was left because of {left}"
    );
    assert!(at_alice.terminate() < Duration::from_secs(2));
}

#[test]
fn a_relay_and_a_bootstrap_node_are_closed_with_the_rest_in_time() {
    let alice = Person::new();
    let at_alice = alice.online_with(&["--serve-bootstrap", "--serve-relay", "127.0.0.1:0"]);
    let relay = at_alice.ready["relay"].as_str().unwrap().to_owned();
    assert!(relay.starts_with("http://127.0.0.1:"));
    let bob = Person::new();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let carol = Person::new().stdout(&["id"]);
    let nobody = format!("{}@{}", carol.trim(), silent.local_addr().unwrap());
    let at_bob = Online::start(bob.plain(&[
        "--mode",
        "internet",
        "--relay",
        &relay,
        "--no-mdns",
        "--bind",
        "127.0.0.1:0",
        "--peer",
        &nobody,
        "--bootstrap",
        &nobody,
        "run",
    ]));
    // While it dials where nobody answers.
    let mut first = [0; 1500];
    silent.recv(&mut first).unwrap();
    assert!(at_bob.terminate() < Duration::from_secs(2));
    assert!(at_alice.terminate() < Duration::from_secs(2));
}

/// Passes TCP on to a server and keeps what goes either way.
fn recording_proxy(server: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let tape = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&tape);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                let tape = Arc::clone(&written);
                std::thread::spawn(move || {
                    let mut bytes = [0; 16 * 1024];
                    while let Ok(count @ 1..) = from.read(&mut bytes) {
                        tape.lock().unwrap().extend_from_slice(&bytes[..count]);
                        if to.write_all(&bytes[..count]).is_err() {
                            return;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    (address, tape)
}

#[test]
fn a_relay_passes_on_what_it_cannot_read() {
    let (server, alice, bob) = (Person::new(), Person::new(), Person::new());
    let serving = server.online_with(&["--serve-relay", "127.0.0.1:0"]);
    let relay = serving.ready["relay"].as_str().unwrap();
    let behind = relay.strip_prefix("http://").unwrap().trim_end_matches('/');
    let (proxy, tape) = recording_proxy(behind.parse().unwrap());
    let relay = format!("http://{proxy}");
    let online = |person: &Person| {
        Online::start(person.plain(&[
            "--mode",
            "internet",
            "--relay",
            &relay,
            "--no-mdns",
            "--bind",
            "127.0.0.1:0",
            "run",
        ]))
    };
    let text = "# quaternionic\nzygomorphic\n";
    let code: Code = alice.creates(text).parse().unwrap();
    let at_alice = online(&alice);
    let endpoint: AuthorId = at_alice.ready["id"].as_str().unwrap().parse().unwrap();
    // The way by the relay is all that Bob is told of Alice.
    let hint = Hint {
        endpoint,
        addresses: Vec::new(),
        relay: Some(relay.parse().unwrap()),
    };
    let told = Code::new(code.keys(), Access::Write, vec![hint]).unwrap();
    let joined = bob.offline(&["join", &told.to_string()]);
    assert!(joined.status.success(), "{}", stderr(&joined));
    let at_bob = online(&bob);
    eventually("bob has the text", || {
        String::from_utf8_lossy(&bob.plain(&["cat", "@last"]).output().unwrap().stdout) == text
    });
    drop((at_alice, at_bob, serving));
    let tape = tape.lock().unwrap();
    let holds = |part: &[u8]| tape.windows(part.len()).any(|window| window == part);
    assert!(holds(endpoint.as_bytes()), "a relay knows who is reached");
    let (_, secret) = bech32::decode(&code.to_string()).unwrap();
    let topic = *code.keys().topic().as_bytes();
    for part in [
        b"quaternionic".as_slice(),
        b"zygomorphic",
        &topic,
        &secret[1..33],
    ] {
        assert!(!holds(part), "the relay saw something readable");
    }
}
