// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use reflection_node::operation::{Kind, OperationId};
use reflection_node::pipeline::Delivered;

use super::update::UpdateSpan;
use super::*;

mod bounds;
mod convergence;
mod draft;
mod forged;
mod history;
mod join;
mod load;
mod metadata;
mod places;
mod traces;
mod undo;
mod weave;

const TOPIC: TopicId = TopicId::from_bytes([7; 32]);

pub(super) fn author(number: u8) -> AuthorId {
    AuthorId::from_bytes([number; 32])
}

pub(super) fn engine(number: u8) -> Engine {
    Engine::new(author(number), &TOPIC, 0)
}

pub(super) fn deliver(author: AuthorId, body: Vec<u8>) -> Delivered {
    Delivered {
        position: 1,
        id: OperationId::from_bytes([0; 32]),
        author,
        sequence: 0,
        time_us: 0,
        kind: Kind::Edit,
        incarnation: 0,
        body,
    }
}

fn deliveries(from: &mut Engine) -> Vec<Delivered> {
    let author = from.author();
    let time_us = (from.clock)() * 1_000;
    let delivered = from.take_changes().into_iter().map(|body| Delivered {
        time_us,
        ..deliver(author, body)
    });
    delivered.collect()
}

#[test]
fn an_edit_counts_in_characters() {
    let mut engine = engine(1);
    engine.edit(0, 0, "தமிழ் 🎉 שלום").unwrap();
    engine.edit(6, 1, "👍").unwrap();
    assert_eq!(engine.text(), "தமிழ் 👍 שלום");
    assert_eq!(engine.len_chars(), 12);
    assert_eq!(
        engine.edit(12, 1, ""),
        Err(EditError::OutOfBounds { at: 13, length: 12 })
    );
    assert_eq!(
        engine.edit(usize::MAX, 1, ""),
        Err(EditError::OutOfBounds {
            at: usize::MAX,
            length: 12
        })
    );
    assert_eq!(engine.text(), "தமிழ் 👍 שלום");
}

#[test]
fn changes_are_handed_out_once_and_can_be_given_back() {
    let mut engine = engine(1);
    assert!(engine.take_changes().is_empty());
    engine.edit(0, 0, "one").unwrap();
    assert!(engine.has_changes());
    let first = engine.take_changes();
    assert!(!engine.has_changes());
    assert!(engine.take_changes().is_empty());
    engine.edit(3, 0, " two").unwrap();
    engine.restore_changes(first.clone());
    let again = engine.take_changes();
    assert_eq!(again.len(), 2);
    assert_eq!(again[0], first[0]);
}

#[test]
fn a_loaded_engine_goes_on_counting_where_it_stopped() {
    let mut before = engine(1);
    before.edit(0, 0, "kept").unwrap();
    let stored = deliveries(&mut before);
    before.edit(4, 0, " lost").unwrap();
    let mut after = engine(1);
    after.apply(&stored).unwrap();
    assert_eq!(after.text(), "kept");
    assert!(!after.has_changes());
    after.edit(4, 0, "!").unwrap();
    let bodies = after.take_changes();
    let span = check_update(&bodies[0], after.peer).unwrap();
    assert_eq!(span, UpdateSpan { start: 4, end: 5 });
}

#[test]
fn a_large_paste_is_split_into_bodies_that_fit() {
    let mut engine = engine(1);
    let text: String = (0..2_500_000_u32)
        .map(|n| char::from(b'a' + (n % 23) as u8))
        .collect();
    engine.edit(0, 0, &text).unwrap();
    let bodies = engine.take_changes();
    assert!(bodies.len() > 1);
    assert!(bodies.iter().all(|body| body.len() <= PLAIN_BODY_BYTES_MAX));
    let mut next = 0;
    for body in &bodies {
        let span = check_update(body, engine.peer).unwrap();
        assert_eq!(span.start, next);
        next = span.end;
    }
    let mut other = self::engine(2);
    other
        .apply(
            &bodies
                .into_iter()
                .map(|body| deliver(author(1), body))
                .collect::<Vec<_>>(),
        )
        .unwrap();
    assert!(other.text() == text);
}

#[test]
fn changes_under_another_authors_name_are_refused() {
    let mut forger = engine(1);
    forger.edit(0, 0, "forged").unwrap();
    let body = forger.take_changes().remove(0);
    let victim = PeerId::derive(&author(2), &TOPIC, 0);
    assert_eq!(
        check_update(&body, victim),
        Err("the contents claim another author")
    );
    check_update(&body, forger.peer).unwrap();
    assert!(check_update(&body[..body.len() - 1], forger.peer).is_err());
    assert!(check_update(&[], forger.peer).is_err());
    assert!(check_update(&[2, 3, 4], forger.peer).is_err());
}

