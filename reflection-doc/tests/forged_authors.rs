// SPDX-License-Identifier: GPL-3.0-or-later
//! Somebody who may write and does it in the name of others, or so that it fills their memory.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{DEADLINE, Home};
use reflection_doc::library::Library;
use reflection_node::access::{Access, Code, TopicId};
use reflection_node::identity::AuthorKey;
use reflection_node::operation::Kind;
use reflection_node::store::DataFolder;
use reflection_node::testing::Indifferent;
use reflection_node::{Event, Mode, NetworkConfig, Node};
use xxhash_rust::xxh32::xxh32;

const PATIENCE: Duration = Duration::from_mins(1);

/// A stranger, whose own application refuses nothing, publishes a body and sees to it that somebody gets it.
async fn stranger_publishes(code: &Code, body: Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(&folder.path().join("data")).unwrap();
    let network = NetworkConfig {
        mode: Some(Mode::Local),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        mdns: false,
        ..NetworkConfig::default()
    };
    let key = AuthorKey::generate();
    let node = Node::start(data, key, network, Box::new(Indifferent))
        .await
        .unwrap();
    let (topic, _) = node.join(code).await.unwrap();
    let incarnation = node.incarnation(&topic).unwrap();
    node.publish(&topic, Kind::Edit, incarnation, body)
        .await
        .unwrap();
    node.sync(&[topic], Duration::from_secs(10)).await;
    node.shutdown(DEADLINE).await;
}

/// Says in a few bytes that four thousand million changes follow.
fn bomb() -> Vec<u8> {
    let mut block = vec![0, 4, 0, 4, 0xff, 0xff, 0xff, 0xff, 0x0f];
    // A table of one author, and nothing else.
    block.extend([9, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
    block.extend([0; 7]);
    let mut blob = b"loro".to_vec();
    blob.extend([0; 16]);
    blob.extend([0, 4, u8::try_from(block.len()).unwrap()]);
    blob.extend(block);
    let sum = xxh32(&blob[20..], u32::from_le_bytes(*b"LORO"));
    blob[16..20].copy_from_slice(&sum.to_le_bytes());
    [vec![1], blob].concat()
}

async fn refusal(events: &mut reflection_node::Events, topic: &TopicId) -> String {
    let refused = async {
        loop {
            if let Event::OperationRefused {
                topic: of, reason, ..
            } = events.next().await.unwrap()
                && of == *topic
            {
                return reason;
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap()
}

async fn shows(library: &Library, topic: &TopicId, text: &str) {
    let shown = async {
        while library.text(topic).await.unwrap() != text {
            library.node().sync(&[*topic], PATIENCE).await;
        }
    };
    tokio::time::timeout(PATIENCE, shown).await.unwrap();
}

#[tokio::test]
async fn nobody_takes_the_place_of_what_another_one_writes_next() {
    let (at_alice, at_bob) = (Home::new(), Home::new());
    let alice = at_alice.open_online().await;
    let bob = at_bob.open_online().await;
    let topic = alice.create("first").await.unwrap();
    let hinted = alice.code(&topic, Access::Write, true).await.unwrap();
    bob.node().join(&hinted).await.unwrap();
    shows(&bob, &topic, "first").await;

    let mut document = alice.open_document(&topic).await.unwrap();
    document.engine.edit(5, 0, " second").unwrap();
    let bodies = document.engine.take_changes();
    // What Alice is about to publish, a bomb, and noise.
    let to_bob = bob.code(&topic, Access::Write, true).await.unwrap();
    let mut events = bob.node().events();
    for (forged, why) in [
        (bodies[0].clone(), "claim another author"),
        (bomb(), "expand to too much"),
        (vec![1; 1_000], "not updates"),
    ] {
        stranger_publishes(&to_bob, forged).await;
        let reason = refusal(&mut events, &topic).await;
        assert!(reason.contains(why), "{reason}");
    }
    document.publisher.publish(bodies).await.unwrap();
    shows(&bob, &topic, "first second").await;
    shows(&alice, &topic, "first second").await;
    drop(document);
    alice.close(DEADLINE).await;
    bob.close(DEADLINE).await;
}
