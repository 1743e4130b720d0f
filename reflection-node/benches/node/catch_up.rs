// SPDX-License-Identifier: GPL-3.0-or-later
//! A fresh node fetches a long document, and all of it is on its disk.

use std::time::{Duration, Instant};

use ed25519_dalek::{Signer, SigningKey};
use reflection_node::Mode;
use reflection_node::access::TopicId;

use super::measure::{Row, median, progress, shown};
use super::person::{PATIENCE, Person, Place, disk_bytes, read_all};

const AUTHORS: usize = 4;
const OPERATIONS_EACH: usize = 25_000;
const OPERATIONS: usize = AUTHORS * OPERATIONS_EACH;
const ROUNDS: usize = 5;
/// What is measured beside other programs, which do not all come as far.
const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
const ROUNDS_BESIDE_PEERS: usize = 3;
/// Signatures checked for the bound.
const SIGNATURES: u32 = 20_000;
/// Bytes that are signed: an operation's header.
const SIGNED_BYTES: usize = 200;
const TARGET: f64 = 0.7;

/// How long one core takes to check as many signatures, strictly and one by one.
fn bound() -> Duration {
    let keys: Vec<SigningKey> = (0..4).map(|n| SigningKey::from_bytes(&[n; 32])).collect();
    let message = [7; SIGNED_BYTES];
    let signed: Vec<_> = keys
        .iter()
        .map(|key| (key.verifying_key(), key.sign(&message)))
        .collect();
    let started = Instant::now();
    for number in 0..SIGNATURES {
        let (key, signature) = &signed[number as usize % signed.len()];
        assert!(key.verify_strict(&message, signature).is_ok());
    }
    started.elapsed() * u32::try_from(OPERATIONS).unwrap() / SIGNATURES
}

/// Somebody who holds what all authors wrote.
async fn holder(each: usize) -> (Person, TopicId) {
    let alice = Person::new(Place::Disk, Mode::Local).await;
    let topic = alice.node.create().await.unwrap();
    alice.writes_much(&topic, each).await;
    for _ in 1..AUTHORS {
        let other = Person::new(Place::Disk, Mode::Offline).await;
        let code = alice.code(&topic).await;
        other.node.join(&code).await.unwrap();
        other.writes_much(&topic, each).await;
        other.node.set_mode(Mode::Local).await.unwrap();
        other.node.join(&code).await.unwrap();
        let report = other.node.sync(&[topic], PATIENCE).await;
        assert_eq!(report.complete, [topic]);
        other.leaves().await;
    }
    let held = alice.node.statistics(&topic).await.unwrap();
    assert_eq!(held.operations, (AUTHORS * each) as u64);
    (alice, topic)
}

/// Somebody new fetches all of it; gives how long that took, and the bytes on their disk.
async fn catches_up(alice: &Person, topic: &TopicId, operations: usize) -> (Duration, u64) {
    let fresh = Person::new(Place::Disk, Mode::Local).await;
    let code = alice.code(topic).await;
    let started = Instant::now();
    fresh.node.join(&code).await.unwrap();
    read_all(&mut fresh.reads(topic).await, operations).await;
    let taken = started.elapsed();
    progress(shown(taken));
    let bytes = disk_bytes(&fresh.data());
    fresh.leaves().await;
    (taken, bytes)
}

/// The same for the sizes named, each a line of JSON as the programs of `benches/peers` print it.
#[allow(clippy::print_stdout)]
pub(crate) async fn beside_peers() {
    for operations in SIZES {
        let (alice, topic) = holder(operations / AUTHORS).await;
        let (mut taken, mut bytes) = (Vec::new(), 0);
        for _ in 0..ROUNDS_BESIDE_PEERS {
            let (time, on_disk) = catches_up(&alice, &topic, operations).await;
            taken.push(time);
            bytes = on_disk;
        }
        alice.leaves().await;
        println!(
            "{{\"system\":\"Reflection\",\"what\":\"catch-up\",\"operations\":{operations},\
             \"arrived\":{operations},\"seconds\":{},\"rounds\":{ROUNDS_BESIDE_PEERS},\
             \"disk_bytes\":{bytes}}}",
            median(&mut taken).as_secs_f64()
        );
    }
}

pub(crate) async fn measure() {
    let (alice, topic) = holder(OPERATIONS_EACH).await;
    let (mut taken, mut bounds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bounds.push(bound());
        taken.push(catches_up(&alice, &topic, OPERATIONS).await.0);
    }
    alice.leaves().await;
    let (taken, bound) = (median(&mut taken), median(&mut bounds));
    let per_second = |time: Duration| OPERATIONS as f64 / time.as_secs_f64();
    let ratio = per_second(taken) / per_second(bound);
    Row {
        what: "catch-up of a fresh node, 100,000 operations of 4 authors, durable, read again as \
               an application does"
            .into(),
        measured: format!("{}, {:.0}/s", shown(taken), per_second(taken)),
        beside: format!("one core checking signatures: {:.0}/s", per_second(bound)),
        ratio: Some(ratio),
        target: format!("at least {TARGET}"),
        is_met: Some(ratio >= TARGET),
    }
    .print();
}
