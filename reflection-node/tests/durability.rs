// SPDX-License-Identifier: GPL-3.0-or-later
//! What a peer is told to be held here would outlive a power cut.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use reflection_node::access::{Access, TopicId};
use reflection_node::identity::AuthorKey;
use reflection_node::operation::Kind;
use reflection_node::pipeline::{Application, Delivery, Processed, Refusal};
use reflection_node::rusqlite::Connection;
use reflection_node::store::{DataFolder, StoreError};
use reflection_node::{Event, Events, Mode, NetworkConfig, Node};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// Takes everything. While its table holds a row, the commit that waits for the disk fails.
struct Disk;

impl Application for Disk {
    fn prepare(&mut self, connection: &Connection) -> Result<(), StoreError> {
        connection.execute_batch(
            "CREATE TABLE gone (at INTEGER) STRICT;
             CREATE TRIGGER away BEFORE INSERT ON meta
             WHEN NEW.name = 'durable' AND EXISTS (SELECT * FROM gone)
             BEGIN SELECT RAISE(ABORT, 'the disk is away'); END;",
        )?;
        Ok(())
    }

    fn process(&mut self, _: &Connection, _: &Delivery<'_>) -> Result<Processed, Refusal> {
        Ok(Processed::Done)
    }

    fn deleted(&mut self, _: &Connection, _: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }
}

async fn person() -> (Node, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(&folder.path().join("data")).unwrap();
    let network = NetworkConfig {
        mode: Some(Mode::Local),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        mdns: false,
        ..NetworkConfig::default()
    };
    let node = Node::start(data, AuthorKey::generate(), network, Box::new(Disk))
        .await
        .unwrap();
    (node, folder)
}

async fn write(node: &Node, topic: &TopicId) {
    let incarnation = node.incarnation(topic).unwrap();
    node.publish(topic, Kind::Edit, incarnation, b"a few bytes".to_vec())
        .await
        .unwrap();
}

async fn until(events: &mut Events, is_it: impl Fn(&Event) -> bool) {
    let waiting = async { while !is_it(&events.next().await.unwrap()) {} };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test]
async fn nothing_is_confirmed_that_the_disk_does_not_have() {
    let ((alice, _a), (bob, _b)) = (person().await, person().await);
    let topic = alice.create().await.unwrap();
    write(&alice, &topic).await;
    let code = alice.code(&topic, Access::Write, true).await.unwrap();
    bob.join(&code).await.unwrap();
    let report = alice.sync(&[topic], PATIENCE).await;
    assert_eq!(report.complete, [topic]);
    assert_eq!(alice.status(&topic).in_step, 1);

    let gone = |connection: &Connection| Ok(connection.execute("INSERT INTO gone VALUES (1)", [])?);
    bob.write(gone).await.unwrap();
    let mut events = bob.events();
    while events.try_next().is_some() {}
    write(&alice, &topic).await;
    until(&mut events, |event| {
        matches!(event, Event::DocumentChanged { .. })
    })
    .await;
    // Bob has it and can show it; twice it could not be brought onto his disk.
    for _ in 0..2 {
        until(&mut events, |event| {
            matches!(event, Event::StorageTrouble { .. })
        })
        .await;
        assert_eq!(alice.status(&topic).in_step, 0);
        assert_eq!(alice.document(&topic).await.unwrap().unwrap().copies, 0);
    }

    bob.write(|connection: &Connection| Ok(connection.execute("DELETE FROM gone", [])?))
        .await
        .unwrap();
    let report = alice.sync(&[topic], PATIENCE).await;
    assert_eq!(report.complete, [topic]);
    assert_eq!(alice.status(&topic).in_step, 1);
    for node in [alice, bob] {
        node.shutdown(Duration::from_secs(1)).await;
    }
}
