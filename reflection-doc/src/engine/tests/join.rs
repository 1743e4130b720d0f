// SPDX-License-Identifier: GPL-3.0-or-later
//! Operations that come together are taken in at once, and nothing is lost or made up by that.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::engine::join::{joined, parts};

const HOUR_US: u64 = 60 * 60 * 1_000_000;

/// What two people wrote at the same time, hearing of each other now and then, some of it hours
/// apart; in the order in which it was said.
fn said_by_two(hearings: &[bool]) -> Vec<Delivered> {
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000));
    let mut people = [engine(1), engine(2)];
    for person in &mut people {
        let told = Arc::clone(&clock);
        person.set_clock(Arc::new(move || told.load(Ordering::Relaxed)));
    }
    let mut unheard = [Vec::new(), Vec::new()];
    let mut all = Vec::new();
    for (round, &is_hearing) in hearings.iter().enumerate() {
        let (who, other) = (round % 2, 1 - round % 2);
        if is_hearing {
            let news: Vec<Delivered> = std::mem::take(&mut unheard[other]);
            people[who].apply(&news).unwrap();
        }
        let person = &mut people[who];
        let length = person.len_chars();
        person.edit(round * 7 % (length + 1), 0, "word ").unwrap();
        if length > 9 {
            person.edit(round * 5 % (length - 3), 3, "").unwrap();
        }
        clock.fetch_add(HOUR_US / 9_000, Ordering::Relaxed);
        let news = deliveries(person);
        all.extend(news.iter().cloned());
        unheard[who].extend(news);
    }
    all
}

fn all_that_is_seen(engine: &mut Engine) -> (String, Version, Vec<AuthorRun>, Vec<Sitting>) {
    let history = engine.history().unwrap().open().unwrap();
    let sittings = history.sittings().to_vec();
    (
        engine.text(),
        engine.version(),
        engine.author_runs(),
        sittings,
    )
}

proptest! {
    #[test]
    fn what_is_taken_in_at_once_is_what_was_said_one_by_one(
        hearings in prop::collection::vec(any::<bool>(), 2..60),
        counts in prop::collection::vec(1..20_usize, 60),
    ) {
        let said = said_by_two(&hearings);
        let (mut one_by_one, mut at_once) = (engine(3), engine(3));
        for operation in &said {
            one_by_one.apply(std::slice::from_ref(operation)).unwrap();
        }
        let mut rest = said.as_slice();
        let mut screen = String::new();
        for count in counts {
            let (batch, later) = rest.split_at(count.min(rest.len()));
            rest = later;
            for effect in at_once.apply(batch).unwrap() {
                effect.apply_to(&mut screen).unwrap();
            }
        }
        let mut loading = Loading::new(author(3), &TOPIC, 0);
        loading.add(&said).unwrap();
        let mut loaded = loading.finish().unwrap();
        let seen = all_that_is_seen(&mut one_by_one);
        prop_assert_eq!(&screen, &seen.0);
        prop_assert_eq!(&all_that_is_seen(&mut at_once), &seen);
        prop_assert_eq!(&all_that_is_seen(&mut loaded), &seen);
    }
}

#[test]
fn what_was_joined_is_one_blob_that_the_crdt_takes() {
    let said = said_by_two(&[true, false, false, true, false, false]);
    let whole = joined(&said).unwrap();
    let doc = LoroDoc::new();
    let status = doc.import(&whole).unwrap();
    assert!(status.pending.is_none());
    let mut reader = engine(3);
    reader.apply(&said).unwrap();
    assert_eq!(doc.get_text(TEXT_CONTAINER).to_string(), reader.text());
    assert_eq!(doc.oplog_vv(), reader.doc.oplog_vv());
    assert!(
        joined(&said[..1]).is_none(),
        "there is nothing to be joined"
    );
}

#[test]
fn one_that_cannot_be_taken_does_not_take_others_with_it() {
    let said = said_by_two(&[true, true, true, true]);
    let mut reader = engine(3);
    reader.apply(&said).unwrap();
    let written = reader.text();
    let mut ben = engine(4);
    ben.edit(0, 0, "damaged").unwrap();
    let sound = deliveries(&mut ben).remove(0);
    let (mut changed, mut cut) = (sound.clone(), sound);
    *changed.body.last_mut().unwrap() ^= 1;
    cut.body.pop();
    for damaged in [changed, cut] {
        let mut news = said.clone();
        news.insert(2, damaged);
        assert!(joined(&news).is_none());
        let mut reader = engine(3);
        assert!(reader.apply(&news).is_err());
        assert_eq!(reader.text(), written);
    }
}

#[test]
fn what_is_large_or_compacted_or_hours_apart_stays_apart() {
    let of = |number: u8, chars: usize, minutes: u64| {
        let mut engine = engine(number);
        engine.edit(0, 0, &"x".repeat(chars)).unwrap();
        Delivered {
            time_us: minutes * HOUR_US / 60,
            ..deliveries(&mut engine).remove(0)
        }
    };
    let small = of(1, 9, 0);
    let compaction = Delivered {
        kind: Kind::Compaction,
        ..small.clone()
    };
    let lengths =
        |operations: &[Delivered]| -> Vec<usize> { parts(operations).map(<[_]>::len).collect() };
    assert_eq!(lengths(&[]), [0; 0]);
    assert_eq!(lengths(&[small.clone(), of(2, 9, 0), of(1, 9, 60)]), [3]);
    // The clock of one may be another one than that of the other.
    let clocks = [small.clone(), of(2, 9, 900), of(1, 9, 60), of(2, 9, 960)];
    assert_eq!(lengths(&clocks), [4]);
    let apart = [small.clone(), of(1, 9, 30), of(1, 9, 61)];
    assert_eq!(lengths(&apart), [2, 1]);
    let backwards = [of(1, 9, 61), of(1, 9, 30), small.clone()];
    assert_eq!(lengths(&backwards), [2, 1]);
    let large = of(1, 1 << 14, 0);
    let mixed = [small.clone(), large.clone(), small.clone(), small.clone()];
    assert_eq!(lengths(&mixed), [1, 1, 2]);
    assert_eq!(lengths(&[large.clone(), large, compaction.clone()]), [1; 3]);
    assert_eq!(lengths(&[small.clone(), compaction, small]), [1; 3]);
    let many = vec![of(1, 10_000, 0); 250];
    let fit = (1 << 20) / many[0].body.len();
    assert_eq!(lengths(&many), [fit, fit, 250 - 2 * fit]);
}

#[test]
fn what_would_cost_more_than_one_body_may_is_not_joined() {
    const STEPS: usize = 3_000;
    let mut ann = engine(1);
    for step in 0..STEPS {
        // Here and there in turn, so that each is a step of its own.
        let at = if step % 2 == 0 { 0 } else { ann.len_chars() };
        ann.edit(at, 0, "x").unwrap();
    }
    let said = deliveries(&mut ann).remove(0);
    let fit = 100_000 / STEPS;
    let lengths: Vec<usize> = parts(&vec![said; fit + 1]).map(<[_]>::len).collect();
    assert_eq!(lengths, [fit, 1]);
}
