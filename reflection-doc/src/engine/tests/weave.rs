// SPDX-License-Identifier: GPL-3.0-or-later
//! The texts of older versions in which people wrote at the same time are those that the CRDT makes.

use super::*;

/// Something that somebody does.
#[derive(Clone, Debug)]
enum Act {
    /// Some letters are replaced, forwards or one by one backwards as with the key for it.
    Write(prop::sample::Index, usize, bool, String),
    /// Some of what another one has said is heard, whatever it builds upon.
    Hear(prop::sample::Index, usize),
}

fn act() -> impl Strategy<Value = Act> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => (index(), 0..4_usize, any::<bool>(), "[a-zé🎉]{0,3}")
            .prop_map(|(at, delete, is_back, insert)| Act::Write(at, delete, is_back, insert)),
        2 => (index(), 1..6_usize).prop_map(|(from, count)| Act::Hear(from, count)),
    ]
}

fn write(engine: &mut Engine, at: prop::sample::Index, delete: usize, is_back: bool, insert: &str) {
    // Near the beginning, so that people get in each other's way.
    let length = engine.len_chars();
    let at = at.index(length.min(8) + 1);
    let delete = delete.min(length - at);
    if is_back {
        for behind in (at..at + delete).rev() {
            engine.edit(behind, 1, "").unwrap();
        }
    } else {
        engine.edit(at, delete, "").unwrap();
    }
    engine.edit(at, 0, insert).unwrap();
}

/// All that the writers said, heard by somebody who has said nothing.
fn said_by(count: usize, acts: Vec<(prop::sample::Index, Act)>) -> Engine {
    let mut writers: Vec<Engine> = (0..count)
        .map(|number| engine(u8::try_from(number).unwrap()))
        .collect();
    let mut logs: Vec<Vec<Delivered>> = vec![Vec::new(); count];
    let mut heard = vec![vec![0; count]; count];
    for (who, act) in acts {
        let who = who.index(count);
        match act {
            Act::Write(at, delete, is_back, insert) => {
                write(&mut writers[who], at, delete, is_back, &insert);
                logs[who].extend(deliveries(&mut writers[who]));
            }
            Act::Hear(from, most) => {
                let from = from.index(count);
                let start = heard[who][from];
                let end = (start + most).min(logs[from].len());
                if who != from {
                    writers[who].apply(&logs[from][start..end]).unwrap();
                    heard[who][from] = end;
                }
            }
        }
    }
    let mut reader = engine(99);
    reader.apply(&logs.concat()).unwrap();
    reader
}

/// Compares texts of versions with those of the CRDT. Gives whether they are made without it.
pub(super) fn check(engine: &Engine, versions: &[Version]) -> bool {
    let history = engine.history().unwrap().open().unwrap();
    let doc = LoroDoc::new();
    let all = engine.doc.export(ExportMode::all_updates()).unwrap();
    doc.import(&all).unwrap();
    for version in versions {
        doc.checkout(&version.frontiers()).unwrap();
        let expected = doc.get_text(TEXT_CONTAINER).to_string();
        assert_eq!(history.text(version).unwrap(), expected, "{version}");
    }
    history.is_woven()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_version_of_what_was_written_at_once_is_that_of_the_crdt(
        count in 2..=4_usize,
        acts in prop::collection::vec((any::<prop::sample::Index>(), act()), 2..60),
        pairs in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 12),
    ) {
        let reader = said_by(count, acts);
        let ends = reader.doc.oplog_vv();
        let mut versions: Vec<Version> = ends
            .iter()
            .flat_map(|(&peer, &end)| (0..end).map(move |counter| Version::after(peer, counter)))
            .collect();
        if versions.is_empty() {
            return Ok(());
        }
        // What nobody has seen like that, but somebody might have.
        let pairs = pairs.iter().filter_map(|(one, other)| {
            let (one, other) = (one.get(&versions), other.get(&versions));
            let heads: Vec<_> = [one, other].iter().flat_map(|one| one.frontiers().iter().collect::<Vec<_>>()).collect();
            let heads = loro::Frontiers::from(heads);
            let heads = reader.doc.minimize_frontiers(&heads).ok()?;
            Some(Version::new(&heads))
        });
        let pairs: Vec<Version> = pairs.collect();
        versions.extend(pairs);
        let is_row = reader.doc.oplog_frontiers().len() < 2 && ends.len() < 2;
        let is_woven = check(&reader, &versions);
        prop_assert!(!(is_row && is_woven));
        if reader.doc.oplog_frontiers().len() > 1 {
            prop_assert!(is_woven, "it was not compared with the CRDT itself");
        }
    }
}

/// Two who write one after the other's back: to put that in order is to go to and fro all the time.
#[test]
fn what_would_take_too_long_is_left_to_the_crdt() {
    const EACH: usize = 3_000;
    let mut logs: Vec<Vec<Delivered>> = Vec::new();
    for number in 0..2 {
        let (mut writer, mut log) = (engine(number), Vec::new());
        for _ in 0..EACH {
            writer.edit(0, 0, "x").unwrap();
            log.extend(deliveries(&mut writer));
        }
        logs.push(log);
    }
    let mut reader = engine(99);
    reader.apply(&logs.concat()).unwrap();
    let ends = reader.doc.oplog_vv();
    let versions: Vec<Version> = ends
        .iter()
        .map(|(&peer, &end)| Version::after(peer, end / 2))
        .collect();
    assert!(!check(&reader, &versions));
}
