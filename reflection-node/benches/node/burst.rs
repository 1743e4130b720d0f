// SPDX-License-Identifier: GPL-3.0-or-later
//! Somebody writes very much in a short time, and somebody else joins in the middle of it.

use std::time::{Duration, Instant};

use reflection_node::Mode;
use reflection_node::access::TopicId;
use reflection_node::pipeline::DocumentStream;

use super::measure::{Row, progress, shown};
use super::person::{KEYSTROKE_BYTES, PATIENCE, PUBLISHED_AT_ONCE, Person, Place, processor_time};

const OPERATIONS: usize = 20_000;
const BEHIND_MAX: Duration = Duration::from_secs(2);
/// Operations begun at once at 1,000 a second, and how often.
const TICK_OPERATIONS: usize = 10;
const TICK: Duration = Duration::from_millis(10);
/// How long idleness is looked at, and the share of a core that counts as idle.
const IDLE_TIME: Duration = Duration::from_secs(2);
const IDLE_SHARE: f64 = 0.05;

/// How fast it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// 1,000 a second.
    Steady,
    /// As fast as the store takes it.
    Full,
}

/// A body that says when it was written.
fn stamped(begun: Instant) -> Vec<u8> {
    let mut body = vec![7; KEYSTROKE_BYTES];
    let now_us = u64::try_from(begun.elapsed().as_micros()).unwrap();
    body[..8].copy_from_slice(&now_us.to_be_bytes());
    body
}

/// Reads all operations; gives how late the latest was, and when all were there.
async fn read(mut stream: DocumentStream, begun: Instant) -> (Duration, Duration) {
    let (mut read, mut behind) = (0, Duration::ZERO);
    while read < OPERATIONS {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await;
        let batch = next.unwrap().unwrap();
        let now = begun.elapsed();
        for operation in &batch {
            let written = u64::from_be_bytes(operation.body[..8].try_into().unwrap());
            behind = behind.max(now.saturating_sub(Duration::from_micros(written)));
        }
        read += batch.len();
    }
    assert_eq!(read, OPERATIONS);
    (behind, begun.elapsed())
}

async fn write(alice: &Person, topic: &TopicId, begun: Instant, pace: Pace) {
    let at_once = match pace {
        Pace::Steady => TICK_OPERATIONS,
        Pace::Full => PUBLISHED_AT_ONCE,
    };
    let mut ticks = tokio::time::interval(TICK);
    let mut writing = tokio::task::JoinSet::new();
    let mut left = OPERATIONS;
    while left > 0 {
        if pace == Pace::Steady {
            ticks.tick().await;
        } else {
            while writing.join_next().await.is_some() {}
        }
        let batch = at_once.min(left);
        left -= batch;
        for _ in 0..batch {
            let (node, topic) = (alice.node.clone(), *topic);
            let incarnation = node.incarnation(&topic).unwrap();
            writing.spawn(async move {
                let kind = reflection_node::operation::Kind::Edit;
                let body = stamped(begun);
                node.publish(&topic, kind, incarnation, body).await.unwrap();
            });
        }
        while writing.try_join_next().is_some() {}
    }
    while writing.join_next().await.is_some() {}
}

async fn burst(pace: Pace) {
    let people = [
        Person::new(Place::Disk, Mode::Local).await,
        Person::new(Place::Disk, Mode::Local).await,
        Person::new(Place::Disk, Mode::Local).await,
    ];
    let [alice, bob, carol] = &people;
    let topic = alice.node.create().await.unwrap();
    let code = alice.code(&topic).await;
    bob.node.join(&code).await.unwrap();
    bob.node.sync(&[topic], PATIENCE).await;
    let begun = Instant::now();
    let at_bob = tokio::spawn(read(bob.reads(&topic).await, begun));
    let mut watched = alice.reads(&topic).await;
    let joining = async {
        let mut seen = 0;
        while seen < OPERATIONS / 2 {
            seen += watched.next().await.unwrap().len();
        }
        carol.node.join(&code).await.unwrap();
        let joined = begun.elapsed();
        let (_, all) = read(carol.reads(&topic).await, begun).await;
        (joined, all)
    };
    let writing = async {
        write(alice, &topic, begun, pace).await;
        begun.elapsed()
    };
    let (written, (joined, at_carol)) = tokio::join!(writing, joining);
    let (behind, at_bob) = at_bob.await.unwrap();
    let before = processor_time();
    tokio::time::sleep(IDLE_TIME).await;
    let idle = processor_time().saturating_sub(before).as_secs_f64() / IDLE_TIME.as_secs_f64();
    for person in people {
        let held = person.node.statistics(&topic).await.unwrap();
        assert_eq!(held.operations, OPERATIONS as u64);
        person.leaves().await;
    }
    progress(format!(
        "joined after {}, all after {}",
        shown(joined),
        shown(at_carol)
    ));
    let how = match pace {
        Pace::Steady => "at 1,000 a second",
        Pace::Full => "as fast as accepted",
    };
    Row {
        what: format!("20,000 operations {how}, durable, a third person joining in the middle"),
        measured: format!(
            "written in {} ({:.0}/s); B at most {} behind, C complete {} after the last; idle at \
             {:.1} % of a core",
            shown(written),
            OPERATIONS as f64 / written.as_secs_f64(),
            shown(behind),
            shown(at_carol.saturating_sub(written)),
            idle * 100.0,
        ),
        beside: "–".into(),
        ratio: None,
        target: "all arrive everywhere, B at most 2 s behind, idle afterwards".into(),
        is_met: Some(
            behind < BEHIND_MAX && idle < IDLE_SHARE && at_bob.max(at_carol) > Duration::ZERO,
        ),
    }
    .print();
}

pub(crate) async fn measure() {
    burst(Pace::Steady).await;
    burst(Pace::Full).await;
}
