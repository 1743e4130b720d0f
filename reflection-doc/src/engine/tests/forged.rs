// SPDX-License-Identifier: GPL-3.0-or-later
//! Bodies that say something else than they hold.

use loro::ExportMode;
use xxhash_rust::xxh32::xxh32;

use super::*;

const BLOCKS_AT: usize = 22;

/// The blocks of several blobs in one, with a checksum that is right.
fn joined(blobs: &[Vec<u8>]) -> Vec<u8> {
    let mut forged = blobs[0][..BLOCKS_AT].to_vec();
    for blob in blobs {
        forged.extend_from_slice(&blob[BLOCKS_AT..]);
    }
    let sum = xxh32(&forged[20..], u32::from_le_bytes(*b"LORO"));
    forged[16..20].copy_from_slice(&sum.to_le_bytes());
    update::body(&forged)
}

fn blob(engine: &Engine, from: i32, to: i32) -> Vec<u8> {
    let span = IdSpan::new(engine.peer.get(), from, to);
    engine.commit();
    engine
        .doc
        .export(ExportMode::updates_in_range(vec![span]))
        .unwrap()
}

/// Somebody who has written 40 characters in between what another one wrote.
fn writer() -> Engine {
    let (mut one, mut two) = (engine(1), engine(2));
    for round in 0..10 {
        one.edit(round, 0, "abcd").unwrap();
        two.apply(&deliveries(&mut one)).unwrap();
        two.edit(round, 0, "z").unwrap();
        one.apply(&deliveries(&mut two)).unwrap();
    }
    one
}

#[test]
fn what_is_exported_is_accepted_wherever_it_begins() {
    let writer = writer();
    for from in 0..40 {
        for to in from + 1..=40 {
            let body = update::body(&blob(&writer, from, to));
            let span = check_update(&body, writer.peer).unwrap();
            assert_eq!(
                span,
                UpdateSpan {
                    start: from,
                    end: to
                }
            );
        }
    }
}

#[test]
fn counters_that_are_missing_or_come_twice_are_refused() {
    let writer = writer();
    for (one, two) in [
        ((0, 3), (5, 8)),
        ((10, 13), (15, 18)),
        ((10, 13), (11, 14)),
        ((10, 13), (10, 13)),
        ((0, 8), (4, 20)),
        ((13, 16), (10, 13)),
    ] {
        let forged = joined(&[blob(&writer, one.0, one.1), blob(&writer, two.0, two.1)]);
        let outcome = check_update(&forged, writer.peer);
        assert_eq!(outcome, Err("the contents have a gap"), "{one:?} {two:?}");
    }
    let whole = joined(&[blob(&writer, 10, 13), blob(&writer, 13, 18)]);
    let span = check_update(&whole, writer.peer).unwrap();
    assert_eq!(span, UpdateSpan { start: 10, end: 18 });
}

#[test]
fn a_stranger_hidden_behind_own_changes_is_refused() {
    let (writer, mut victim) = (writer(), engine(3));
    victim.edit(0, 0, "never said").unwrap();
    for (from, to) in [(0, 4), (4, 9)] {
        let forged = joined(&[blob(&writer, from, to), blob(&victim, 0, 10)]);
        assert_eq!(
            check_update(&forged, writer.peer),
            Err("the contents claim another author")
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// A body with any bytes changed, and its checksum made right, is refused or holds what it is
    /// said to hold; and whoever applies it neither fails nor holds another author's changes.
    #[test]
    fn a_forged_body_is_refused_or_harmless(
        range in (0_i32..20, 1_i32..20),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let writer = writer();
        let mut bytes = blob(&writer, range.0, range.0 + range.1);
        for (at, byte) in changes {
            let at = BLOCKS_AT + at.index(bytes.len() - BLOCKS_AT);
            bytes[at] = byte;
        }
        let forged = joined(&[bytes]);
        if let Ok(span) = check_update(&forged, writer.peer) {
            prop_assert!(span.start >= 0 && span.start < span.end);
            let before = blob(&writer, 0, span.start.clamp(1, 40));
            let mut reader = engine(9);
            let operations = [update::body(&before), forged]
                .map(|body| deliver(writer.author(), body));
            let _ = reader.apply(&operations);
            let held = reader.doc.oplog_vv();
            prop_assert!(held.iter().all(|(&peer, _)| peer == writer.peer.get()));
        }
    }
}
