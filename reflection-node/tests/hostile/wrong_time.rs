// SPDX-License-Identifier: GPL-3.0-or-later
//! Every message in every state in which it does not belong.

use reflection_node::access::DocumentKeys;
use reflection_node::identity::AuthorKey;
use reflection_node::testing::hostile::{Forgery, frame};

use crate::scene::{Scene, begin_to_measure, is_cheap, is_cut_off};

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
        ("prune", frame::prune(key.id())),
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
        if !["heads", "operation", "prune"].contains(&name) {
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
