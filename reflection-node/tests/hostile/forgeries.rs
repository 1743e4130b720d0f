// SPDX-License-Identifier: GPL-3.0-or-later
//! Operations that nobody with the right to do so has made, or that have no place.

use reflection_node::access::DocumentKeys;
use reflection_node::identity::AuthorKey;
use reflection_node::operation::Operation;
use reflection_node::testing::hostile::{Forgery, frame};

use crate::scene::{MANY, Scene, begin_to_measure, is_cheap, is_cut_off};

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
