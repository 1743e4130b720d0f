// SPDX-License-Identifier: GPL-3.0-or-later
//! Networks that fail, between processes on real sockets: everybody writes on meanwhile, and has
//! the same text within fifteen seconds of the network being whole again.
//!
//! The stories spend most of their time waiting for an outage to have its length, so all of them
//! run at once. `REFLECTION_STORY=name` runs one; `REFLECTION_SOAK=1` makes the outages as long as
//! those of real life.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;
mod network;

use std::time::{Duration, Instant};

use common::{Online, PATIENCE, Person};
use network::forwarder::{Forwarder, work_if_told};
use network::{Cable, Machine, Network};
use rustix::process::{Pid, Signal, kill_process};

/// How long it may take until everybody has the same text again.
const HEALING: Duration = Duration::from_secs(15);
/// The same after a change of address: where the first dial anew goes astray, the silent path has to
/// be given up first, which takes QUIC twenty seconds.
const MOVING: Duration = Duration::from_secs(45);
/// How long somebody who waits for a text looks for events of one process before the next.
const GLANCE: Duration = Duration::from_millis(50);

type Story = (&'static str, fn(&Network));

const STORIES: [Story; 11] = [
    ("found-nearby", found_nearby),
    ("a-silent-cut", a_silent_cut),
    ("a-pulled-plug", a_pulled_plug),
    (
        "an-interface-that-comes-later",
        an_interface_that_comes_later,
    ),
    ("another-address", another_address),
    ("a-stopped-process", a_stopped_process),
    ("nothing-but-a-relay", nothing_but_a_relay),
    ("a-relay-that-starts-again", a_relay_that_starts_again),
    (
        "a-relay-that-is-away-for-long",
        a_relay_that_is_away_for_long,
    ),
    ("two-strangers", two_strangers),
    (
        "three-packets-in-ten-are-lost",
        three_packets_in_ten_are_lost,
    ),
];

#[test]
fn everybody_has_the_same_text_soon_after_the_network_is_whole_again() {
    if Network::new().is_none() {
        return;
    }
    let wanted = std::env::var("REFLECTION_STORY").ok();
    let told: Vec<_> = STORIES
        .iter()
        .filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == name))
        .map(|(name, story)| {
            let telling = std::thread::Builder::new().name((*name).to_owned());
            let told = telling.spawn(move || story(&Network::new().expect("there was one")));
            (name, told.unwrap())
        })
        .collect();
    assert!(!told.is_empty(), "no story has that name");
    let failed: Vec<_> = told
        .into_iter()
        .filter_map(|(name, told)| told.join().is_err().then_some(name))
        .collect();
    assert!(failed.is_empty(), "these did not end well: {failed:?}");
}

/// The process in the middle of a story; see there.
#[test]
#[ignore = "a story starts it as a process of its own"]
fn forwards() {
    work_if_told();
}

fn is_soak() -> bool {
    std::env::var_os("REFLECTION_SOAK").is_some()
}

/// The outage itself, which is longer than any connection lives.
fn outage() {
    std::thread::sleep(Duration::from_secs(if is_soak() { 300 } else { 40 }));
}

/// A person at a machine.
struct Home {
    name: &'static str,
    person: Person,
    machine: Machine,
}

impl Home {
    fn new(network: &Network, name: &'static str) -> Self {
        Self {
            name,
            person: Person::new(),
            machine: network.machine(),
        }
    }

