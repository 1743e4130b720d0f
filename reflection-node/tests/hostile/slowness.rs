// SPDX-License-Identifier: GPL-3.0-or-later
//! Silence, single bytes every now and then, and the end of a stream, in every state.

use std::time::Duration;

use iroh::endpoint::SendStream;
use reflection_node::testing::hostile::frame;

use crate::scene::{Scene, begin_to_measure, is_cheap, is_cut_off, is_dropped};

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
