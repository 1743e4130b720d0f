// SPDX-License-Identifier: GPL-3.0-or-later
//! iroh-docs 0.101: a fresh node fetches a document from another one.
//!
//! What is an operation to others is an entry with a key of its own here. Two things are measured: the entries alone,
//! which are signed by their author and by the document and name their content by its hash; and the entries with
//! their contents, which are fetched one by one afterwards.

use std::path::Path;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use iroh::endpoint::presets;
use iroh::protocol::Router;
use iroh::{Endpoint, EndpointAddr};
use iroh_blobs::BlobsProtocol;
use iroh_blobs::store::fs::FsStore;
use iroh_docs::actor::SyncHandle;
use iroh_docs::api::Doc;
use iroh_docs::engine::{DefaultAuthorStorage, Engine, LiveEvent};
use iroh_docs::protocol::Docs;
use iroh_docs::store::{DownloadPolicy, Store};
use iroh_docs::{Capability, NamespaceSecret};
use iroh_gossip::net::Gossip;
use peers_nodes::{AUTHORS, Attempt, Task, body, disk_bytes, measure, tasks};

/// Writes that are on their way at once.
const AT_ONCE: usize = 256;

struct Node {
    router: Router,
    blobs: FsStore,
    docs: Docs,
    entries: SyncHandle,
}

impl Node {
    /// As `Docs::persistent` makes it, but that the store can be told to sync.
    async fn new(folder: &Path) -> Result<Self> {
        let endpoint = Endpoint::builder(presets::Minimal)
            .clear_ip_transports()
            .bind_addr("127.0.0.1:0")?
            .bind()
            .await?;
        let blobs = FsStore::load(folder.join("blobs"))
            .await
            .map_err(|error| anyhow::anyhow!("the blobs cannot be opened: {error}"))?;
        let gossip = Gossip::builder().spawn(endpoint.clone());
        let engine = Engine::spawn(
            endpoint.clone(),
            gossip.clone(),
            Store::persistent(folder.join("docs.redb"))?,
            (*blobs).clone(),
            blobs.downloader(&endpoint),
            DefaultAuthorStorage::Persistent(folder.join("default-author")),
            None,
        )
        .await?;
        let entries = engine.sync.clone();
        let docs = Docs::new(engine);
        let router = Router::builder(endpoint)
            .accept(iroh_blobs::ALPN, BlobsProtocol::new(&blobs, None))
            .accept(iroh_gossip::ALPN, gossip)
            .accept(iroh_docs::ALPN, docs.clone())
            .spawn();
        Ok(Self {
            router,
            blobs,
            docs,
            entries,
        })
    }

    fn address(&self) -> EndpointAddr {
        self.router.endpoint().addr()
    }

    async fn syncs_to_disk(&self) -> Result<()> {
        self.entries.flush_store().await?;
        self.blobs
            .sync_db()
            .await
            .map_err(|error| anyhow::anyhow!("the blobs cannot be synced: {error}"))
    }

    async fn leaves(self) -> Result<()> {
        self.router.shutdown().await?;
        Ok(())
    }
}

/// What a fresh node fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Entries,
    EntriesAndContents,
}

/// Writes the entries of all authors; each has a content of its own if that is fetched too.
async fn write(node: &Node, document: &Doc, task: Task, what: What) -> Result<()> {
    let content = body(0, 0);
    let shared = node.blobs.add_slice(content.as_bytes()).await;
    let shared =
        shared.map_err(|error| anyhow::anyhow!("the content cannot be written: {error}"))?;
    for author in 0..AUTHORS {
        let key = node.docs.author_create().await?;
        let numbers: Vec<usize> = (0..task.of_each_author()).collect();
        for numbers in numbers.chunks(AT_ONCE) {
            let writing = numbers.iter().map(async |&number| match what {
                What::Entries => {
                    let length = content.len() as u64;
                    document
                        .set_hash(key, format!("{number}"), shared.hash, length)
                        .await
                }
                What::EntriesAndContents => document
                    .set_bytes(key, format!("{number}"), body(author, number))
                    .await
                    .map(drop),
            });
            try_join_all(writing).await?;
        }
    }
    node.syncs_to_disk().await
}

async fn attempt(task: Task, what: What) -> Result<Attempt> {
    let (alices, bobs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let alice = Node::new(alices.path()).await?;
    let secret = NamespaceSecret::new(&mut rand::rng());
    let capability = Capability::Write(secret);
    let written = alice.docs.import_namespace(capability.clone()).await?;
    write(&alice, &written, task, what).await?;
    written.start_sync(Vec::new()).await?;

    let bob = Node::new(bobs.path()).await?;
    let read = bob.docs.import_namespace(capability).await?;
    if what == What::Entries {
        let nothing = DownloadPolicy::NothingExcept(Vec::new());
        read.set_download_policy(nothing).await?;
    }
    let mut events = read.subscribe().await?;
    let mut attempt = Attempt::start(task);
    read.start_sync(vec![alice.address()]).await?;
    let (mut entries, mut contents) = (0, 0);
    while !attempt.is_complete() {
        let Some(event) = attempt.next(events.next()).await else {
            break;
        };
        match event.context("the events ended")? {
            LiveEvent::InsertRemote { .. } => entries += 1,
            LiveEvent::ContentReady { .. } => contents += 1,
            _ => {}
        }
        attempt.arrived(match what {
            What::Entries => entries,
            What::EntriesAndContents => contents,
        });
    }
    bob.syncs_to_disk().await?;
    if attempt.is_complete() {
        attempt.durable();
    } else {
        attempt.note = Some(format!("{entries} entries, {contents} contents"));
    }
    attempt.disk_bytes = Some(disk_bytes(bobs.path())?);
    bob.leaves().await?;
    alice.leaves().await?;
    Ok(attempt)
}

#[tokio::main]
async fn main() -> Result<()> {
    const SYSTEM: &str = "iroh-docs 0.101";
    for task in tasks()? {
        measure(SYSTEM, "catch-up", task, |task| {
            attempt(task, What::Entries)
        })
        .await?;
        let with_contents = |task| attempt(task, What::EntriesAndContents);
        measure(SYSTEM, "catch-up with contents", task, with_contents).await?;
    }
    Ok(())
}
