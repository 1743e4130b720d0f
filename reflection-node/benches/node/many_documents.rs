// SPDX-License-Identifier: GPL-3.0-or-later
//! Two people share very many documents, and almost all of them are quiet.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reflection_node::Mode;
use reflection_node::access::{Access, Code, TopicId};

use super::measure::{Row, median, progress, ratio, shown};
use super::person::{
    KEYSTROKE_BYTES, PATIENCE, Person, Place, loopback_bytes, processor_time, resident_mib,
};

const DOCUMENTS: usize = 10_000;
const CHANGED: usize = 10;
const BATCH: usize = 250;
const STARTS: usize = 5;
const ROUNDS: usize = 5;
const IDLE_TIME: Duration = Duration::from_secs(10);
/// How often it is looked whether all are equal.
const LOOK: Duration = Duration::from_millis(5);
const EQUAL_TARGET: Duration = Duration::from_secs(2);
const START_TARGET: Duration = Duration::from_millis(300);
const MIB: u64 = 1024 * 1024;

/// Both hold all documents, in each of which one of them has written.
async fn share(alice: &Person, bob: &Person) -> Vec<TopicId> {
    let mut topics = Vec::new();
    while topics.len() < DOCUMENTS {
        let made = join_all((0..BATCH).map(|_| alice.node.create())).await;
        topics.extend(made.into_iter().map(Result::unwrap));
    }
    for batch in topics.chunks(BATCH) {
        let body = || vec![7; KEYSTROKE_BYTES];
        join_all(batch.iter().map(|topic| alice.writes(topic, body()))).await;
        let codes = batch
            .iter()
            .map(|topic| alice.node.code(topic, Access::Write, false));
        let codes: Vec<Code> = join_all(codes)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        for joined in join_all(codes.iter().map(|code| bob.node.join(code))).await {
            joined.unwrap();
        }
    }
    topics
}

/// Goes online and waits until all documents are equal; tells how long that took.
async fn meet(alice: &Person, bob: &Person, topics: &[TopicId]) -> Duration {
    alice.node.set_mode(Mode::Local).await.unwrap();
    bob.node.set_mode(Mode::Local).await.unwrap();
    let hinted = alice.code(&topics[0]).await;
    let started = Instant::now();
    bob.node.join(&hinted).await.unwrap();
    for person in [alice, bob] {
        let report = person.node.sync(topics, PATIENCE).await;
        assert_eq!(report.missing.len(), 0);
        // That they were equal does not say that they are so at this moment: a connection may have
        // been replaced, and then all are compared again on the other one.
        let in_step = |topic: &TopicId| person.node.status(topic).in_step == 1;
        let all_equal = async {
            while !topics.iter().all(in_step) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, all_equal).await.unwrap();
    }
    started.elapsed()
}

/// They part, write in ten documents and meet again. The time, and bytes on the wire.
async fn round(alice: &Person, bob: &Person, topics: &[TopicId]) -> (Duration, u64) {
    for person in [alice, bob] {
        person.node.set_mode(Mode::Offline).await.unwrap();
    }
    for (number, topic) in topics.iter().take(CHANGED).enumerate() {
        let writer = [alice, bob][number % 2];
        writer.writes(topic, vec![7; KEYSTROKE_BYTES]).await;
    }
    let before = loopback_bytes();
    let taken = meet(alice, bob, topics).await;
    (taken, loopback_bytes() - before)
}

async fn start(alice: &mut Person) {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(alice.restart().await);
    }
    let taken = median(&mut starts);
    let bytes = std::fs::metadata(alice.data().join("database.sqlite"))
        .unwrap()
        .len();
    Row {
        what: "start of a node with 10,000 documents".into(),
        measured: format!("{}, a database of {} MiB", shown(taken), bytes / MIB),
        beside: "–".into(),
        ratio: Some(ratio(taken, START_TARGET)),
        target: format!("under {}", shown(START_TARGET)),
        is_met: Some(taken < START_TARGET),
    }
    .print();
}

pub(crate) async fn measure() {
    let (mut alice, bob) = (
        Person::new(Place::Disk, Mode::Offline).await,
        Person::new(Place::Disk, Mode::Offline).await,
    );
    let topics = share(&alice, &bob).await;
    progress("both have all documents");
    start(&mut alice).await;
    let first = meet(&alice, &bob, &topics).await;
    progress(format!("equal for the first time after {}", shown(first)));
    let (mut times, mut bytes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (taken, on_the_wire) = round(&alice, &bob, &topics).await;
        times.push(taken);
        bytes.push(on_the_wire);
    }
    bytes.sort_unstable();
    let (taken, on_the_wire) = (median(&mut times), bytes[ROUNDS / 2]);
    let resident = resident_mib();
    Row {
        what: "10,000 documents known to both, 10 changed, until all are equal".into(),
        measured: format!(
            "{}, {:.2} MiB on the wire, {resident} MiB resident for both nodes",
            shown(taken),
            on_the_wire as f64 / MIB as f64,
        ),
        beside: "–".into(),
        ratio: Some(ratio(taken, EQUAL_TARGET)),
        target: "under 2 s, 2 MiB, 200 MiB".into(),
        is_met: Some(taken < EQUAL_TARGET && on_the_wire < 2 * MIB && resident < 200),
    }
    .print();

    let before = processor_time();
    tokio::time::sleep(IDLE_TIME).await;
    let idle =
        processor_time().saturating_sub(before).as_secs_f64() / IDLE_TIME.as_secs_f64() * 100.0;
    Row {
        what: "10,000 quiet documents of two connected nodes".into(),
        measured: format!("{idle:.2} % of a core for both nodes"),
        beside: "–".into(),
        ratio: Some(idle),
        target: "under 1 % of a core".into(),
        is_met: Some(idle < 1.0),
    }
    .print();
    alice.leaves().await;
    bob.leaves().await;
}
