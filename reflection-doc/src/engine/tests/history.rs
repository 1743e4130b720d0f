// SPDX-License-Identifier: GPL-3.0-or-later
//! Sittings, versions, and the way back to one.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Two people with one clock.
fn two(clock: &Arc<AtomicU64>) -> (Engine, Engine) {
    let person = |number| {
        let told = Arc::clone(clock);
        let mut engine = engine(number);
        engine.set_clock(Arc::new(move || told.load(Ordering::Relaxed)));
        engine
    };
    (person(1), person(2))
}

fn pass(clock: &AtomicU64, minutes: u64) {
    clock.fetch_add(minutes * 60_000, Ordering::Relaxed);
}

#[test]
fn sittings_end_with_a_pause_and_their_versions_stay_what_they_were() {
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
    let (mut ann, mut ben) = two(&clock);
    ann.edit(0, 0, "One two").unwrap();
    let first = deliveries(&mut ann);
    pass(&clock, 3);
    ann.edit(7, 0, " three").unwrap();
    let second = deliveries(&mut ann);
    ben.apply(&first).unwrap();
    ben.apply(&second).unwrap();
    pass(&clock, 30);
    ben.edit(0, 3, "1").unwrap();
    let third = deliveries(&mut ben);
    ann.apply(&third).unwrap();
    pass(&clock, 30);
    ann.edit(1, 4, "").unwrap();
    ben.apply(&deliveries(&mut ann)).unwrap();

    let (ours, theirs) = (
        ann.history().unwrap().open().unwrap(),
        ben.history().unwrap().open().unwrap(),
    );
    let sittings = ours.sittings();
    assert_eq!(sittings, theirs.sittings());
    let facts: Vec<_> = sittings
        .iter()
        .map(|sitting| {
            let minutes = (sitting.began_s - 1_700_000_000) / 60;
            (
                sitting.author.unwrap(),
                minutes,
                sitting.added,
                sitting.deleted,
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            (author(1), 0, 13, 0),
            (author(2), 33, 1, 3),
            (author(1), 63, 0, 4)
        ]
    );
    let texts: Vec<_> = sittings
        .iter()
        .rev()
        .map(|sitting| {
            let name = sitting.version.to_string();
            theirs.text(&name.parse().unwrap()).unwrap()
        })
        .collect();
    assert_eq!(texts, ["1 three", "1 two three", "One two three"]);
    assert_eq!(ours.text(&ann.version()).unwrap(), "1 three");
    assert_eq!(ours.text(&Version::default()).unwrap(), "");
}

#[test]
fn times_survive_what_compaction_does() {
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
    let (mut ann, mut ben) = two(&clock);
    for word in ["a", "b", "c"] {
        ann.edit(0, 0, word).unwrap();
        ann.take_changes();
        pass(&clock, 12);
    }
    let span = IdSpan::new(ann.peer.get(), 0, 3);
    let all = ann.doc.export(ExportMode::updates_in_range(vec![span]));
    let mut compaction = deliver(author(1), update::body(&all.unwrap()));
    compaction.kind = Kind::Compaction;
    compaction.time_us = clock.load(Ordering::Relaxed) * 1_000;
    ben.apply(&[compaction]).unwrap();
    let theirs = ben.history().unwrap().open().unwrap();
    let ours = ann.history().unwrap().open().unwrap();
    assert_eq!(theirs.sittings(), ours.sittings());
    assert_eq!(theirs.sittings().len(), 3);
}

#[test]
fn times_that_somebody_made_up_are_not_shown() {
    const NOW_S: u64 = 1_700_000_000;
    let clock = Arc::new(AtomicU64::new(NOW_S * 1_000));
    let (_, mut ben) = two(&clock);
    // Ann's changes say that they were made long ago, or will be; the operations tell the truth.
    let mut all = Vec::new();
    for (number, said_s) in [1_000, 4_000_000_000, NOW_S - 60, 0]
        .into_iter()
        .enumerate()
    {
        let mut ann = engine(10 + u8::try_from(number).unwrap());
        ann.set_clock(Arc::new(move || said_s * 1_000));
        ann.edit(0, 0, "words").unwrap();
        let mut said = deliveries(&mut ann);
        said[0].time_us = NOW_S * 1_000_000;
        all.extend(said);
    }
    let mut loading = Loading::new(author(2), &TOPIC, 0);
    let told = Arc::clone(&clock);
    loading.add(&all).unwrap();
    let mut loaded = loading.finish().unwrap();
    loaded.set_clock(Arc::new(move || told.load(Ordering::Relaxed)));
    for one in &all {
        ben.apply(std::slice::from_ref(one)).unwrap();
    }
    let mut batched = two(&clock).1;
    batched.apply(&all).unwrap();
    for engine in [ben, loaded, batched] {
        let history = engine.history().unwrap().open().unwrap();
        let mut times: Vec<u64> = history.sittings().iter().map(|one| one.began_s).collect();
        times.sort_unstable();
        assert_eq!(times, [NOW_S - 60, NOW_S, NOW_S, NOW_S]);
    }
}

#[test]
fn a_version_that_is_not_here_is_said_so() {
    let (mut ann, ben) = (engine(1), engine(2));
    ann.edit(0, 0, "hers").unwrap();
    let history = ben.history().unwrap().open().unwrap();
    assert!(matches!(
        history.text(&ann.version()),
        Err(HistoryError::NotFound)
    ));
}

#[test]
fn restoring_edits_only_what_differs_and_can_be_undone() {
    let (mut ann, mut ben) = (engine(1), engine(2));
    ann.edit(0, 0, "Milk\nBread\nHoney\n").unwrap();
    ben.apply(&deliveries(&mut ann)).unwrap();
    let then = ben.version();
    ben.edit(5, 6, "").unwrap();
    ben.edit(0, 4, "Oat milk").unwrap();
    ben.set_selection(Selection::caret(10));
    let history = ben.history().unwrap().open().unwrap();
    let mut screen = ben.text();
    let effects = ben.restore(&history.text(&then).unwrap()).unwrap();
    for effect in &effects {
        effect.apply_to(&mut screen).unwrap();
    }
    assert_eq!(screen, "Milk\nBread\nHoney\n");
    assert_eq!(ben.text(), screen);
    let mut letters = 0;
    for effect in &effects {
        letters += match effect {
            Effect::Insert { text, .. } => text.chars().count(),
            Effect::Delete { count, .. } => *count,
        };
    }
    assert!(letters <= 16, "{letters}");
    assert_eq!(ben.restore(&screen).unwrap(), []);
    ben.undo().unwrap();
    assert_eq!(ben.text(), "Oat milk\nHoney\n");
}
