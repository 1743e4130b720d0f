// SPDX-License-Identifier: GPL-3.0-or-later
//! What goes between devices, as it comes out of the connection: a replica is told nothing of what
//! people write or how they are called.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use common::{DEADLINE, Home};
use reflection_doc::library::{Library, Profile};
use reflection_node::access::Access;
use reflection_node::replication::ReplicaOffer;
use reflection_node::testing::tape;
use reflection_node::{Event, Mode, NetworkConfig};

/// Words that stand nowhere else.
const TITLE: &str = "quaternionic";
const TYPED: &str = "zygomorphic";
const NAME: &str = "Xanthippe";
const VERSION: &str = "palimpsest";
/// What takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn network(is_replica: bool) -> NetworkConfig {
    NetworkConfig {
        mode: Some(Mode::Local),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        mdns: false,
        replica: is_replica.then(ReplicaOffer::default),
        ..NetworkConfig::default()
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Waits for an event that is as wanted.
async fn hears(library: &Library, what: impl Fn(&Event) -> bool) {
    let mut events = library.node().events();
    let heard = async { while !what(&events.next().await.unwrap()) {} };
    tokio::time::timeout(PATIENCE, heard)
        .await
        .expect("an event in time");
}

#[tokio::test]
async fn a_replica_is_told_no_text_no_title_and_no_name() {
    let (alice_home, bob_home, replica_home) = (Home::new(), Home::new(), Home::new());
    let replica = replica_home.open_with(network(true)).await;
    let alice = alice_home.open_with(network(false)).await;
    let bob = bob_home.open_with(network(false)).await;
    tape::record();
    let profile = Profile {
        name: NAME.into(),
        colour: Some(3),
    };
    alice.set_profile(profile).await.unwrap();
    let topic = alice.create(&format!("# {TITLE}\n")).await.unwrap();
    let mut document = alice.open_document(&topic).await.unwrap();
    document.engine.edit(0, 0, &format!("{TYPED}\n")).unwrap();
    document.flush().await.unwrap();
    drop(document);
    alice.name_version(&topic, None, VERSION).await.unwrap();
    let presence = alice.node().enter(&topic).await.unwrap();
    presence.say(NAME.as_bytes().to_vec()).unwrap();
    // Bob can read: he sees who is here, and what he is told passes over the same tape.
    let code = alice.code(&topic, Access::Read, true).await.unwrap();
    bob.node().join(&code).await.unwrap();
    let followed = bob.node().follow(&topic).await.unwrap();
    let mut events = bob.node().events();
    let is_seen = async {
        loop {
            let people = bob.node().people(&topic).await.unwrap();
            let sees = people.iter().any(|person| person.said == NAME.as_bytes());
            if sees && bob.text(&topic).await.unwrap().contains(TYPED) {
                return;
            }
            events.next().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, is_seen)
        .await
        .expect("Bob sees Alice and reads");
    let ticket = replica.node().ticket(false).await.unwrap();
    let is_kept = async {
        hears(&alice, |event| {
            matches!(event, Event::ReplicaProgress { pending: 0, acknowledged, .. } if *acknowledged > 0)
        })
        .await;
    };
    let assigned = alice.node().assign(&ticket, NAME, None);
    let (assigned, ()) = tokio::join!(assigned, is_kept);
    assigned.unwrap();
    let tape = tape::heard_so_far();
    assert!(
        holds(&tape, alice.node().id().as_bytes()),
        "operations, which name their authors, are on the tape"
    );
    for word in [TITLE, TYPED, NAME, VERSION] {
        assert!(!holds(&tape, word.as_bytes()), "a replica was told {word}");
    }
    drop((presence, followed));
    alice.close(DEADLINE).await;
    bob.close(DEADLINE).await;
    replica.close(DEADLINE).await;
}
