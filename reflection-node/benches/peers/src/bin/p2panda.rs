// SPDX-License-Identifier: GPL-3.0-or-later
//! p2panda 0.7: a fresh node fetches a topic's logs from another one.
//!
//! Alice's database is written through p2panda's own store, and her stream starts where it ends, because publishing
//! and replaying so much would take her longer than anything that is measured here. Bob finds her address in his
//! address book. His clock starts when the session does: discovery takes seconds, and is not what is compared.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::Result;
use futures_util::StreamExt;
use p2panda::network::MdnsDiscoveryMode;
use p2panda::node::NodeBuilder;
use p2panda::operation::{Extensions, Header, LogId, Operation};
use p2panda::streams::{StreamEvent, StreamFrom, StreamSubscription};
use p2panda::{Cursor, EndpointAddr, NodeId, SigningKey, Topic};
use p2panda_core::Body;
use p2panda_core::cbor::encode_cbor;
use p2panda_core::logs::LogHeights;
use p2panda_net::addrs::{NodeInfo, TrustedTransportInfo};
use p2panda_net::utils::from_verifying_key;
use p2panda_store::address_book::AddressBookStore;
use p2panda_store::operations::OperationStore;
use p2panda_store::topics::TopicStore;
use p2panda_store::{SqliteStore, SqliteStoreBuilder, Transaction};
use peers_nodes::{AUTHORS, Attempt, Task, body, disk_bytes, free_port, measure, tasks};

fn url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("p2panda.sqlite").display())
}

async fn store(folder: &Path) -> Result<SqliteStore> {
    Ok(SqliteStoreBuilder::new()
        .database_url(&url(folder))
        .build()
        .await?)
}

/// All authors' logs, and the cursor behind them.
async fn write(folder: &Path, topic: Topic, task: Task) -> Result<StreamFrom> {
    let store = store(folder).await?;
    let log_id = LogId::from_topic(topic);
    let mut cursor = Cursor::new(topic.to_string(), LogHeights::default());
    let permit = store.begin().await?;
    for author in 0..AUTHORS {
        let key = SigningKey::generate();
        store
            .associate(&topic, &key.verifying_key(), &log_id)
            .await?;
        let mut backlink = None;
        for number in 0..task.of_each_author() {
            let body = Body::from(encode_cbor(&body(author, number))?);
            let seq_num = u32::try_from(number)?;
            let header = Header::builder()
                .seq_num(seq_num)
                .backlink(backlink)
                .body(&body);
            let header = header.build(&key, Extensions::from_topic(topic));
            let operation = Operation::from_parts(header, Some(body));
            store
                .insert_operation(&operation.hash, &operation, &log_id)
                .await?;
            backlink = Some(operation.hash);
            cursor.advance(key.verifying_key(), log_id, seq_num);
        }
    }
    store.commit(permit).await?;
    store.pool().close().await;
    Ok(cursor.into())
}

/// Tells the node of this folder where the other one is.
async fn introduce(folder: &Path, other: NodeId, port: u16) -> Result<()> {
    let store = store(folder).await?;
    let address = EndpointAddr::new(from_verifying_key(other))
        .with_ip_addr((Ipv4Addr::LOCALHOST, port).into());
    let mut info = NodeInfo::new(other).bootstrap();
    info.update_transports(TrustedTransportInfo::from(address).into())?;
    let permit = store.begin().await?;
    store.insert_node_info(info).await?;
    store.commit(permit).await?;
    store.pool().close().await;
    Ok(())
}

fn node(folder: &Path, key: SigningKey, port: u16) -> NodeBuilder {
    p2panda::builder()
        .database_url(&url(folder))
        .signing_key(key)
        .mdns_mode(MdnsDiscoveryMode::Disabled)
        .bind_ip_v4(Ipv4Addr::LOCALHOST)
        .bind_port_v4(port)
        .bind_ip_v6(Ipv6Addr::LOCALHOST)
}

/// Reads until all has come, or nothing does any more.
async fn read(mut events: StreamSubscription<String>, task: Task) -> Attempt {
    let met = Attempt::start(task);
    let mut attempt = met.clone();
    let mut is_met = false;
    let mut seen = HashSet::new();
    let (mut failed, mut sessions) = (0, 0);
    while !attempt.is_complete() {
        let Some(event) = attempt.next(events.next()).await else {
            break;
        };
        match event {
            StreamEvent::SyncStarted { .. } => {
                sessions += 1;
                if !is_met {
                    is_met = true;
                    attempt = Attempt::start(task);
                }
            }
            StreamEvent::Processed { operation, .. } => {
                seen.insert(operation.id());
                attempt.arrived(seen.len());
            }
            StreamEvent::ProcessingFailed { .. } => failed += 1,
            _ => {}
        }
    }
    attempt.note = Some(if is_met {
        format!("{sessions} sessions, {failed} operations refused")
    } else {
        "no session began".into()
    });
    attempt
}

async fn attempt(task: Task) -> Result<Attempt> {
    let (alices, bobs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let topic = Topic::random();
    let end = write(alices.path(), topic, task).await?;
    let key = SigningKey::generate();
    let (id, port) = (key.verifying_key(), free_port()?);
    let alice = node(alices.path(), key, port).spawn().await?;
    let (alice_writes, mut alice_reads) = alice.stream_from::<String>(topic, end).await?;
    let reading = tokio::spawn(async move { while alice_reads.next().await.is_some() {} });

    introduce(bobs.path(), id, port).await?;
    let bob = node(bobs.path(), SigningKey::generate(), free_port()?)
        .spawn()
        .await?;
    let (bob_writes, events) = bob.stream::<String>(topic).await?;
    let mut attempt = read(events, task).await;
    attempt.disk_bytes = Some(disk_bytes(bobs.path())?);
    reading.abort();
    drop((alice_writes, bob_writes, alice, bob));
    Ok(attempt)
}

#[tokio::main]
async fn main() -> Result<()> {
    for task in tasks()? {
        measure("p2panda 0.7.1", "catch-up", task, attempt).await?;
    }
    // A node has no way to end, and one that stands still does not end by itself.
    std::process::exit(0);
}