    /// What a command prints that has to succeed and needs no network.
    fn prepares(&self, arguments: &[&str]) -> String {
        let output = self.person.offline(arguments);
        assert!(output.status.success(), "{}", common::stderr(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn goes_online(&self, options: &[&str]) -> Resident<'_> {
        Resident {
            online: Online::start(self.machine.runs(&self.person.plain(options))),
            home: self,
        }
    }
}

/// Somebody who is online.
struct Resident<'a> {
    online: Online,
    home: &'a Home,
}

impl Resident<'_> {
    /// Asks the running process.
    fn asks(&self, arguments: &[&str]) -> String {
        let output = self.home.person.plain(arguments).output().unwrap();
        assert!(output.status.success(), "{}", common::stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn text(&self) -> String {
        self.asks(&["cat", "@last"])
    }

    fn writes(&self, words: &str) {
        self.asks(&["edit", "@last", "--at", "0", "--insert", words]);
    }

    fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(self.online.pid().try_into().unwrap()).unwrap();
        kill_process(process, signal).unwrap();
    }
}

/// Waits until all have the same text with all these words in it; says how long that took.
fn all_have(patience: Duration, people: &[&Resident<'_>], words: &[&str]) {
    let start = Instant::now();
    loop {
        let texts: Vec<String> = people.iter().map(|resident| resident.text()).collect();
        let is_same = texts.iter().all(|text| *text == texts[0]);
        if is_same && words.iter().all(|word| texts[0].contains(word)) {
            let story = std::thread::current();
            let story = story.name().unwrap_or_default();
            eprintln!(
                "{story}: equal after {:.1} s",
                start.elapsed().as_secs_f64()
            );
            return;
        }
        let names: Vec<_> = people.iter().map(|resident| resident.home.name).collect();
        assert!(
            start.elapsed() < patience,
            "not equal after {patience:?}: {names:?} have {texts:?} and not all of {words:?}"
        );
        for resident in people {
            resident.online.stirs(GLANCE);
        }
    }
}

/// Alice and Bob at one switch; she has a document, and he has a code without hints for it.
fn two_at_a_switch(network: &Network) -> ((Home, Cable), (Home, Cable)) {
    network.switch("home");
    let (alice, bob) = (Home::new(network, "alice"), Home::new(network, "bob"));
    let hers = network.plug(&alice.machine, "home", "10.99.0.1/24");
    let his = network.plug(&bob.machine, "home", "10.99.0.2/24");
    alice.machine.default_route(&hers);
    bob.machine.default_route(&his);
    share(&alice, &bob);
    ((alice, hers), (bob, his))
}

fn share(alice: &Home, bob: &Home) {
    alice.prepares(&["new", "--title", "Ours"]);
    let code = alice.prepares(&["code", "@last", "--no-hints"]);
    bob.prepares(&["join", &code]);
}

const BY_HINT: [&str; 4] = ["--mode", "local", "--no-mdns", "run"];

/// Both online, connected by the address of one of them alone.
fn connected_by_hint<'a>(alice: &'a Home, bob: &'a Home) -> (Resident<'a>, Resident<'a>) {
    let at_alice = alice.goes_online(&BY_HINT);
    let her_address = at_alice.online.endpoint();
    let mut options = vec!["--peer", &her_address];
    options.extend(BY_HINT);
    let at_bob = bob.goes_online(&options);
    all_have(PATIENCE, &[&at_alice, &at_bob], &["# Ours"]);
    (at_alice, at_bob)
}

fn a_silent_cut(network: &Network) {
    let ((alice, _), (bob, his)) = two_at_a_switch(network);
    let (at_alice, at_bob) = connected_by_hint(&alice, &bob);
    for resident in [&at_alice, &at_bob] {
        resident.online.wait_for("neighbor-up", |_| true);
    }
    network.cut(&his);
    at_alice.writes("hers ");
    at_bob.writes("his ");
    outage();
    for resident in [&at_alice, &at_bob] {
        resident.online.wait_for("disconnected", |_| true);
    }
    assert!(
        !at_alice.text().contains("his"),
        "the cut let something through"
    );
    network.mend(&his);
    let both = [&at_alice, &at_bob];
    all_have(HEALING, &both, &["hers", "his"]);
    // Presence has to find its way again too.
    for resident in both {
        resident
            .online
            .wait_at_most(HEALING, "neighbor-up", |_| true);
    }
}

fn a_pulled_plug(network: &Network) {
    let ((alice, hers), (bob, _)) = two_at_a_switch(network);
    let (at_alice, at_bob) = connected_by_hint(&alice, &bob);
    alice.machine.down(&hers);
    at_alice.online.wait_for("network-down", |_| true);
    at_alice.writes("hers ");
    at_bob.writes("his ");
    outage();
    alice.machine.up(&hers);
    alice.machine.default_route(&hers);
    all_have(HEALING, &[&at_alice, &at_bob], &["hers", "his"]);
    at_alice.online.wait_for("network-up", |event| {
        event["addresses"].to_string().contains("10.99.0.1:")
    });
}

/// No hint is needed: people at one switch hear each other.
fn found_nearby(network: &Network) {
    let ((alice, _), (bob, _)) = two_at_a_switch(network);
    let options = ["--mode", "local", "run"];
    let (at_alice, at_bob) = (alice.goes_online(&options), bob.goes_online(&options));
    all_have(HEALING, &[&at_alice, &at_bob], &["# Ours"]);
    at_alice.asks(&["new", "--title", "Found nearby"]);
    let code = at_alice.asks(&["code", "@last", "--no-hints"]);
    at_bob.asks(&["join", code.trim()]);
    all_have(HEALING, &[&at_alice, &at_bob], &["# Found nearby"]);
    // Whoever hears the other first dials, but both hear.
    heard(&at_alice, &at_bob);
    heard(&at_bob, &at_alice);
}

/// Waits until somebody has heard of another by multicast.
fn heard(listening: &Resident<'_>, other: &Resident<'_>) {
    let id = id_of(other);
    common::eventually("the other is heard", || {
        let known = listening.asks(&["--json", "peers"]);
        known.lines().any(|line| {
            let peer: serde_json::Value = serde_json::from_str(line).unwrap();
            peer["peer"] == id && peer["how"] == "mdns"
        })
    });
}

fn an_interface_that_comes_later(network: &Network) {
    network.switch("home");
    let (alice, bob) = (Home::new(network, "alice"), Home::new(network, "bob"));
    let his = network.plug(&bob.machine, "home", "10.99.0.2/24");
    bob.machine.default_route(&his);
    share(&alice, &bob);
    let at_bob = bob.goes_online(&["--mode", "local", "run"]);
    let at_alice = alice.goes_online(&["--mode", "local", "run"]);
    at_alice.writes("alone ");
    let hers = network.plug(&alice.machine, "home", "10.99.0.1/24");
    alice.machine.default_route(&hers);
    at_alice.online.wait_for("network-up", |_| true);
    all_have(HEALING, &[&at_alice, &at_bob], &["alone"]);
    // She hears him, and is not merely heard by him.
    heard(&at_alice, &at_bob);
}

fn another_address(network: &Network) {
    let ((alice, hers), (bob, _)) = two_at_a_switch(network);
    let (at_alice, at_bob) = connected_by_hint(&alice, &bob);
    alice
        .machine
        .change_address(&hers, "10.99.0.1/24", "10.99.0.77/24");
    alice.machine.default_route(&hers);
    at_alice.writes("hers ");
    at_bob.writes("his ");
    all_have(MOVING, &[&at_alice, &at_bob], &["hers", "his"]);
    at_alice.online.wait_for("network-up", |event| {
        event["addresses"].to_string().contains("10.99.0.77:")
    });
}

fn a_stopped_process(network: &Network) {
    let ((alice, _), (bob, _)) = two_at_a_switch(network);
    let (at_alice, at_bob) = connected_by_hint(&alice, &bob);
    at_bob.writes("his ");
    at_bob.signal(Signal::STOP);
    at_alice.writes("hers ");
    std::thread::sleep(Duration::from_secs(if is_soak() { 60 } else { 30 }));
    at_bob.signal(Signal::CONT);
    all_have(HEALING, &[&at_alice, &at_bob], &["hers", "his"]);
}

/// Alice and Bob on two networks without a way between; a machine that both reach, and nobody
/// through it.
struct Apart {
    alice: Home,
    bob: Home,
    middle: Home,
}

const RELAY: &str = "http://10.9.0.1:3340";

fn apart(network: &Network) -> Apart {
    let [alice, bob, middle] = ["alice", "bob", "middle"].map(|name| Home::new(network, name));
    middle.machine.ip("addr add 10.9.0.1/32 dev lo");
    for (side, home, third) in [("left", &alice, 1), ("right", &bob, 2)] {
        network.switch(side);
        network.plug(&middle.machine, side, &format!("10.{third}.0.1/24"));
        network.plug(&home.machine, side, &format!("10.{third}.0.2/24"));
        home.machine
            .ip(&format!("route add 10.9.0.1/32 via 10.{third}.0.1"));
    }
    share(&alice, &bob);
    Apart { alice, bob, middle }
}

impl Apart {
    /// Serves the relay, and introduces the two to each other.
    fn serve(&self) -> Resident<'_> {
        self.middle.goes_online(&[
            "--mode",
            "local",
            "--no-mdns",
            "--bind",
            "10.9.0.1:4000",
            "run",
            "--serve-bootstrap",
            "--serve-relay",
            "10.9.0.1:3340",
        ])
    }