#[test]
fn a_snapshot_or_mixed_updates_are_not_accepted_as_a_body() {
    let mut alice = engine(1);
    alice.edit(0, 0, "hers").unwrap();
    let mut bob = engine(2);
    bob.apply(&deliveries(&mut alice)).unwrap();
    bob.edit(4, 0, " his").unwrap();
    bob.commit();
    let snapshot = update::body(&bob.doc.export(ExportMode::Snapshot).unwrap());
    assert_eq!(
        check_update(&snapshot, bob.peer),
        Err("the contents are not updates")
    );
    let all = update::body(&bob.doc.export(ExportMode::all_updates()).unwrap());
    assert_eq!(
        check_update(&all, bob.peer),
        Err("the contents claim another author")
    );
}

#[test]
fn what_was_typed_while_people_were_apart_is_merged_at_once() {
    let (mut ann, mut ben) = (engine(1), engine(2));
    ann.edit(0, 0, "the beginning").unwrap();
    ben.apply(&deliveries(&mut ann)).unwrap();
    let mut said = Vec::new();
    for at in 0..200 {
        ann.edit(at, 0, "a").unwrap();
        said.extend(deliveries(&mut ann));
        ben.edit(ben.len_chars(), 0, "b").unwrap();
    }
    let effects = ben.apply(&said).unwrap();
    let origin = Origin::Remote(Some(author(1)));
    let text = "a".repeat(200);
    assert_eq!(
        effects,
        [Effect::Insert {
            at: 0,
            text,
            origin
        }]
    );
    ann.apply(&deliveries(&mut ben)).unwrap();
    assert_eq!(ann.text(), ben.text());
}

/// One step of a random session.
#[derive(Clone, Debug)]
enum Step {
    Edit {
        who: usize,
        at: prop::sample::Index,
        delete: usize,
        insert: String,
    },
    Exchange {
        from: usize,
        to: usize,
    },
}

fn pieces() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a",
        "bc",
        "é",
        "🎉",
        "👩‍👩‍👧",
        "தமிழ்",
        "שלום",
        "e\u{301}",
        "\n",
        "",
    ])
    .prop_map(str::to_owned)
}

fn step(people: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..people, any::<prop::sample::Index>(), 0_usize..4, pieces())
            .prop_map(|(who, at, delete, insert)| Step::Edit { who, at, delete, insert }),
        1 => (0..people, 0..people).prop_map(|(from, to)| Step::Exchange { from, to }),
    ]
}

/// An engine beside a plain text that follows its effects, and all it ever said.
struct Person {
    engine: Engine,
    screen: String,
    log: Vec<Delivered>,
    heard: Vec<usize>,
}

fn exchange(people: &mut [Person], from: usize, to: usize) {
    let said = deliveries(&mut people[from].engine);
    people[from].log.extend(said);
    let news = people[from].log[people[to].heard[from]..].to_vec();
    people[to].heard[from] = people[from].log.len();
    let effects = people[to].engine.apply(&news).unwrap();
    for effect in effects {
        effect
            .apply_to(&mut people[to].screen)
            .expect("the effect fits the screen");
    }
    assert_eq!(people[to].screen, people[to].engine.text());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn all_end_with_the_same_text_and_every_screen_shows_it(
        steps in prop::collection::vec(step(4), 1..60),
    ) {
        let mut people: Vec<Person> = (0..4_u8)
            .map(|number| Person {
                engine: engine(number),
                screen: String::new(),
                log: Vec::new(),
                heard: vec![0; 4],
            })
            .collect();
        for step in steps {
            match step {
                Step::Edit { who, at, delete, insert } => {
                    let person = &mut people[who];
                    let length = person.engine.len_chars();
                    let at = at.index(length + 1);
                    let delete = delete.min(length - at);
                    person.engine.edit(at, delete, &insert).unwrap();
                    Effect::Delete { at, count: delete, origin: Origin::Local }.apply_to(&mut person.screen).unwrap();
                    Effect::Insert { at, text: insert, origin: Origin::Local }.apply_to(&mut person.screen).unwrap();
                    prop_assert_eq!(&person.screen, &person.engine.text());
                }
                Step::Exchange { from, to } if from != to => exchange(&mut people, from, to),
                Step::Exchange { .. } => {}
            }
        }
        for from in 0..4 {
            for to in (0..4).filter(|&to| to != from) {
                exchange(&mut people, from, to);
            }
        }
        for person in &people {
            prop_assert_eq!(&person.screen, &people[0].screen);
        }
    }
}
