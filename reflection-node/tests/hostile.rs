// SPDX-License-Identifier: GPL-3.0-or-later
//! Peers that keep no rules, on real connections. Each is cut off in five seconds and costs little,
//! and two honest people beside it go on as if nothing were.
//!
//! Time-outs are a fifth of the usual ones here, so that slow peers do not hold up the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use iroh::endpoint::{Connection, RecvStream, SendStream};
use reflection_node::access::{Access, DocumentKeys, TopicId};
use reflection_node::identity::{AuthorId, AuthorKey};
use reflection_node::operation::{Kind, Operation};
use reflection_node::pipeline::DocumentStream;
use reflection_node::store::DataFolder;
use reflection_node::testing::hostile::{Attacker, Forgery, Talk, frame, set_patience};
use reflection_node::testing::{Ledger, Person};
use reflection_node::{Mode, NetworkConfig, Node};
use tokio::sync::{Mutex, MutexGuard};

/// How long a peer that breaks the rules may stay.
const CUT_OFF: Duration = Duration::from_secs(5);
/// What an attack may cost.
const COST_BYTES_MAX: usize = 100 * 1024 * 1024;
/// How long honest people wait for each other at most.
const HONEST: Duration = Duration::from_secs(20);
/// Time-outs of these tests, in percent of the usual ones.
const PATIENCE_PERCENT: u32 = 20;
/// As many invalid operations as certainly end a session.
const MANY: usize = 40;

