// SPDX-License-Identifier: GPL-3.0-or-later
//! Long logs are made short by themselves. The task that sees to it looks more often here than
//! every half minute, and is content with a shorter pause in the writing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reflection_node::access::TopicId;
use reflection_node::identity::{AuthorId, AuthorKey};
use reflection_node::operation::Kind;
use reflection_node::pipeline::{
    Application, Branches, Compactor, Delivered, Delivery, DocumentStream, Joined, Processed,
    Refusal,
};
use reflection_node::rusqlite::Connection;
use reflection_node::store::{DataFolder, StoreError};
use reflection_node::testing::hostile::set_patience;
use reflection_node::{Mode, NetworkConfig, Node};
use tokio::sync::oneshot;

/// How long it may take until the task has looked.
const PATIENCE: Duration = Duration::from_mins(1);
/// More operations than a log may have before it is made short.
const LONG: u64 = 600;
/// Fewer.
const SHORT: u64 = 400;

/// A program whose compactions say how many edits they stand for.
#[derive(Clone, Default)]
struct Counting {
    /// Asked while the first compaction is being made, which goes on when there is an answer.
    meanwhile: Option<Arc<Mutex<Option<Meanwhile>>>>,
}

type Meanwhile = (oneshot::Sender<()>, std::sync::mpsc::Receiver<()>);

impl Application for Counting {
    fn process(&mut self, _: &Connection, _: &Delivery<'_>) -> Result<Processed, Refusal> {
        Ok(Processed::Done)
    }

    fn deleted(&mut self, _: &Connection, _: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }

    fn compactor(&self) -> Option<Arc<dyn Compactor>> {
        Some(Arc::new(self.clone()))
    }
}

impl Compactor for Counting {
    fn compact(&self, _: &TopicId, author: &AuthorId, all: &[Delivered]) -> Option<Vec<u8>> {
        let meanwhile = self
            .meanwhile
            .as_ref()
            .and_then(|meanwhile| meanwhile.lock().unwrap().take());
        if let Some((asks, answer)) = meanwhile {
            asks.send(()).unwrap();
            answer.recv().unwrap();
        }
        let own = all.iter().filter(|one| one.author == *author);
        let edits: u64 = own.map(stands_for).sum();
        Some(edits.to_be_bytes().to_vec())
    }

    fn mend(&self, _: &Branches<'_>) -> Option<Joined> {
        None
    }
}

/// How many edits an operation is.
fn stands_for(operation: &Delivered) -> u64 {
    match operation.kind {
        Kind::Edit => 1,
        Kind::Compaction => u64::from_be_bytes(operation.body.clone().try_into().unwrap()),
    }
}

async fn start(folder: &tempfile::TempDir, key: &AuthorKey, counting: Counting) -> Node {
    let config = NetworkConfig {
        mode: Some(Mode::Offline),
        ..NetworkConfig::default()
    };
    let folder = DataFolder::open(folder.path()).unwrap();
    Node::start(folder, key.clone(), config, Box::new(counting))
        .await
        .unwrap()
}

/// Makes so many edits, all at once.
async fn write(node: &Node, topic: &TopicId, count: u64) {
    let incarnation = node.incarnation(topic).unwrap();
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..count {
        let (node, topic) = (node.clone(), *topic);
        writing.spawn(async move {
            let body = number.to_be_bytes().to_vec();
            node.publish(&topic, Kind::Edit, incarnation, body).await
        });
    }
    while let Some(written) = writing.join_next().await {
        written.unwrap().unwrap();
    }
}

/// Waits for the next compaction and gives how many edits it stands for.
async fn compacted(stream: &mut DocumentStream) -> u64 {
    let compaction = async {
        loop {
            let stored = stream.next().await.unwrap();
            if let Some(found) = stored.iter().find(|one| one.kind == Kind::Compaction) {
                return stands_for(found);
            }
        }
    };
    tokio::time::timeout(PATIENCE, compaction)
        .await
        .expect("the log is not made short")
}

async fn operations(node: &Node, topic: &TopicId) -> u64 {
    node.statistics(topic).await.unwrap().operations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_made_short_by_itself_as_often_as_it_has_become_long() {
    set_patience(10);
    let (folder, key) = (tempfile::tempdir().unwrap(), AuthorKey::generate());
    let node = start(&folder, &key, Counting::default()).await;
    let [long, short] = [node.create().await.unwrap(), node.create().await.unwrap()];
    let mut at_long = node.stream(&long, 0).await.unwrap();
    write(&node, &short, SHORT).await;
    write(&node, &long, LONG).await;
    assert_eq!(compacted(&mut at_long).await, LONG);
    assert_eq!(operations(&node, &long).await, 1);
    // What is short was looked at too, at the same time.
    assert_eq!(operations(&node, &short).await, SHORT);
    write(&node, &long, 2 * LONG).await;
    assert_eq!(compacted(&mut at_long).await, 3 * LONG);
    assert_eq!(operations(&node, &long).await, 1);
    node.shutdown(PATIENCE).await;
    // It goes on after a restart, and nothing is missing.
    let node = start(&folder, &key, Counting::default()).await;
    assert_eq!(operations(&node, &long).await, 1);
    write(&node, &short, LONG).await;
    let mut at_short = node.stream(&short, 0).await.unwrap();
    assert_eq!(compacted(&mut at_short).await, SHORT + LONG);
    node.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_grew_meanwhile_is_made_short_the_next_time() {
    set_patience(10);
    let (folder, key) = (tempfile::tempdir().unwrap(), AuthorKey::generate());
    let (asks, asked) = oneshot::channel();
    let (answers, answer) = std::sync::mpsc::channel();
    let counting = Counting {
        meanwhile: Some(Arc::new(Mutex::new(Some((asks, answer))))),
    };
    let node = start(&folder, &key, counting).await;
    let topic = node.create().await.unwrap();
    let mut stream = node.stream(&topic, 0).await.unwrap();
    write(&node, &topic, LONG).await;
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("the log is not made short")
        .unwrap();
    write(&node, &topic, 1).await;
    answers.send(()).unwrap();
    assert_eq!(compacted(&mut stream).await, LONG + 1);
    node.shutdown(PATIENCE).await;
}
