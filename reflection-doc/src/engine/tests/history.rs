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

/// The text of a version as the CRDT makes it.
fn checked_out(engine: &Engine, version: &Version) -> String {
    let doc = LoroDoc::new();
    let all = engine.doc.export(ExportMode::all_updates()).unwrap();
    doc.import(&all).unwrap();
    doc.checkout(&version.frontiers()).unwrap();
    doc.get_text(TEXT_CONTAINER).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_older_text_is_the_one_that_the_crdt_makes(
        steps in prop::collection::vec(
            (any::<bool>(), any::<prop::sample::Index>(), 0_usize..5, "[a-zé🎉\n]{0,4}", 0_u8..12),
            1..60,
        ),
        asked in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..20),
        is_apart in prop::bool::weighted(0.3),
    ) {
        let mut people = [engine(1), engine(2)];
        for (is_second, at, delete, insert, pause) in steps {
            let [one, two] = &mut people;
            let (writer, other) = if is_second { (two, one) } else { (one, two) };
            let at = at.index(writer.len_chars() + 1);
            // Erased one by one, as with the key for it.
            for behind in (at.saturating_sub(delete)..at).rev() {
                writer.edit(behind, 1, "").unwrap();
            }
            writer.edit(at.saturating_sub(delete), 0, &insert).unwrap();
            // Somebody gives the document a name in between, which is no part of the text.
            if pause == 0 {
                writer.name_version("1", "name", 1);
            }
            if !is_apart {
                other.apply(&deliveries(writer)).unwrap();
            }
        }
        let [one, two] = &mut people;
        one.apply(&deliveries(two)).unwrap();
        let history = one.history().unwrap().open().unwrap();
        let ends = [one.peer, two.peer].map(|peer| {
            (peer.get(), one.doc.oplog_vv().get(&peer.get()).copied().unwrap_or(0))
        });
        for (is_second, index) in asked {
            let (peer, end) = ends[usize::from(is_second)];
            if end == 0 {
                continue;
            }
            let counter = i32::try_from(index.index(usize::try_from(end).unwrap())).unwrap();
            let version = Version::after(peer, counter);
            prop_assert_eq!(history.text(&version).unwrap(), checked_out(one, &version));
        }
        if !is_apart && history.work().is_none() {
            // Nothing but the newest text was asked for.
            prop_assert_eq!(history.text(&one.version()).unwrap(), one.text());
        }
    }
}

#[test]
fn a_quarter_of_a_million_edits_can_be_gone_through() {
    const EDITS: usize = 250_000;
    const STEPS: i32 = 100;
    let engine = engine(1);
    let (mut caret, mut seed) = (0, 7_u64);
    for number in 0..EDITS {
        // Some words, then somewhere else; now and then a letter is taken back.
        if number % 40 == 0 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            caret = usize::try_from(seed >> 40).unwrap() % (engine.len_chars() + 1);
        }
        if number % 9 == 8 && caret > 0 {
            caret -= 1;
            engine.text.delete(caret, 1).unwrap();
        } else {
            engine.text.insert(caret, "x").unwrap();
            caret += 1;
        }
    }
    engine.doc.commit();
    let history = engine.history().unwrap().open().unwrap();
    let versions = (1..=STEPS).map(|step| {
        let end = i32::try_from(EDITS).unwrap() / STEPS * step;
        Version::after(engine.peer.get(), end - 1)
    });
    let versions: Vec<Version> = versions.collect();
    let texts = |versions: &mut dyn Iterator<Item = &Version>| -> Vec<String> {
        versions
            .map(|version| history.text(version).unwrap())
            .collect()
    };
    let mut back = texts(&mut versions.iter().rev());
    let forth = texts(&mut versions.iter());
    back.reverse();
    assert!(back == forth);
    assert!(back[99] == engine.text());
    assert!(back[36] == checked_out(&engine, &versions[36]));
    let (edits, played, kept_chars) = history.work().unwrap();
    assert!(edits > 10_000, "{edits}");
    // Backwards from a kept text each time, forwards each edit once.
    assert!(played < 12 * edits, "{played} of {edits}");
    assert!(kept_chars < 3 * 1024 * 1024, "{kept_chars}");
}

/// However soon after one another they are: who names what there is wants to find it again.
#[test]
fn a_name_ends_a_sitting() {
    let mut engine = engine(1);
    let mut names = Vec::new();
    for (word, name) in [
        ("one", Some("first")),
        ("three", Some("second")),
        ("!", None),
    ] {
        engine.edit(engine.len_chars(), 0, word).unwrap();
        let version = engine.version();
        names.push(version.clone());
        if let Some(name) = name {
            engine.name_version(&version.to_string(), name, 1);
        }
        engine.take_changes();
    }
    let history = engine.history().unwrap().open().unwrap();
    let sittings = history.sittings();
    let versions: Vec<Version> = sittings.iter().map(|one| one.version.clone()).collect();
    assert_eq!(versions, names);
    let added: Vec<u64> = sittings.iter().map(|one| one.added).collect();
    assert_eq!(added, [3, 5, 1]);
    assert_eq!(history.text(&versions[0]).unwrap(), "one");
}

/// Who looks at what differs from one version to the next sees what the later one says of itself.
#[test]
fn what_differs_between_two_versions_is_what_the_later_one_says() {
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
    let (mut ann, mut ben) = two(&clock);
    // In turns, seeing each other's words; with a pause between; then apart, in some sittings each.
    for round in 0..6 {
        ann.edit(0, 0, "hers ").unwrap();
        ben.apply(&deliveries(&mut ann)).unwrap();
        ben.edit(ben.len_chars(), 0, "his ").unwrap();
        ann.apply(&deliveries(&mut ben)).unwrap();
        pass(&clock, if round == 3 { 20 } else { 1 });
    }
    pass(&clock, 20);
    let mut apart = (Vec::new(), Vec::new());
    for _ in 0..4 {
        ann.edit(2, 2, "").unwrap();
        ben.edit(3, 0, "!").unwrap();
        apart.0.extend(deliveries(&mut ann));
        apart.1.extend(deliveries(&mut ben));
        pass(&clock, 11);
    }
    ann.apply(&apart.1).unwrap();
    ben.apply(&apart.0).unwrap();
    let (ours, theirs) = (
        ann.history().unwrap().open().unwrap(),
        ben.history().unwrap().open().unwrap(),
    );
    let sittings = ours.sittings();
    assert_eq!(sittings, theirs.sittings());
    assert_eq!(sittings.len(), 2 + 8, "{sittings:?}");
    let times: Vec<u64> = sittings.iter().map(|one| one.ended_s).collect();
    assert!(times.is_sorted(), "{times:?}");
    let (first, both) = (author(1), [author(2)]);
    assert!(
        sittings[..2]
            .iter()
            .all(|one| one.author == Some(first) && one.others == both)
    );
    let mut before = String::new();
    for sitting in sittings {
        let text = ours.text(&sitting.version).unwrap();
        let count = |is_counted: fn(&Part) -> bool| -> u64 {
            let parts = difference(&before, &text);
            let counted = parts.iter().filter(|part| is_counted(part));
            counted.map(|part| part.text().chars().count() as u64).sum()
        };
        let grown = count(|part| matches!(part, Part::Added(_)));
        let shrunk = count(|part| matches!(part, Part::Removed(_)));
        assert_eq!(
            (grown, shrunk),
            (sitting.added, sitting.deleted),
            "{before} → {text}"
        );
        before = text;
    }
    assert_eq!(before, ann.text());
}
