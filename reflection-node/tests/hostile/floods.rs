// SPDX-License-Identifier: GPL-3.0-or-later
//! More than anybody can want: bytes, heads, streams, large operations, connections.

use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::SendStream;
use reflection_node::identity::AuthorId;
use reflection_node::operation::OperationId;
use reflection_node::testing::hostile::{Attacker, Forgery, frame};

use crate::scene::{CUT_OFF, MANY, Scene, begin_to_measure, is_cheap, is_cut_off, is_dropped};

/// Writes as long as the victim takes it.
async fn pour(mut send: SendStream, bytes: Vec<u8>) -> SendStream {
    while send.write_all(&bytes).await.is_ok() {}
    send
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
        forgery.backlink = (sequence > 0).then_some(OperationId::from_bytes([1; 32]));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_dials_leave_room_for_a_friend() {
    let mut scene = Scene::new().await;
    let before = begin_to_measure();
    let (victim, address) = (scene.victim.id(), scene.address);
    let mut attackers = Vec::new();
    for _ in 0..10 {
        attackers.push(Arc::new(Attacker::new().await));
    }
    let mut dials = tokio::task::JoinSet::new();
    let mut connections = Vec::new();
    for number in 0..1_000 {
        let attacker = Arc::clone(&attackers[number % attackers.len()]);
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
