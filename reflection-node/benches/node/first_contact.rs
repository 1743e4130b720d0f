// SPDX-License-Identifier: GPL-3.0-or-later
//! Somebody joins a small document and has its whole text, without having met anybody before.

use std::time::{Duration, Instant};

use reflection_node::Mode;
use reflection_node::access::Access;

use super::measure::{Row, at_share, median, ratio, shown};
use super::person::{Person, Place, read_all};

const ROUNDS: usize = 15;
const OPERATIONS: usize = 50;

async fn rounds(is_nearby: bool) -> Vec<Duration> {
    let person = async || {
        if is_nearby {
            Person::nearby(Place::Disk, Mode::Local).await
        } else {
            Person::new(Place::Disk, Mode::Local).await
        }
    };
    let alice = person().await;
    let topic = alice.node.create().await.unwrap();
    alice.writes_much(&topic, OPERATIONS).await;
    let mut taken = Vec::new();
    for _ in 0..ROUNDS {
        let bob = person().await;
        let code = alice.node.code(&topic, Access::Write, !is_nearby).await;
        let started = Instant::now();
        bob.node.join(&code.unwrap()).await.unwrap();
        read_all(&mut bob.reads(&topic).await, OPERATIONS).await;
        taken.push(started.elapsed());
        bob.leaves().await;
    }
    alice.leaves().await;
    taken
}

fn print(mut taken: Vec<Duration>, how: &str, beside: &str, target: Duration) {
    let slow = at_share(&mut taken, 1.0);
    let taken = median(&mut taken);
    Row {
        what: format!("first contact and whole text of a small document, {how}"),
        measured: format!("{} (slowest of {ROUNDS}: {})", shown(taken), shown(slow)),
        beside: beside.into(),
        ratio: Some(ratio(taken, target)),
        target: format!("under {}", shown(target)),
        is_met: Some(taken < target),
    }
    .print();
}

pub(crate) async fn by_hint() {
    let taken = rounds(false).await;
    print(
        taken,
        "by the hint in a code",
        "–",
        Duration::from_millis(300),
    );
}

pub(crate) async fn nearby() {
    let taken = rounds(true).await;
    let beside = "the first Reflection: 1.4 s, measured elsewhere";
    print(taken, "by multicast DNS", beside, Duration::from_secs(1));
}
