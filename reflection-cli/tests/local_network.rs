// SPDX-License-Identifier: GPL-3.0-or-later
//! On a local network no hint is needed: people find each other by multicast DNS.
//!
//! The network is one of the test's own, in a namespace with nothing else in it. Where the system
//! allows no namespaces the test says so and shows nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use std::process::{Command, Output};

use common::Person;

/// Interfaces for a network that ends at this machine, and a route so that multicast leaves.
const NETWORK: &str = "
set -e
export PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
ip link add here type veth peer name there
ip link set there up
ip addr add 10.99.0.1/24 dev here
ip link set here up
ip route add default via 10.99.0.254
";

/// Two people stay online; the second joins by a code without hints and waits for the text.
const STORY: &str = r#"
"$cli" --data-dir "$alice" --mode local run > "$alice.events" & at_alice=$!
"$cli" --data-dir "$bob" --mode local run > "$bob.events" & at_bob=$!
trap 'kill $at_alice $at_bob 2>/dev/null; wait' EXIT
until [ -S "$alice/socket" ] && [ -S "$bob/socket" ]; do read -r -t 0.02 <> <(:) || true; done
"$cli" --data-dir "$alice" new --title 'Found nearby' > /dev/null
code=$("$cli" --data-dir "$alice" code @last --no-hints)
"$cli" --data-dir "$bob" join "$code" > /dev/null
for _ in $(seq 1000); do
    text=$("$cli" --data-dir "$bob" cat @last)
    if [ -n "$text" ]; then printf '%s' "$text"; exit 0; fi
    read -r -t 0.02 <> <(:) || true
done
exit 1
"#;

fn in_a_network_of_its_own(script: &str, people: [&Person; 2]) -> Output {
    let folder = |person: &Person| {
        std::fs::create_dir_all(person.data().parent().unwrap()).unwrap();
        person.data()
    };
    Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "bash", "-c", script])
        .env("cli", env!("CARGO_BIN_EXE_reflection-cli"))
        .env("alice", folder(people[0]))
        .env("bob", folder(people[1]))
        .output()
        .unwrap()
}

#[test]
fn a_code_without_hints_is_enough() {
    let (alice, bob) = (Person::new(), Person::new());
    let network = in_a_network_of_its_own(NETWORK, [&alice, &bob]);
    if !network.status.success() {
        eprintln!(
            "SKIPPED: no network of its own can be made here: {}",
            String::from_utf8_lossy(&network.stderr)
        );
        return;
    }
    let output = in_a_network_of_its_own(&format!("{NETWORK}{STORY}"), [&alice, &bob]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        text,
        "# Found nearby",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let events = [&alice, &bob]
        .map(|person| std::fs::read_to_string(person.data().with_extension("events")).unwrap());
    // Whoever hears the other first dials.
    assert!(events.concat().contains(r#""how":"mdns""#), "{events:?}");
}
