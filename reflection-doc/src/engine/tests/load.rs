// SPDX-License-Identifier: GPL-3.0-or-later
//! Loading what is stored.

use std::time::Instant;

use super::*;

fn load(number: u8, operations: &[Delivered]) -> Engine {
    let mut loading = Loading::new(author(number), &TOPIC, 0);
    for batch in operations.chunks(1_000) {
        loading.add(batch).unwrap();
    }
    loading.finish().unwrap()
}

/// What two people type at the same time, a keystroke in each operation; they hear of each other
/// every now and then.
fn typed_by_two(count: usize) -> Vec<Delivered> {
    let (mut ann, mut ben) = (engine(1), engine(2));
    let mut all = Vec::new();
    for _ in 0..count / 40 {
        let mut said = [Vec::new(), Vec::new()];
        for (person, said) in [&mut ann, &mut ben].into_iter().zip(&mut said) {
            let middle = person.len_chars() / 2;
            for step in 0..20 {
                person.edit(middle + step, 0, "x").unwrap();
                said.extend(deliveries(person));
            }
        }
        let [anns, bens] = said;
        ann.apply(&bens).unwrap();
        ben.apply(&anns).unwrap();
        for (one, other) in anns.into_iter().zip(bens) {
            all.extend([one, other]);
        }
    }
    assert_eq!(ann.text(), ben.text());
    all
}

#[test]
fn a_loaded_text_is_that_of_one_operation_after_the_other() {
    let operations = typed_by_two(400);
    let mut applied = engine(3);
    applied.apply(&operations).unwrap();
    // The stream keeps each author's order, and no other: Ben's may all come before Ann's.
    let mut parted = operations.clone();
    parted.sort_by_key(|operation| std::cmp::Reverse(operation.author));
    for operations in [operations, parted] {
        let mut loaded = load(3, &operations);
        assert_eq!(loaded.text(), applied.text());
        assert_eq!(loaded.version(), applied.version());
        assert_eq!(loaded.author_runs(), applied.author_runs());
        assert!(!loaded.has_changes() && !loaded.can_undo());
    }
}

#[test]
fn what_waits_for_something_is_kept_until_that_comes() {
    let (mut ann, mut ben) = (engine(1), engine(2));
    ann.edit(0, 0, "one").unwrap();
    let first = deliveries(&mut ann);
    ben.apply(&first).unwrap();
    ben.edit(3, 0, " two").unwrap();
    let second = deliveries(&mut ben);
    ben.edit(7, 0, " three").unwrap();
    let third = deliveries(&mut ben);
    let mut loaded = load(3, &[second, third].concat());
    assert_eq!(loaded.text(), "");
    let effects = loaded.apply(&first).unwrap();
    let mut screen = String::new();
    for effect in &effects {
        effect.apply_to(&mut screen).unwrap();
    }
    assert_eq!(screen, "one two three");
    assert_eq!(loaded.text(), screen);
}

#[test]
fn whoever_loads_goes_on_where_they_stopped() {
    let operations = typed_by_two(80);
    let mut again = load(1, &operations);
    again.edit(0, 0, "!").unwrap();
    let bodies = again.take_changes();
    assert_eq!(
        check_update(&bodies[0], again.peer),
        Ok(UpdateSpan { start: 40, end: 41 })
    );
}

#[test]
fn what_was_kept_is_gone_on_from() {
    let operations = typed_by_two(400);
    let mut whole = load(3, &operations);
    for parted in [operations.len(), operations.len() / 2, 40] {
        let (before, after) = operations.split_at(parted);
        let mut loading = Loading::new(author(3), &TOPIC, 0);
        loading.add(before).unwrap();
        let Loaded { engine, kept, .. } = loading.finish_and_keep(true).unwrap();
        let mut again = Loading::new(author(3), &TOPIC, 0);
        assert!(again.resume(&kept.unwrap()));
        if !after.is_empty() {
            again.add(after).unwrap();
        }
        let mut again = again.finish().unwrap();
        assert_eq!(again.text(), whole.text());
        assert_eq!(again.version(), whole.version());
        assert_eq!(again.author_runs(), whole.author_runs());
        assert!(!again.has_changes());
        let sittings = |engine: &Engine| {
            let history = engine.history().unwrap().open().unwrap();
            history.sittings().to_vec()
        };
        assert_eq!(sittings(&again), sittings(&whole));
        drop(engine);
    }
}

#[test]
fn what_still_waits_is_not_kept_and_what_cannot_be_read_is_nothing() {
    let (mut ann, mut ben) = (engine(1), engine(2));
    ann.edit(0, 0, "one").unwrap();
    let first = deliveries(&mut ann);
    ben.apply(&first).unwrap();
    ben.edit(3, 0, " two").unwrap();
    let second = deliveries(&mut ben);
    let mut loading = Loading::new(author(3), &TOPIC, 0);
    loading.add(&second).unwrap();
    assert!(loading.finish_and_keep(true).unwrap().kept.is_none());

    // What had to wait, and does not any more, is kept.
    let mut loading = Loading::new(author(3), &TOPIC, 0);
    loading.add(&second).unwrap();
    loading.add(&first).unwrap();
    let kept = loading.finish_and_keep(true).unwrap().kept.unwrap();
    for length in 0..kept.len() {
        assert!(!Loading::new(author(3), &TOPIC, 0).resume(&kept[..length]));
    }
    let mut again = Loading::new(author(3), &TOPIC, 0);
    assert!(again.resume(&kept));
    assert_eq!(again.finish().unwrap().text(), "one two");
}

/// Prints how long loading takes. `REFLECTION_OPERATIONS` says how many.
#[test]
#[ignore = "measures, with --no-capture"]
#[allow(clippy::print_stdout)]
fn measure_loading() {
    let count = std::env::var("REFLECTION_OPERATIONS");
    let count = count.map_or(20_000, |count| count.parse().unwrap());
    let typed = typed_by_two(count);
    let mut alone = engine(1);
    let mut linear = Vec::new();
    for at in 0..count {
        alone.edit(at, 0, "x").unwrap();
        linear.extend(deliveries(&mut alone));
    }
    let mut scribe = engine(1);
    scribe.edit(0, 0, &"some words ".repeat(110_000)).unwrap();
    let pasted = deliveries(&mut scribe);
    for (name, operations) in [("two", typed), ("one", linear), ("paste", pasted)] {
        let start = Instant::now();
        let loaded = load(3, &operations);
        println!("{name}: {} loaded {:?}", operations.len(), start.elapsed());
        let start = Instant::now();
        let mut applied = engine(3);
        for batch in operations.chunks(1_000) {
            applied.apply(batch).unwrap();
        }
        println!("{name}: applied {:?}", start.elapsed());
        assert!(loaded.text() == applied.text());
    }
}
