// SPDX-License-Identifier: GPL-3.0-or-later
//! The network of a node, as it is switched about, and strangers who try its doors.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use iroh::endpoint::{ConnectionError, presets};
use iroh::{Endpoint, EndpointAddr};
use reflection_node::access::Hint;
use reflection_node::identity::AuthorKey;
use reflection_node::store::DataFolder;
use reflection_node::testing::Indifferent;
use reflection_node::{Event, Mode, NetworkConfig, Node};

/// What takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(15);
/// What gossip speaks.
const GOSSIP: &[u8] = b"app.reflection/gossip/1";

async fn start(folder: &tempfile::TempDir) -> Node {
    start_with(folder, local()).await
}

fn local() -> NetworkConfig {
    NetworkConfig {
        mode: Some(Mode::Local),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        mdns: false,
        ..NetworkConfig::default()
    }
}

async fn start_with(folder: &tempfile::TempDir, network: NetworkConfig) -> Node {
    let data = DataFolder::open(folder.path()).unwrap();
    Node::start(data, AuthorKey::generate(), network, Box::new(Indifferent))
        .await
        .unwrap()
}

async fn ends(node: &Node) {
    let begun = Instant::now();
    tokio::time::timeout(PATIENCE, node.shutdown(Duration::from_secs(1)))
        .await
        .expect("it ends");
    assert!(begun.elapsed() < Duration::from_secs(5), "it ends soon");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_turned_away_at_the_door_of_gossip() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(&folder).await;
    let topic = node.create().await.unwrap();
    let _listening = node.follow(&topic).await.unwrap();
    let stranger = Endpoint::builder(presets::Minimal)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .unwrap()
        .bind()
        .await
        .unwrap();
    let at = EndpointAddr::new(node.id().to_string().parse().unwrap())
        .with_ip_addr(node.addresses().await[0]);
    let connection = stranger.connect(at, GOSSIP).await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, connection.closed())
        .await
        .expect("the node closes it");
    let ConnectionError::ApplicationClosed(closed) = closed else {
        panic!("{closed}");
    };
    assert_eq!(&closed.reason[..], b"no session");
    ends(&node).await;
    stranger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_that_are_chosen_at_once_take_turns_and_the_last_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(&folder).await;
    let chosen: Vec<_> = (0..12)
        .map(|number| {
            let node = node.clone();
            let mode = if number % 2 == 0 {
                Mode::Offline
            } else {
                Mode::Local
            };
            tokio::spawn(async move { node.set_mode(mode).await })
        })
        .collect();
    for chosen in chosen {
        let done = tokio::time::timeout(PATIENCE, chosen);
        done.await.expect("it is done").unwrap().unwrap();
    }
    // Whichever came last, what is told is what is so.
    assert_eq!(
        node.addresses().await.is_empty(),
        node.mode().await == Mode::Offline
    );
    let mut events = node.events();
    for mode in [Mode::Offline, Mode::Local] {
        node.set_mode(mode).await.unwrap();
        assert_eq!(node.mode().await, mode);
        assert_eq!(node.remembered_mode().await.unwrap(), mode);
    }
    let told = async {
        loop {
            if let Some(Event::ModeChanged { mode: Mode::Local }) = events.next().await {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
    ends(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_ends_while_its_mode_changes_ends_in_time_and_leaves_no_socket() {
    for changes in 1..6 {
        let folder = tempfile::tempdir().unwrap();
        let node = start(&folder).await;
        let address = node.addresses().await[0];
        let switching: Vec<_> = (0..changes)
            .map(|number| {
                let node = node.clone();
                let mode = if number % 2 == 0 {
                    Mode::Offline
                } else {
                    Mode::Local
                };
                tokio::spawn(async move { node.set_mode(mode).await })
            })
            .collect();
        ends(&node).await;
        for switching in switching {
            switching.abort();
        }
        // The data folder is free, and so is the address.
        drop(node);
        DataFolder::open(folder.path()).unwrap();
        UdpSocket::bind(address).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_leaves_no_socket_though_a_peer_does_not_answer_and_the_way_back_is_open() {
    let folder = tempfile::tempdir().unwrap();
    // It hears that it is dialled, and says nothing.
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let node = start_with(
        &folder,
        NetworkConfig {
            peers: vec![Hint {
                endpoint: AuthorKey::generate().id(),
                addresses: vec![silent.local_addr().unwrap()],
                relay: None,
            }],
            ..local()
        },
    )
    .await;
    for _ in 0..3 {
        let address = node.addresses().await[0];
        let dialled = async {
            loop {
                let (_, from) = silent.recv_from(&mut [0; 2048]).await.unwrap();
                if from == address {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, dialled).await.unwrap();
        node.set_mode(Mode::Offline).await.unwrap();
        drop(UdpSocket::bind(address).expect("the socket is closed"));
        node.set_mode(Mode::Local).await.unwrap();
        assert_eq!(node.addresses().await, [address]);
        while silent.try_recv(&mut [0; 2048]).is_ok() {}
    }
    ends(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_whose_address_is_taken_is_told_kept_and_had_once_that_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let address = UdpSocket::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .unwrap();
    let node = start_with(
        &folder,
        NetworkConfig {
            bind: vec![address],
            ..local()
        },
    )
    .await;
    node.set_mode(Mode::Offline).await.unwrap();
    let taken = UdpSocket::bind(address).unwrap();
    let mut events = node.events();
    let refused = node.set_mode(Mode::Local).await.unwrap_err().to_string();
    assert!(refused.contains("the address is in use"), "{refused}");
    assert_eq!(node.mode().await, Mode::Local);
    assert!(node.addresses().await.is_empty());
    let mut told_until = async |is_it: &dyn Fn(&Event) -> bool| {
        let told = async {
            loop {
                let event = events.next().await.expect("an event");
                if is_it(&event) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("told");
    };
    let is_local = |event: &Event| matches!(event, Event::ModeChanged { mode: Mode::Local });
    told_until(&is_local).await;
    told_until(
        &|event| matches!(event, Event::Error { message } if message.contains("is tried again")),
    )
    .await;
    drop(taken);
    told_until(&is_local).await;
    assert_eq!(node.addresses().await, [address]);
    ends(&node).await;
}
