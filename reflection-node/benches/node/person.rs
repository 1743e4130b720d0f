// SPDX-License-Identifier: GPL-3.0-or-later
//! People on one machine, each with a node and a folder, and what is asked of the system.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reflection_node::access::{Access, Code, TopicId};
use reflection_node::identity::AuthorKey;
use reflection_node::operation::Kind;
use reflection_node::pipeline::DocumentStream;
use reflection_node::store::DataFolder;
use reflection_node::testing::Indifferent;
use reflection_node::{Mode, NetworkConfig, Node};
use tempfile::TempDir;

/// Bytes of an operation's body that holds one keystroke.
pub(crate) const KEYSTROKE_BYTES: usize = 94;
/// Operations that wait for the disk at once.
pub(crate) const PUBLISHED_AT_ONCE: usize = 256;
/// How long anything may take before the measurement has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// Where data is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The folder for temporary files; `TMPDIR` names another.
    Disk,
    /// A file system in memory.
    Memory,
}

impl Place {
    /// A folder that is deleted at the end.
    pub(crate) fn folder(self) -> TempDir {
        match self {
            Self::Disk => tempfile::tempdir().unwrap(),
            Self::Memory => tempfile::tempdir_in("/dev/shm").unwrap(),
        }
    }
}

/// Somebody with a node.
pub(crate) struct Person {
    pub(crate) node: Node,
    key: AuthorKey,
    folder: TempDir,
    mdns: bool,
}

async fn start(folder: &Path, key: &AuthorKey, mode: Mode, mdns: bool) -> Node {
    let data = DataFolder::open(&folder.join("data")).unwrap();
    let bind = if mdns {
        Vec::new()
    } else {
        vec!["127.0.0.1:0".parse().unwrap()]
    };
    let network = NetworkConfig {
        mode: Some(mode),
        bind,
        mdns,
        ..NetworkConfig::default()
    };
    Node::start(data, key.clone(), network, Box::new(Indifferent))
        .await
        .unwrap()
}

impl Person {
    /// Somebody who sees this machine alone.
    pub(crate) async fn new(place: Place, mode: Mode) -> Self {
        Self::with(place, mode, false).await
    }

    /// Somebody who looks for others on the local network too.
    pub(crate) async fn nearby(place: Place, mode: Mode) -> Self {
        Self::with(place, mode, true).await
    }

    async fn with(place: Place, mode: Mode, mdns: bool) -> Self {
        let (key, folder) = (AuthorKey::generate(), place.folder());
        let node = start(folder.path(), &key, mode, mdns).await;
        Self {
            node,
            key,
            folder,
            mdns,
        }
    }

    /// Ends the node and starts it again without a network; gives how long the start took.
    pub(crate) async fn restart(&mut self) -> Duration {
        self.node.shutdown(Duration::from_secs(1)).await;
        let started = Instant::now();
        self.node = start(self.folder.path(), &self.key, Mode::Offline, self.mdns).await;
        started.elapsed()
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A code to write, by which this person is found if they are online.
    pub(crate) async fn code(&self, topic: &TopicId) -> Code {
        let code = self.node.code(topic, Access::Write, true).await;
        code.unwrap()
    }

    /// Writes once; on return it is on the disk.
    pub(crate) async fn writes(&self, topic: &TopicId, body: Vec<u8>) {
        let incarnation = self.node.incarnation(topic).unwrap();
        let published = self.node.publish(topic, Kind::Edit, incarnation, body);
        published.await.unwrap();
    }

    /// Writes so many times, with many on their way to the disk at once.
    pub(crate) async fn writes_much(&self, topic: &TopicId, count: usize) {
        let mut left = count;
        while left > 0 {
            let batch = left.min(PUBLISHED_AT_ONCE);
            let writing = (0..batch).map(|_| self.writes(topic, vec![7; KEYSTROKE_BYTES]));
            futures_util::future::join_all(writing).await;
            left -= batch;
        }
    }

    /// The document's operations from the first on.
    pub(crate) async fn reads(&self, topic: &TopicId) -> DocumentStream {
        self.node.stream(topic, 0).await.unwrap()
    }

    pub(crate) async fn leaves(self) {
        self.node.shutdown(Duration::from_secs(1)).await;
    }
}

/// Reads until so many operations have come.
pub(crate) async fn read_all(stream: &mut DocumentStream, count: usize) {
    let mut read = 0;
    while read < count {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await;
        read += next.unwrap().unwrap().len();
    }
    assert_eq!(read, count);
}

/// Bytes that a folder takes on the disk.
pub(crate) fn disk_bytes(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => disk_bytes(&entry.path()),
            metadata => metadata.blocks() * 512,
        })
        .sum()
}

/// Memory that this process takes, in MiB.
pub(crate) fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().strip_suffix("kB").unwrap();
    kib.trim().parse::<u64>().unwrap() / 1024
}

/// Processor time that this process has taken, in steps of 10 ms.
pub(crate) fn processor_time() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // After the name, which may hold anything: the 14th and 15th field are of the program and of
    // the system for it.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|field| field.parse::<u32>().unwrap());
    TICK * ticks.sum::<u32>()
}

/// Bytes that went through this network's loopback; everything counts, so it is an upper bound.
pub(crate) fn loopback_bytes() -> u64 {
    let table = std::fs::read_to_string("/proc/self/net/dev").unwrap();
    let line = table
        .lines()
        .find_map(|line| line.trim().strip_prefix("lo:"));
    let received = line.unwrap().split_whitespace().next();
    received.unwrap().parse().unwrap()
}
