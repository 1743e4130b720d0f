// SPDX-License-Identifier: GPL-3.0-or-later
//! A victim, an honest peer beside it, and what an attack may cost them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use iroh::endpoint::{Connection, RecvStream};
use reflection_node::access::{Access, DocumentKeys, TopicId};
use reflection_node::identity::AuthorKey;
use reflection_node::operation::Kind;
use reflection_node::pipeline::DocumentStream;
use reflection_node::store::DataFolder;
use reflection_node::testing::hostile::{Attacker, Talk, set_patience};
use reflection_node::testing::{Ledger, Person};
use reflection_node::{Mode, NetworkConfig, Node};
use tokio::sync::{Mutex, MutexGuard};

/// How long a peer that breaks the rules may stay.
pub(super) const CUT_OFF: Duration = Duration::from_secs(5);
/// What an attack may cost.
const COST_BYTES_MAX: usize = 100 * 1024 * 1024;
/// How long honest people wait for each other at most.
const HONEST: Duration = Duration::from_secs(20);
/// Time-outs of these tests, in percent of the usual ones.
const PATIENCE_PERCENT: u32 = 20;
/// As many invalid operations as certainly end a session.
pub(super) const MANY: usize = 40;

/// The victim, an honest peer beside it, and what attackers know.
pub(super) struct Scene {
    pub(super) victim: Node,
    friend: Node,
    pub(super) address: SocketAddr,
    /// A document of the two.
    honest: TopicId,
    at_friend: DocumentStream,
    said: u64,
    /// A document whose code the attackers have.
    pub(super) shared: DocumentKeys,
    _folders: [tempfile::TempDir; 2],
    _turn: MutexGuard<'static, ()>,
}

/// One scene at a time: what an attack costs is measured by what the whole process takes, and where
/// each test has no process of its own, it would count what the others take.
static TURN: Mutex<()> = Mutex::const_new(());

async fn start(folder: &tempfile::TempDir) -> Node {
    let config = NetworkConfig {
        mode: Some(Mode::Local),
        bind: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        mdns: false,
        ..NetworkConfig::default()
    };
    let folder = DataFolder::open(folder.path()).unwrap();
    let application = Ledger::default().application();
    Node::start(folder, AuthorKey::generate(), config, application)
        .await
        .unwrap()
}

impl Scene {
    pub(super) async fn new() -> Self {
        let turn = TURN.lock().await;
        set_patience(PATIENCE_PERCENT);
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (victim, friend) = (start(&folders[0]).await, start(&folders[1]).await);
        let honest = victim.create().await.unwrap();
        let shared = victim.create().await.unwrap();
        friend
            .join(&victim.code(&honest, Access::Write, true).await.unwrap())
            .await
            .unwrap();
        let code = victim.code(&shared, Access::Write, false).await.unwrap();
        let mut scene = Self {
            address: victim.addresses().await[0],
            at_friend: friend.stream(&honest, 0).await.unwrap(),
            victim,
            friend,
            honest,
            said: 0,
            shared: code.keys().clone(),
            _folders: folders,
            _turn: turn,
        };
        scene.honest_people_work().await;
        scene
    }

    /// What the victim writes arrives at its friend.
    pub(super) async fn honest_people_work(&mut self) {
        self.said += 1;
        let body = self.said.to_be_bytes().to_vec();
        let incarnation = self.victim.incarnation(&self.honest).unwrap();
        self.victim
            .publish(&self.honest, Kind::Edit, incarnation, body.clone())
            .await
            .unwrap();
        let arrival = async {
            loop {
                let arrived = self.at_friend.next().await.unwrap();
                if arrived.iter().any(|operation| operation.body == body) {
                    return;
                }
            }
        };
        tokio::time::timeout(HONEST, arrival)
            .await
            .expect("honest people are held up");
    }

    pub(super) async fn greet(&self) -> (Attacker, Talk) {
        let attacker = Attacker::new().await;
        let talk = attacker.greet(self.victim.id(), self.address).await;
        (attacker, talk)
    }

    pub(super) async fn dial(&self) -> (Attacker, Connection) {
        let attacker = Attacker::new().await;
        let connection = attacker.dial(self.victim.id(), self.address).await.unwrap();
        (attacker, connection)
    }

    pub(super) async fn operations(&self) -> u64 {
        self.victim
            .statistics(&self.shared.topic())
            .await
            .unwrap()
            .operations
    }

    pub(super) async fn end(self) {
        self.friend.shutdown(Duration::from_secs(1)).await;
        self.victim.shutdown(Duration::from_secs(1)).await;
    }

    pub(super) async fn greet_and<T, F: Future<Output = T>>(
        &self,
        go_on: impl FnOnce(Talk, DocumentKeys) -> F,
    ) -> (Attacker, T) {
        let (attacker, talk) = self.greet().await;
        (attacker, go_on(talk, self.shared.clone()).await)
    }

    /// The keys of a document that the shared one's peers do not have.
    pub(super) async fn other_keys(&self) -> DocumentKeys {
        let code = self
            .friend
            .code(&self.honest, Access::Write, false)
            .await
            .unwrap();
        code.keys().clone()
    }
}

/// Waits until the victim has ended the connection.
pub(super) async fn is_cut_off(connection: &Connection, attack: &str) {
    let started = Instant::now();
    let closed = tokio::time::timeout(CUT_OFF, connection.closed()).await;
    assert!(closed.is_ok(), "{attack}: not cut off in {CUT_OFF:?}");
    println!("{attack}: cut off after {:?}", started.elapsed());
}

/// Waits until the victim has ended the stream; other documents on the connection go on.
pub(super) async fn is_dropped(mut receive: RecvStream, attack: &str) {
    let ended = tokio::time::timeout(CUT_OFF, receive.read_to_end(1 << 20)).await;
    assert!(ended.is_ok(), "{attack}: not dropped in {CUT_OFF:?}");
}

/// Begins to count the memory that this process takes at most.
pub(super) fn begin_to_measure() -> usize {
    // "5" resets the high-water mark.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    memory("VmRSS:")
}

fn memory(line: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let found = status
        .lines()
        .find_map(|text| text.strip_prefix(line))
        .unwrap();
    let kib: usize = found.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

pub(super) fn is_cheap(before: usize, attack: &str) {
    let cost = memory("VmHWM:").saturating_sub(before);
    assert!(cost < COST_BYTES_MAX, "{attack} costs {} MiB", cost >> 20);
    println!("{attack}: {} MiB", cost >> 20);
}