/// The victim, an honest peer beside it, and what attackers know.
struct Scene {
    victim: Node,
    friend: Node,
    address: SocketAddr,
    /// A document of the two.
    honest: TopicId,
    at_friend: DocumentStream,
    said: u64,
    /// A document whose code the attackers have.
    shared: DocumentKeys,
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
    async fn new() -> Self {
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
    async fn honest_people_work(&mut self) {
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

    async fn greet(&self) -> (Attacker, Talk) {
        let attacker = Attacker::new().await;
        let talk = attacker.greet(self.victim.id(), self.address).await;
        (attacker, talk)
    }

    async fn dial(&self) -> (Attacker, Connection) {
        let attacker = Attacker::new().await;
        let connection = attacker.dial(self.victim.id(), self.address).await.unwrap();
        (attacker, connection)
    }

    async fn operations(&self) -> u64 {
        self.victim
            .statistics(&self.shared.topic())
            .await
            .unwrap()
            .operations
    }

    async fn end(self) {
        self.friend.shutdown(Duration::from_secs(1)).await;
        self.victim.shutdown(Duration::from_secs(1)).await;
    }
}

/// Waits until the victim has ended the connection.
async fn is_cut_off(connection: &Connection, attack: &str) {
    let started = Instant::now();
    let closed = tokio::time::timeout(CUT_OFF, connection.closed()).await;
    assert!(closed.is_ok(), "{attack}: not cut off in {CUT_OFF:?}");
    println!("{attack}: cut off after {:?}", started.elapsed());
}

/// Waits until the victim has ended the stream; other documents on the connection go on.
async fn is_dropped(mut receive: RecvStream, attack: &str) {
    let ended = tokio::time::timeout(CUT_OFF, receive.read_to_end(1 << 20)).await;
    assert!(ended.is_ok(), "{attack}: not dropped in {CUT_OFF:?}");
}

/// Begins to count the memory that this process takes at most.
fn begin_to_measure() -> usize {
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

fn is_cheap(before: usize, attack: &str) {
    let cost = memory("VmHWM:").saturating_sub(before);
    assert!(cost < COST_BYTES_MAX, "{attack} costs {} MiB", cost >> 20);
    println!("{attack}: {} MiB", cost >> 20);
}

/// Writes as long as the victim takes it.
async fn pour(mut send: SendStream, bytes: Vec<u8>) -> SendStream {
    while send.write_all(&bytes).await.is_ok() {}
    send
}

/// A byte every now and then.
async fn drip(mut send: SendStream, bytes: Vec<u8>) -> SendStream {
    for byte in bytes.iter().cycle() {
        if send.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    send
}

/// Whatever is said instead of what is due.
fn every_frame(keys: &DocumentKeys) -> Vec<(&'static str, Vec<u8>)> {
    let key = AuthorKey::generate();
    let operation = Forgery::first(&key, keys, b"x").sign(&key, keys);
    vec![
        ("hello", frame::hello([1; 16])),
        ("offer", frame::offer(vec![[1; 16]])),
        ("match", frame::matched(vec![[1; 16]])),
        ("open", frame::open([1; 16], [2; 32])),
        ("challenge", frame::challenge()),
        ("proof", frame::proof([3; 32])),
        ("digest", frame::digest([4; 32])),
        ("heads", frame::heads(&[], true)),
        ("operation", frame::operation(&operation)),
        ("done", frame::done()),
        ("nothing", vec![0, 0, 0, 0]),
        ("an unknown tag", vec![0, 0, 0, 3, 0x82, 0x18, 0x63]),
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a giant length", vec![0xFF; 64]),
        ("deep nesting", [vec![0, 0, 1, 0], vec![0x81; 256]].concat()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_said_at_the_wrong_time_ends_the_talk() {
    let mut scene = Scene::new().await;
    let before = begin_to_measure();
    let keys = scene.shared.clone();
    for (name, bytes) in every_frame(&keys) {
        // In place of the hello.
        if name != "hello" {
            let (_attacker, connection) = scene.dial().await;
            let (mut send, _receive) = connection.open_bi().await.unwrap();
            send.write_all(&bytes).await.unwrap();
            is_cut_off(&connection, &format!("{name} for a hello")).await;
        }
        if !["offer", "match"].contains(&name) {
            let (_attacker, mut talk) = scene.greet().await;
            talk.control.0.write_all(&bytes).await.unwrap();
            is_cut_off(&talk.connection, &format!("{name} on the control stream")).await;
        }
        if name != "open" {
            let (_attacker, talk) = scene.greet().await;
            let (mut send, _receive) = talk.connection.open_bi().await.unwrap();
            send.write_all(&bytes).await.unwrap();
            is_cut_off(&talk.connection, &format!("{name} for an open")).await;
        }
        // A wrong proof among them.
        let (_attacker, talk) = scene.greet().await;
        let (mut send, _receive, _) = talk.open(&keys).await;
        send.write_all(&bytes).await.unwrap();
        is_cut_off(&talk.connection, &format!("{name} for a proof")).await;
        if name != "digest" {
            let (_attacker, talk) = scene.greet().await;
            let (mut send, _receive) = talk.prove(&keys).await;
            send.write_all(&bytes).await.unwrap();
            is_cut_off(&talk.connection, &format!("{name} for a digest")).await;
        }
        if !["heads", "operation"].contains(&name) {
            let (_attacker, talk) = scene.greet().await;
            let (mut send, _receive) = talk.list(&keys).await;
            send.write_all(&bytes).await.unwrap();
            is_cut_off(&talk.connection, &format!("{name} among the heads")).await;
        }
        if !["heads", "operation"].contains(&name) {
            let (_attacker, talk) = scene.greet().await;
            let (mut send, _receive) = talk.live(&keys).await;
            // The first `Done` belongs there.
            send.write_all(&frame::done()).await.unwrap();
            send.write_all(&bytes).await.unwrap();
            is_cut_off(&talk.connection, &format!("{name} among operations")).await;
        }
    }
    is_cheap(before, "talk at the wrong time");
    scene.honest_people_work().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_slowness_and_ends_are_not_waited_for() {
    let mut scene = Scene::new().await;
    let before = begin_to_measure();
    let keys = scene.shared.clone();
    let (_a, connection) = scene.dial().await;
    is_cut_off(&connection, "silence").await;
    let (_b, connection) = scene.dial().await;
    let (send, _receive) = connection.open_bi().await.unwrap();
    let dripping = tokio::spawn(drip(send, frame::hello([1; 16])));
    is_cut_off(&connection, "a dripping hello").await;
    dripping.abort();
    let (_c, talk) = scene.greet().await;
    is_cut_off(&talk.connection, "silence after the hello").await;
    let (_d, talk) = scene.greet().await;
    let (send, _receive) = talk.connection.open_bi().await.unwrap();
    let dripping = tokio::spawn(drip(send, vec![0, 0, 200, 0, 1]));
    is_cut_off(&talk.connection, "a dripping open").await;
    dripping.abort();
    for (state, stream) in [
        (
            "before the proof",
            scene
                .greet_and(|talk, keys| async move {
                    let (send, receive, _) = talk.open(&keys).await;
                    (talk, send, receive)
                })
                .await,
        ),
        (
            "before the digest",
            scene
                .greet_and(|talk, keys| async move {
                    let (send, receive) = talk.prove(&keys).await;
                    (talk, send, receive)
                })
                .await,
        ),
        (
            "before the heads",
            scene
                .greet_and(|talk, keys| async move {
                    let (send, receive) = talk.list(&keys).await;
                    (talk, send, receive)
                })
                .await,
        ),
    ] {
        let (_attacker, (_talk, send, receive)) = stream;
        is_dropped(receive, &format!("silence {state}")).await;
        drop(send);
    }
    let (_e, talk) = scene.greet().await;
    let (send, receive) = talk.live(&keys).await;
    let dripping = tokio::spawn(drip(send, vec![0, 0x0F, 0xFF, 0xFF, 1]));
    is_dropped(receive, "a dripping frame").await;
    dripping.abort();
    // The end of the stream, in every state.
    let (_attacker, mut talk) = scene.greet().await;
    talk.control.0.finish().unwrap();
    is_cut_off(&talk.connection, "the end of the control stream").await;
    for step in 1..5 {
        let (_attacker, talk) = scene.greet().await;
        let (mut send, receive) = match step {
            1 => {
                let (send, receive, _) = talk.open(&keys).await;
                (send, receive)
            }
            2 => talk.prove(&keys).await,
            3 => talk.list(&keys).await,
            _ => talk.live(&keys).await,
        };
        send.finish().unwrap();
        is_dropped(receive, &format!("the end after step {step}")).await;
    }
    is_cheap(before, "slowness");
    scene.honest_people_work().await;
    scene.end().await;
}

impl Scene {
    async fn greet_and<T, F: Future<Output = T>>(
        &self,
        go_on: impl FnOnce(Talk, DocumentKeys) -> F,
    ) -> (Attacker, T) {
        let (attacker, talk) = self.greet().await;
        (attacker, go_on(talk, self.shared.clone()).await)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_cost_little() {
    let mut scene = Scene::new().await;
    let before = begin_to_measure();
    let keys = scene.shared.clone();
    let (_a, talk) = scene.greet().await;
    let (send, _receive) = talk.live(&keys).await;
    let pouring = tokio::spawn(pour(send, vec![0; 1 << 20]));
    is_cut_off(&talk.connection, "endless zeros").await;
    pouring.abort();
    let (_b, talk) = scene.greet().await;
    let (mut send, receive) = talk.list(&keys).await;
    for chunk in 0..40_u8 {
        let heads: Vec<(AuthorId, u64)> = (0..250_u8)
            .map(|number| {
                (
                    AuthorId::from_bytes(
                        [chunk.wrapping_mul(7) ^ number, chunk, number, 0]
                            .repeat(8)
                            .try_into()
                            .unwrap(),
                    ),
                    5,
                )
            })
            .collect();
        if send.write_all(&frame::heads(&heads, false)).await.is_err() {
            break;
        }
    }
    is_dropped(receive, "endless heads").await;
    // A thousand streams that are begun and not gone on with.
    let (_c, talk) = scene.greet().await;
    let mut streams = Vec::new();
    while streams.len() < 1_000 {
        let opening = tokio::time::timeout(Duration::from_millis(500), talk.connection.open_bi());
        let Ok(Ok((mut send, receive))) = opening.await else {
            break;
        };
        if send.write_all(&[0, 0, 200, 0]).await.is_err() {
            break;
        }
        streams.push((send, receive));
    }
    println!("{} streams begun", streams.len());
    is_cut_off(&talk.connection, "a thousand streams").await;
    // Large operations that are sealed with a wrong key: each has to be looked at.
    let (attacker, talk) = scene.greet().await;
    let (mut send, _receive) = talk.live(&keys).await;
    let body = vec![0; 1_000_000];
    for sequence in 0..MANY as u64 {
        let mut forgery = Forgery::first(attacker.key(), &keys, &body);
        forgery.sequence = sequence;
        forgery.backlink =
            (sequence > 0).then_some(reflection_node::operation::OperationId::from_bytes([1; 32]));
        let operation = forgery.sign(attacker.key(), &scene.other_keys().await);
        if send.write_all(&frame::operation(&operation)).await.is_err() {
            break;
        }
    }
    is_cut_off(&talk.connection, "large forgeries").await;
    is_cheap(before, "floods");
    scene.honest_people_work().await;
    scene.end().await;
}

impl Scene {
    /// The keys of a document that the shared one's peers do not have.
    async fn other_keys(&self) -> DocumentKeys {
        let code = self
            .friend
            .code(&self.honest, Access::Write, false)
            .await
            .unwrap();
        code.keys().clone()
    }
}

type Forge = fn(&AuthorKey, &DocumentKeys, &DocumentKeys) -> (Vec<u8>, Vec<u8>);

fn parts(operation: &Operation) -> (Vec<u8>, Vec<u8>) {
    (operation.header_bytes().to_vec(), operation.body().to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgeries_are_refused_and_end_the_talk() {
    let mut scene = Scene::new().await;
    let before = begin_to_measure();
    let (keys, other) = (scene.shared.clone(), scene.other_keys().await);
    let forgeries: [(&str, Forge); 7] = [
        ("a wrong signature", |key, keys, _| {
            let (mut header, body) = parts(&Forgery::first(key, keys, b"x").sign(key, keys));
            *header.last_mut().unwrap() ^= 1;
            (header, body)
        }),
        ("another document's operation", |key, _, other| {
            parts(&Forgery::first(key, other, b"x").sign(key, other))
        }),
        ("no right to write", |key, keys, _| {
            let forgery = Forgery {
                proof_of: None,
                ..Forgery::first(key, keys, b"x")
            };
            parts(&forgery.sign(key, keys))
        }),
        ("another author's right to write", |key, keys, _| {
            let proof_of = Some(AuthorKey::generate().id());
            parts(
                &Forgery {
                    proof_of,
                    ..Forgery::first(key, keys, b"x")
                }
                .sign(key, keys),
            )
        }),
        ("another document's seal", |key, keys, other| {
            let honest = Forgery::first(key, keys, b"x").sign(key, keys);
            let foreign = Forgery::first(key, keys, b"x").sign(key, other);
            (foreign.header_bytes().to_vec(), honest.body().to_vec())
        }),
        ("a header of noise", |_, _, _| {
            (vec![0x8C; 300], vec![1, 2, 3])
        }),
        ("another body", |key, keys, _| {
            let (header, mut body) = parts(&Forgery::first(key, keys, b"x").sign(key, keys));
            body[0] ^= 1;
            (header, body)
        }),
    ];
    for (name, forge) in forgeries {
        let (_attacker, talk) = scene.greet().await;
        let (mut send, _receive) = talk.live(&keys).await;
        for _ in 0..MANY {
            let (header, body) = forge(&AuthorKey::generate(), &keys, &other);
            if send
                .write_all(&frame::raw_operation(header, body))
                .await
                .is_err()
            {
                break;
            }
        }
        is_cut_off(&talk.connection, name).await;
    }
    assert_eq!(scene.operations().await, 0);
    is_cheap(before, "forgeries");
    scene.honest_people_work().await;
    scene.end().await;
}

/// What breaks no rule that ends a talk at once, but has to come to nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gaps_orphans_replays_and_forks_come_to_nothing() {
    let mut scene = Scene::new().await;
    let before = begin_to_measure();
    let keys = scene.shared.clone();
    let (attacker, talk) = scene.greet().await;
    let key = attacker.key();
    let (mut send, _receive) = talk.live(&keys).await;
    let first = Forgery::first(key, &keys, b"one").sign(key, &keys);
    let twin = Forgery::first(key, &keys, b"two").sign(key, &keys);
    for operation in [&first, &first, &twin] {
        let _ = send.write_all(&frame::operation(operation)).await;
    }
    // Orphans of many authors, and a log with a gap.
    for number in 0..2_000_u64 {
        let orphan = AuthorKey::generate();
        let mut forgery = Forgery::first(&orphan, &keys, &[0; 1_000]);
        forgery.sequence = 7 + number;
        forgery.backlink = Some(first.id());
        forgery.proof_of = None;
        let operation = forgery.sign(&orphan, &keys);
        if send.write_all(&frame::operation(&operation)).await.is_err() {
            break;
        }
    }
    for _ in 0..2_000 {
        if send.write_all(&frame::operation(&first)).await.is_err() {
            break;
        }
    }
    scene.honest_people_work().await;
    is_cheap(before, "orphans and replays");
    assert!(scene.operations().await <= 1);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_dials_leave_room_for_a_friend() {
    let mut scene = Scene::new().await;
    let before = begin_to_measure();
    let (victim, address) = (scene.victim.id(), scene.address);
    let mut attackers = Vec::new();
    for _ in 0..10 {
        attackers.push(std::sync::Arc::new(Attacker::new().await));
    }
    let mut dials = tokio::task::JoinSet::new();
    let mut connections = Vec::new();
    for number in 0..1_000 {
        let attacker = std::sync::Arc::clone(&attackers[number % attackers.len()]);
        dials.spawn(async move {
            tokio::time::timeout(CUT_OFF, attacker.dial(victim, address))
                .await
                .ok()
                .flatten()
        });
        if dials.len() >= 50
            && let Some(dialled) = dials.join_next().await
        {
            connections.extend(dialled.unwrap());
        }
    }
    scene.honest_people_work().await;
    while let Some(dialled) = dials.join_next().await {
        connections.extend(dialled.unwrap());
    }
    println!("{} of 1,000 dials were taken", connections.len());
    for connection in &connections {
        assert!(
            tokio::time::timeout(CUT_OFF, connection.closed())
                .await
                .is_ok()
        );
    }
    // The attackers' own side of a thousand connections is in this figure.
    is_cheap(before, "a thousand dials");
    scene.honest_people_work().await;
    scene.end().await;
}
