// SPDX-License-Identifier: GPL-3.0-or-later
//! Cursors and runs of authors while several people write.

use super::*;

#[test]
fn a_caret_is_moved_by_what_happens_before_it_and_stays_at_what_happens_there() {
    let mut engine = engine(1);
    engine.edit(0, 0, "one two three").unwrap();
    let before = engine.add_cursor(4, Bias::Before);
    let after = engine.add_cursor(4, Bias::After);
    engine.edit(0, 0, "zero ").unwrap();
    assert_eq!(
        (engine.cursor(before), engine.cursor(after)),
        (Some(9), Some(9))
    );
    engine.edit(9, 0, "and ").unwrap();
    assert_eq!(
        (engine.cursor(before), engine.cursor(after)),
        (Some(9), Some(13))
    );
    engine.edit(5, 12, "").unwrap();
    assert_eq!(
        (engine.cursor(before), engine.cursor(after)),
        (Some(5), Some(5))
    );
    engine.remove_cursor(before);
    assert_eq!(engine.cursor(before), None);
}

#[test]
fn a_described_place_is_found_by_what_is_left_around_it() {
    let (mut one, mut two) = (engine(1), engine(2));
    one.edit(0, 0, "the quick brown fox jumps").unwrap();
    two.apply(&deliveries(&mut one)).unwrap();
    let place = one.describe_place(10);
    assert_eq!(two.find_place(&place), Some(10));
    two.edit(0, 0, ">> ").unwrap();
    assert_eq!(two.find_place(&place), Some(13));
    // The characters on both sides go.
    two.edit(10, 6, "").unwrap();
    assert_eq!(two.text(), ">> the quiwn fox jumps");
    assert_eq!(two.find_place(&place), Some(10));
    two.edit(0, two.len_chars(), "").unwrap();
    assert_eq!(two.find_place(&place), Some(0));
    for length in 0..place.len() {
        assert_eq!(two.find_place(&place[..length]), None);
    }
    assert!(two.find_place(&vec![0xff; place.len()]).is_some());
}

#[test]
fn an_insertion_names_its_author_also_in_a_batch_of_several() {
    let (mut me, mut ann, mut ben) = (engine(1), engine(2), engine(3));
    me.edit(0, 0, "-").unwrap();
    let base = deliveries(&mut me);
    ann.apply(&base).unwrap();
    ben.apply(&base).unwrap();
    ann.edit(0, 0, "ann").unwrap();
    ben.edit(1, 0, "ben").unwrap();
    let mut news = deliveries(&mut ann);
    news.extend(deliveries(&mut ben));
    let effects = me.apply(&news).unwrap();
    let authors: Vec<_> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Insert { text, origin, .. } => (text.as_str(), *origin),
            Effect::Delete { .. } => panic!("nothing was deleted"),
        })
        .collect();
    assert_eq!(
        authors,
        [
            ("ann", Origin::Remote(Some(author(2)))),
            ("ben", Origin::Remote(Some(author(3)))),
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Runs that followed every change are those that the CRDT tells, on every machine; and a
    /// place stays beside the letter at which it was put.
    #[test]
    fn authorship_converges_and_carets_stay(
        steps in prop::collection::vec(step(3), 1..60),
        put in any::<prop::sample::Index>(),
    ) {
        let mut people: Vec<Person> = (0..3_u8)
            .map(|number| Person {
                engine: engine(number),
                screen: String::new(),
                log: Vec::new(),
                heard: vec![0; 3],
            })
            .collect();
        people[0].engine.edit(0, 0, "ABCDEFGHIJKLMNOPQRSTUVWXYZ").unwrap();
        people[0].screen.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        for to in 1..3 {
            exchange(&mut people, 0, to);
        }
        let letter = put.index(26);
        let mut carets = Vec::new();
        for person in &mut people {
            prop_assert!(!person.engine.author_runs().is_empty());
            carets.push(person.engine.add_cursor(letter, Bias::After));
        }
        let letter = char::from(b'A' + u8::try_from(letter).unwrap());
        for step in steps {
            match step {
                Step::Edit { who, at, delete, insert } => {
                    let person = &mut people[who];
                    let length = person.engine.len_chars();
                    let at = at.index(length + 1);
                    let delete = delete.min(length - at);
                    person.engine.edit(at, delete, &insert).unwrap();
                    person.screen = person.engine.text();
                }
                Step::Exchange { from, to } if from != to => exchange(&mut people, from, to),
                Step::Exchange { .. } => {}
            }
            for (person, caret) in people.iter().zip(&carets) {
                let text: Vec<char> = person.engine.text().chars().collect();
                if let Some(at) = text.iter().position(|&other| other == letter) {
                    prop_assert_eq!(person.engine.cursor(*caret), Some(at));
                }
            }
        }
        for from in 0..3 {
            for to in (0..3).filter(|&to| to != from) {
                exchange(&mut people, from, to);
            }
        }
        let runs = people[0].engine.author_runs();
        for person in &mut people {
            prop_assert_eq!(&person.engine.author_runs(), &runs);
            person.engine.forget_author_runs();
            prop_assert_eq!(&person.engine.author_runs(), &runs);
        }
    }
}
