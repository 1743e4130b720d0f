// SPDX-License-Identifier: GPL-3.0-or-later
//! What goes wrong: one clear sentence, and the exit code that scripts rely on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use common::{Person, stderr};

#[track_caller]
fn check(output: &Output, code: i32, sentence: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty());
    assert!(said.contains(sentence), "{said}");
    if code == 1 {
        assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    }
}

#[test]
fn a_wrong_a_cut_and_a_mistyped_code() {
    let alice = Person::new();
    let code = alice.creates("text");
    let bob = Person::new();
    check(
        &bob.run(&["join", "hello"]),
        1,
        "this is not a Reflection code",
    );
    let cut = &code[..code.len() - 5];
    check(
        &bob.run(&["join", cut]),
        1,
        "the code is incomplete or has a typing error",
    );
    let mistyped = format!("{}{}", &code[..20], code[20..].replacen('q', "p", 1));
    assert_ne!(mistyped, code);
    check(
        &bob.run(&["join", &mistyped]),
        1,
        "the code is incomplete or has a typing error",
    );
    assert!(bob.json(&["list"]).is_empty());
}

#[test]
fn a_folder_that_cannot_be_written() {
    let alice = Person::new();
    let parent = alice.data().parent().unwrap().to_owned();
    std::fs::write(parent.join("file"), "").unwrap();
    let inside_a_file = parent.join("file/data");
    let mut command = alice.command(&["id"]);
    command.arg("--data-dir").arg(&inside_a_file);
    check_unusable(&command_with_folder(&alice, &inside_a_file));
    // Who is root may write everywhere; the rest of this cannot be shown then.
    let locked = parent.join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o500)).unwrap();
    if std::fs::write(locked.join("probe"), "").is_err() {
        check_unusable(&command_with_folder(&alice, &locked));
    }
}

fn command_with_folder(person: &Person, folder: &std::path::Path) -> Output {
    let program = person.command(&[]).get_program().to_owned();
    std::process::Command::new(program)
        .args(["--mode", "offline", "--data-dir"])
        .arg(folder)
        .arg("id")
        .output()
        .unwrap()
}

#[track_caller]
fn check_unusable(output: &Output) {
    check(output, 1, "cannot be used");
}

#[test]
fn a_folder_that_is_in_use_by_something_that_serves_no_socket() {
    let alice = Person::new();
    alice.creates("text");
    let lock = std::fs::File::open(alice.data().join("lock")).unwrap();
    lock.try_lock().unwrap();
    check(&alice.run(&["list"]), 1, "is in use by another program");
    lock.unlock().unwrap();
    alice.stdout(&["list"]);
}

#[test]
fn a_second_process_that_wants_to_stay_online() {
    let alice = Person::new();
    let _online = alice.online();
    check(&alice.run(&["run"]), 1, "is in use by another program");
}

#[test]
fn an_address_that_is_in_use() {
    let alice = Person::new();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let program = alice.command(&[]).get_program().to_owned();
    let output = std::process::Command::new(program)
        .arg("--data-dir")
        .arg(alice.data())
        .args(["--mode", "local", "--no-mdns", "--bind", &address, "run"])
        .output()
        .unwrap();
    check(
        &output,
        1,
        &format!("cannot listen at {address}: the address is in use"),
    );
}

#[test]
fn relays_and_peers_that_cannot_be_are_wrong_use() {
    let alice = Person::new();
    // A point that is on the curve nowhere.
    let nobody = format!("02{}", "0".repeat(62));
    let nobody_there = format!("{nobody}@127.0.0.1:1");
    for (option, value, sentence) in [
        (
            "--relay",
            "ftp://relay.example",
            "begins with neither https:// nor http://",
        ),
        (
            "--relay",
            "relay.example:443",
            "begins with neither https:// nor http://",
        ),
        ("--relay", "relay", "is not a URL"),
        ("--bootstrap", &nobody, "is nobody's public key"),
        ("--peer", &nobody_there, "is nobody's public key"),
    ] {
        check(&alice.run(&[option, value, "run"]), 2, sentence);
    }
}

#[test]
fn data_of_a_newer_version_is_left_untouched() {
    let alice = Person::new();
    alice.creates("text");
    let version = alice.data().join("version");
    std::fs::write(&version, "999\n").unwrap();
    let before = std::fs::read(alice.data().join("database.sqlite")).unwrap();
    check(
        &alice.run(&["list"]),
        1,
        "was written by a newer version of Reflection",
    );
    assert_eq!(
        std::fs::read(alice.data().join("database.sqlite")).unwrap(),
        before
    );
}

#[test]
fn a_document_that_is_not_there_or_not_named_clearly() {
    let alice = Person::new();
    check(&alice.run(&["cat", "@last"]), 1, "there are no documents");
    alice.creates("text");
    check(
        &alice.run(&["cat", "ffffffffffffffff"]),
        1,
        "there is no such document here",
    );
    check(
        &alice.run(&["cat", "nonsense"]),
        2,
        "a document is named by its id",
    );
    check(
        &alice.run(&["edit", "@last", "--at", "99"]),
        1,
        "beyond the 4 characters",
    );
}

#[test]
fn wrong_use() {
    let alice = Person::new();
    check(&alice.run(&["fly"]), 2, "unrecognized subcommand");
    check(&alice.run(&["edit", "@last"]), 2, "--at");
    check(&alice.run(&["sync", "--timeout", "-1"]), 2, "");
    let help = alice.run(&["--help"]);
    assert!(help.status.success());
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .contains("--data-dir")
    );
}

#[test]
fn nobody_to_exchange_with() {
    let alice = Person::new();
    alice.creates("text");
    let alone = alice.run(&["sync", "--timeout", "1"]);
    assert_eq!(alone.status.code(), Some(1));
    assert!(stderr(&alone).contains("nobody could be reached"));
}

#[test]
fn an_identity_kept_elsewhere_is_not_replaced() {
    let alice = Person::new();
    alice.creates("text");
    let key = alice.data().join("identity.key");
    std::fs::rename(&key, alice.data().join("elsewhere")).unwrap();
    check(
        &alice.run(&["list"]),
        1,
        "the desktop's key store keeps it, or it is lost",
    );
    assert!(!key.exists());
}