    fn meet(&self) -> (Resident<'_>, Resident<'_>) {
        let way_in = format!("{}@10.9.0.1:4000", self.middle.prepares(&["id"]));
        let options = [
            "--mode",
            "internet",
            "--no-mdns",
            "--relay",
            RELAY,
            "--bootstrap",
            &way_in,
            "run",
        ];
        let (at_alice, at_bob) = (
            self.alice.goes_online(&options),
            self.bob.goes_online(&options),
        );
        all_have(PATIENCE, &[&at_alice, &at_bob], &["# Ours"]);
        (at_alice, at_bob)
    }
}

fn id_of(resident: &Resident<'_>) -> serde_json::Value {
    resident.online.ready["id"].clone()
}

fn nothing_but_a_relay(network: &Network) {
    let apart = apart(network);
    let _serving = apart.serve();
    let (at_alice, at_bob) = apart.meet();
    let his_id = id_of(&at_bob);
    let way = at_alice
        .online
        .wait_for("connected", |event| event["peer"] == his_id);
    assert_eq!(way["route"], "relayed", "{way}");
    at_alice.writes("hers ");
    at_bob.writes("his ");
    all_have(HEALING, &[&at_alice, &at_bob], &["hers", "his"]);
    // A direct way is taken as soon as there is one, and told.
    network.switch("between");
    let hers = network.plug(&apart.alice.machine, "between", "10.3.0.1/24");
    network.plug(&apart.bob.machine, "between", "10.3.0.2/24");
    at_alice.online.wait_for("route-changed", |event| {
        event["peer"] == his_id && event["route"] == "direct"
    });
    at_alice.writes("straight ");
    all_have(HEALING, &[&at_alice, &at_bob], &["straight"]);
    // And given up for the relay when it is gone.
    network.cut(&hers);
    at_alice.writes("around ");
    all_have(PATIENCE, &[&at_alice, &at_bob], &["around"]);
}

