// SPDX-License-Identifier: GPL-3.0-or-later
//! No log holds what was typed, a title, a code or a key, however verbose it is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::process::Stdio;

use common::{Person, eventually};

/// Words that stand nowhere else.
const TYPED: &str = "zygomorphic";
const TITLE: &str = "quaternionic";

#[test]
fn the_most_verbose_log_holds_no_secret() {
    let (alice, bob) = (Person::new(), Person::new());
    let folder = tempfile::tempdir().unwrap();
    let online = |person: &Person, name: &str| {
        let log = std::fs::File::create(folder.path().join(name)).unwrap();
        let mut command = person.command(&["-vvvv", "run", "--replica"]);
        command
            .stderr(log)
            .stdout(Stdio::null())
            .env("RUST_LOG", "trace");
        let child = command.spawn().unwrap();
        eventually("the process serves its socket", || {
            person.data().join("socket").exists()
        });
        child
    };
    let mut processes = [online(&alice, "alice"), online(&bob, "bob")];
    let code = alice.stdout(&["new", "--title", TITLE]).trim().to_owned();
    bob.joins(&code);
    let end = format!("# {TITLE}\n").chars().count().to_string();
    eventually("Bob has the document", || bob.cat().contains(TITLE));
    bob.stdout(&["edit", "@last", "--at", &end, "--insert", TYPED]);
    eventually("Alice has the edit", || alice.cat().contains(TYPED));
    assert_eq!(
        alice.run(&["join", &code[..code.len() - 3]]).status.code(),
        Some(1)
    );
    let ticket = alice.stdout(&["replica", "ticket"]).trim().to_owned();
    let added = bob.json(&["replica", "add", &ticket, "@last"]);
    assert_eq!(added[0]["state"], "taken");
    for process in &mut processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let secret = {
        let (_, data) = bech32::decode(&code).unwrap();
        data[1..33].to_vec()
    };
    let grant = {
        let (_, data) = bech32::decode(&ticket).unwrap();
        hex(&data[1..33])
    };
    for name in ["alice", "bob"] {
        let person = if name == "alice" { &alice } else { &bob };
        let log =
            String::from_utf8_lossy(&std::fs::read(folder.path().join(name)).unwrap()).into_owned();
        assert!(log.lines().count() > 100, "the log is verbose");
        let key = std::fs::read_to_string(person.data().join("identity.key")).unwrap();
        let lowered = log.to_lowercase();
        for word in [
            TYPED,
            TITLE,
            &code,
            &code[6..40],
            key.trim(),
            &hex(&secret),
            &ticket,
            &ticket[7..40],
            &grant,
        ] {
            assert!(!lowered.contains(word), "{name}'s log holds a secret");
        }
        let listed = format!("{secret:?}");
        assert!(
            !log.contains(listed.trim_matches(['[', ']'])),
            "{name}'s log holds a secret"
        );
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
