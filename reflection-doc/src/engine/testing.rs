// SPDX-License-Identifier: GPL-3.0-or-later
//! What takes bytes of others apart here, for tests that hand it noise and for the targets in
//! fuzz/. Behind the feature `testing`, which no released program has.

// What breaks here is a test.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::sync::Arc;

use loro::{ExportMode, IdSpan};
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::operation::{Kind, OperationId};
use reflection_node::pipeline::Delivered;
use reflection_node::testing::decoders::Decoder;
use xxhash_rust::xxh32::xxh32;

use super::compaction::FORMAT_COMPACTION;
use super::{Engine, PeerId, check_compaction, check_update, compact, keeps_everything, update};
use crate::presence::About;

/// All of them.
pub const ALL: [Decoder; 2] = [
    Decoder {
        name: "body",
        family: "bodies",
        decode: body,
        samples: bodies,
    },
    Decoder {
        name: "about",
        family: "presence",
        decode: about,
        samples: abouts,
    },
];

const TOPIC: TopicId = TopicId::from_bytes([7; 32]);
/// Characters that the author of the samples has written.
const WRITTEN: i32 = 40;

fn author() -> AuthorId {
    AuthorId::from_bytes([1; 32])
}

fn engine(number: u8) -> Engine {
    let mut engine = Engine::new(AuthorId::from_bytes([number; 32]), &TOPIC, 0);
    engine.set_clock(Arc::new(|| 0));
    engine
}

fn delivered(author: AuthorId, body: Vec<u8>) -> Delivered {
    let is_compaction = body.first() == Some(&FORMAT_COMPACTION);
    Delivered {
        position: 1,
        id: OperationId::from_bytes([0; 32]),
        author,
        sequence: 0,
        time_us: 0,
        kind: if is_compaction {
            Kind::Compaction
        } else {
            Kind::Edit
        },
        incarnation: 0,
        body,
    }
}

fn deliveries(from: &mut Engine) -> Vec<Delivered> {
    let author = from.author();
    let bodies = from.take_changes().into_iter();
    bodies.map(|body| delivered(author, body)).collect()
}

/// Somebody who has written in between what another one wrote, and all of it.
fn writer() -> (Engine, Vec<Delivered>) {
    let (mut one, mut two) = (engine(1), engine(2));
    let mut history = Vec::new();
    for round in 0..10 {
        one.edit(round, 0, "abcd").unwrap();
        let said = deliveries(&mut one);
        two.apply(&said).unwrap();
        history.extend(said);
        two.edit(round, 0, "z").unwrap();
        let said = deliveries(&mut two);
        one.apply(&said).unwrap();
        history.extend(said);
    }
    (one, history)
}

fn part(engine: &Engine, from: i32, to: i32) -> Vec<u8> {
    let span = IdSpan::new(engine.peer.get(), from, to);
    engine.commit();
    let updates = engine
        .doc
        .export(ExportMode::updates_in_range(vec![span]))
        .unwrap();
    update::body(&updates)
}

/// Makes the checksum right, which a forger can do as well: noise would not get beyond it.
fn seal(body: &mut [u8]) {
    let start = match body {
        [FORMAT_COMPACTION, count, ..] => 2 + usize::from(*count) * 12,
        _ => 1,
    };
    if let Some(updates) = body.get_mut(start..)
        && updates.len() >= 20
    {
        let sum = xxh32(&updates[20..], u32::from_le_bytes(*b"LORO"));
        updates[16..20].copy_from_slice(&sum.to_le_bytes());
    }
}

/// A body is refused, or whoever applies it holds nothing that is not its author's.
fn body(bytes: &[u8]) {
    let mut body = bytes.to_vec();
    seal(&mut body);
    let peer = PeerId::derive(&author(), &TOPIC, 0);
    let mut reader = engine(9);
    let is_taken = if body.first() == Some(&FORMAT_COMPACTION) {
        let listed = check_compaction(&body, &TOPIC, &author());
        // The checks that need the history are made of what passed those that do not.
        listed.is_ok() && keeps_everything(&[], &author(), &body)
    } else {
        check_update(&body, peer).is_ok_and(|span| {
            assert!(span.start >= 0 && span.start < span.end);
            if span.start > 0 {
                let (writer, _) = writer();
                let before = part(&writer, 0, span.start.clamp(1, WRITTEN));
                reader.apply(&[delivered(author(), before)]).unwrap();
            }
            true
        })
    };
    if !is_taken {
        return;
    }
    let ends = super::compaction::split(&body).map(|(ends, _)| ends);
    let incarnations: Vec<u64> = ends.map_or(vec![0], |ends| ends.into_keys().collect());
    let _ = reader.apply(&[delivered(author(), body)]);
    let peers: Vec<u64> = incarnations
        .iter()
        .map(|&incarnation| PeerId::derive(&author(), &TOPIC, incarnation).get())
        .collect();
    let held = reader.doc.oplog_vv();
    assert!(held.iter().all(|(peer, _)| peers.contains(peer)));
    // Whatever was taken can be looked at.
    let history = reader.history().unwrap().open().unwrap();
    for sitting in history.sittings() {
        history.text(&sitting.version).unwrap();
    }
    assert!(history.text(&reader.version()).unwrap() == reader.text());
}

fn bodies() -> Vec<Vec<u8>> {
    let (mut writer, mut history) = writer();
    let mut bodies = vec![
        part(&writer, 0, 4),
        part(&writer, 3, 9),
        part(&writer, 0, WRITTEN),
    ];
    bodies.extend(compact(&TOPIC, &author(), &history));
    writer.edit(2, 20, "").unwrap();
    writer.set_profile("Alice", Some(3));
    history.extend(deliveries(&mut writer));
    let last = history.last().map(|last| last.body.clone());
    bodies.extend(last);
    bodies.extend(compact(&TOPIC, &author(), &history));
    bodies
}

/// What somebody says about themselves is understood as before when it is said again.
fn about(bytes: &[u8]) {
    let about = About::decode(bytes);
    assert!(About::decode(&about.encode()) == about);
}

fn abouts() -> Vec<Vec<u8>> {
    let about = About {
        name: Some("Ada Lovelace".into()),
        colour: Some(3),
        places: Some((vec![1; 40], vec![2; 40])),
    };
    vec![about.encode(), About::default().encode()]
}
