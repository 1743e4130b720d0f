// SPDX-License-Identifier: GPL-3.0-or-later
//! Two people share very many documents, and almost all of them are quiet.
//!
//! `REFLECTION_DOCUMENTS=10000` makes it as many as one likes; the figures are printed.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reflection_node::access::{Access, Code, TopicId};
use reflection_node::identity::AuthorKey;
use reflection_node::operation::Kind;
use reflection_node::store::DataFolder;
use reflection_node::testing::Indifferent;
use reflection_node::{Event, Mode, NetworkConfig, Node};
use tempfile::TempDir;

struct Person {
    node: Node,
    _folder: TempDir,
}

async fn person() -> Person {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(&folder.path().join("data")).unwrap();
    let network = NetworkConfig {
        mode: Some(Mode::Offline),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        mdns: false,
        ..NetworkConfig::default()
    };
    let node = Node::start(data, AuthorKey::generate(), network, Box::new(Indifferent))
        .await
        .unwrap();
    Person {
        node,
        _folder: folder,
    }
}

impl Person {
    async fn writes(&self, topic: &TopicId) {
        let incarnation = self.node.incarnation(topic).unwrap();
        self.node
            .publish(topic, Kind::Edit, incarnation, b"a few bytes".to_vec())
            .await
            .unwrap();
    }

    fn in_step(&self, topics: &[TopicId]) -> usize {
        topics
            .iter()
            .filter(|topic| self.node.status(topic).in_step == 1)
            .count()
    }
}

/// Both hold `count` documents, in each of which one of them has written.
async fn share(alice: &Person, bob: &Person, count: usize) -> Vec<TopicId> {
    let mut topics = Vec::new();
    while topics.len() < count {
        let batch = (count - topics.len()).min(250);
        let made = join_all((0..batch).map(|_| alice.node.create())).await;
        topics.extend(made.into_iter().map(Result::unwrap));
    }
    for batch in topics.chunks(250) {
        join_all(batch.iter().map(|topic| alice.writes(topic))).await;
        let codes = join_all(
            batch
                .iter()
                .map(|topic| alice.node.code(topic, Access::Write, false)),
        );
        let codes: Vec<Code> = codes.await.into_iter().map(Result::unwrap).collect();
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
    let hinted = alice.node.code(&topics[0], Access::Write, true).await;
    let started = Instant::now();
    bob.node.join(&hinted.unwrap()).await.unwrap();
    equal(alice, bob, topics).await;
    started.elapsed()
}

async fn equal(alice: &Person, bob: &Person, topics: &[TopicId]) {
    let patience = Duration::from_mins(2);
    for person in [alice, bob] {
        let report = person.node.sync(topics, patience).await;
        assert_eq!(report.missing.len(), 0);
    }
    for person in [alice, bob] {
        assert_eq!(person.in_step(topics), topics.len());
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = line
        .trim()
        .strip_suffix("kB")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    kib / 1024
}

/// Bytes that went through this network's loopback; everything counts, so it is an upper bound.
fn loopback_bytes() -> u64 {
    let table = std::fs::read_to_string("/proc/self/net/dev").unwrap();
    let line = table
        .lines()
        .find_map(|line| line.trim().strip_prefix("lo:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn documents_that_are_equal_have_no_session_and_those_that_differ_are_exchanged() {
    let count = std::env::var("REFLECTION_DOCUMENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(600);
    let (alice, bob) = (person().await, person().await);
    let topics = share(&alice, &bob, count).await;
    let first = meet(&alice, &bob, &topics).await;
    eprintln!(
        "{count} documents for the first time: {} ms",
        first.as_millis()
    );

    for person in [&alice, &bob] {
        person.node.set_mode(Mode::Offline).await.unwrap();
    }
    for (number, topic) in topics.iter().take(10).enumerate() {
        [&alice, &bob][number % 2].writes(topic).await;
    }
    let mut events = alice.node.events();
    while events.try_next().is_some() {}
    let before = loopback_bytes();
    let again = meet(&alice, &bob, &topics).await;
    eprintln!(
        "{count} documents, 10 changed: {} ms, {} KiB on the wire, {} MiB resident for both",
        again.as_millis(),
        (loopback_bytes() - before) / 1024,
        resident_mib(),
    );
    let mut exchanged = std::collections::BTreeSet::new();
    while let Some(event) = events.try_next() {
        if let Event::SyncStarted { topic, .. } = event {
            exchanged.insert(topic);
        }
    }
    // The ten, and no session for any other.
    let changed = topics.iter().take(10).copied().collect();
    assert_eq!(exchanged, changed);

    // A quiet document that somebody writes in is exchanged at once, from either side.
    for (writer, topic) in [(&alice, topics[20]), (&bob, topics[21])] {
        writer.writes(&topic).await;
        equal(&alice, &bob, &[topic]).await;
    }
    for person in [alice, bob] {
        person.node.shutdown(Duration::from_secs(1)).await;
    }
}