fn a_relay_that_starts_again(network: &Network) {
    relay_is_away(network, || std::thread::sleep(Duration::from_secs(5)));
}

fn a_relay_that_is_away_for_long(network: &Network) {
    relay_is_away(network, outage);
}

fn relay_is_away(network: &Network, away: fn()) {
    let apart = apart(network);
    let serving = apart.serve();
    let (at_alice, at_bob) = apart.meet();
    serving.online.kill();
    at_alice.writes("hers ");
    at_bob.writes("his ");
    away();
    let _serving = apart.serve();
    all_have(HEALING, &[&at_alice, &at_bob], &["hers", "his"]);
}

fn two_strangers(network: &Network) {
    let ((alice, _), (bob, _)) = two_at_a_switch(network);
    let middle = Home::new(network, "middle");
    network.plug(&middle.machine, "home", "10.99.0.9/24");
    let serving = middle.goes_online(&["--mode", "local", "--no-mdns", "run", "--serve-bootstrap"]);
    let way_in = serving.online.endpoint();
    let mut options = vec!["--bootstrap", &way_in];
    options.extend(BY_HINT);
    let (at_alice, at_bob) = (alice.goes_online(&options), bob.goes_online(&options));
    all_have(HEALING, &[&at_alice, &at_bob], &["# Ours"]);
    let his_id = id_of(&at_bob);
    at_alice.online.wait_for("peer-found", |event| {
        event["peer"] == his_id && event["how"] == "bootstrap"
    });
}

fn three_packets_in_ten_are_lost(network: &Network) {
    let Apart { alice, bob, middle } = apart(network);
    let _between = Forwarder::start(
        &middle.machine,
        "forwards",
        "10.1.0.1:4000",
        "10.2.0.2:4000",
        30,
        7,
    );
    let mut options = vec!["--bind", "10.2.0.2:4000"];
    options.extend(BY_HINT);
    let at_bob = bob.goes_online(&options);
    let his_address = format!(
        "{}@10.1.0.1:4000",
        at_bob.online.ready["id"].as_str().unwrap()
    );
    let mut options = vec!["--peer", &his_address];
    options.extend(BY_HINT);
    let at_alice = alice.goes_online(&options);
    all_have(PATIENCE, &[&at_alice, &at_bob], &["# Ours"]);
    let words: Vec<String> = (0..40).map(|number| format!("<{number}> ")).collect();
    for pair in words.chunks(2) {
        at_alice.writes(&pair[0]);
        at_bob.writes(&pair[1]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    all_have(HEALING, &[&at_alice, &at_bob], &words);
}
