// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::operation::{Kind, OperationId};

use super::*;
use crate::engine::Engine;

const TOPIC: TopicId = TopicId::from_bytes([7; 32]);
const ALICE: AuthorId = AuthorId::from_bytes([1; 32]);
const BOB: AuthorId = AuthorId::from_bytes([2; 32]);

fn said(engine: &mut Engine) -> Vec<Delivered> {
    let (author, incarnation) = (engine.author(), engine.incarnation());
    let bodies = engine.take_changes().into_iter();
    bodies
        .map(|body| Delivered {
            position: 1,
            id: OperationId::from_bytes(*blake3::hash(&body).as_bytes()),
            author,
            sequence: 0,
            time_us: 0,
            kind: Kind::Edit,
            incarnation,
            body,
        })
        .collect()
}

fn writes(engine: &mut Engine, at: usize, text: &str) -> Vec<Delivered> {
    engine.edit(at, 0, text).unwrap();
    said(engine)
}

fn open(author: AuthorId, incarnation: u64, stored: &[Delivered]) -> Engine {
    let mut engine = Engine::new(author, &TOPIC, incarnation);
    engine.apply(stored).unwrap();
    engine
}

fn branches<'a>(
    ours: &'a [Delivered],
    theirs: &'a [Delivered],
    others: &'a [Delivered],
) -> Branches<'a> {
    Branches {
        topic: TOPIC,
        author: ALICE,
        others,
        ours,
        theirs,
        is_ours_shared: true,
        incarnation: 50,
    }
}

fn joined(ours: &[Delivered], theirs: &[Delivered], others: &[Delivered]) -> Joined {
    mend(&branches(ours, theirs, others)).expect("the branches can be joined")
}

fn compaction(joined: &Joined) -> Delivered {
    Delivered {
        position: 1,
        id: OperationId::from_bytes([0; 32]),
        author: ALICE,
        sequence: 9,
        time_us: 0,
        kind: Kind::Compaction,
        incarnation: 49,
        body: joined.body.clone(),
    }
}

fn text(others: &[Delivered], joined: &Joined) -> String {
    let mut whole = others.to_vec();
    whole.push(compaction(joined));
    open(AuthorId::from_bytes([9; 32]), 0, &whole).text()
}

#[test]
fn what_both_branches_say_is_there_once() {
    let mut alice = open(ALICE, 0, &[]);
    let common = writes(&mut alice, 0, "Shopping:\n");
    let restored = open(ALICE, 0, &common);
    for (first, second) in [
        ("milk\n", "a lot of bread\n"),
        ("a lot of bread\n", "milk\n"),
    ] {
        let mut one = open(ALICE, 0, &common);
        let mut other = open(ALICE, 0, &common);
        let ours = [common.clone(), writes(&mut one, 10, first)].concat();
        let theirs = [common.clone(), writes(&mut other, 10, second)].concat();
        let joined = joined(&ours, &theirs, &[]);
        assert!(!joined.is_ours_in_theirs && !joined.is_theirs_in_ours);
        let text = text(&[], &joined);
        assert_eq!(text.matches("milk\n").count(), 1, "{text}");
        assert_eq!(text.matches("a lot of bread\n").count(), 1, "{text}");
        assert_eq!(text.len(), 10 + 5 + 15);
        assert!(text.starts_with("Shopping:\n"));
    }
    assert_eq!(restored.text(), "Shopping:\n");
}

/// Alice's log went on, Bob answered, she answered him; a backup of before that went on as well.
#[test]
fn what_others_wrote_upon_a_branch_is_there_once_and_theirs() {
    let lines = ["short\n", "a line that is much longer than what was lost\n"];
    for (elsewhere, is_ours_shared) in [(lines[0], true), (lines[1], true), (lines[1], false)] {
        let mut alice = open(ALICE, 0, &[]);
        let common = writes(&mut alice, 0, "Notes\n");
        let mut bob = open(BOB, 0, &common);
        let mut lost = common.clone();
        let mut others = Vec::new();
        for round in 0..3 {
            let said = writes(&mut alice, 6 + round * 10, "Alice\n");
            bob.apply(&said).unwrap();
            lost.extend(said);
            let answer = writes(&mut bob, 12 + round * 10, "Bob\n");
            alice.apply(&answer).unwrap();
            others.extend(answer);
        }
        let mut restored = open(ALICE, 0, &common);
        let ours = [common.clone(), writes(&mut restored, 6, elsewhere)].concat();
        let joined = mend(&Branches {
            is_ours_shared,
            ..branches(&ours, &lost, &others)
        });
        let mut whole = others.clone();
        whole.push(compaction(&joined.unwrap()));
        let mut reader = open(AuthorId::from_bytes([9; 32]), 0, &whole);
        let text = reader.text();
        assert_eq!(text.matches("Alice\n").count(), 3, "{text}");
        assert_eq!(text.matches("Bob\n").count(), 3, "{text}");
        assert_eq!(text.matches(elsewhere).count(), 1, "{text}");
        assert_eq!(text.len(), 6 + 3 * 10 + elsewhere.len(), "{text}");
        let letters: Vec<char> = text.chars().collect();
        for run in reader.author_runs() {
            let said: String = letters[run.from..run.to].iter().collect();
            assert_eq!(run.author == Some(BOB), said.contains("Bob"), "{said}");
        }
    }
}

/// What keeps the counters deletes, so that there is no such place any more where another one wrote.
#[test]
fn what_others_wrote_where_nothing_is_left_stays() {
    let mut alice = open(ALICE, 0, &[]);
    let common = writes(&mut alice, 0, &"x".repeat(40));
    let mut bob = open(BOB, 0, &common);
    let said = writes(&mut alice, 40, "Alice\n");
    bob.apply(&said).unwrap();
    let answer = writes(&mut bob, 46, "Bob\n");
    let lost = [common.clone(), said].concat();
    let mut restored = open(ALICE, 0, &common);
    restored.edit(0, 40, "").unwrap();
    let ours = [common, self::said(&mut restored)].concat();
    let branches = branches(&ours, &lost, &answer);
    let joined = mend(&Branches {
        is_ours_shared: false,
        ..branches
    });
    assert_eq!(text(&answer, &joined.unwrap()), "Alice\nBob\n");
    // Others may have built on what was deleted there: whatever is kept, somebody's has nowhere to go.
    assert!(mend(&branches).is_none());
}

#[test]
fn both_devices_join_to_the_same_history_except_for_the_new_name() {
    let mut alice = open(ALICE, 0, &[]);
    let common = writes(&mut alice, 0, "x");
    let one = [
        common.clone(),
        writes(&mut open(ALICE, 0, &common), 1, "left"),
    ]
    .concat();
    let other = [
        common.clone(),
        writes(&mut open(ALICE, 0, &common), 1, "rite"),
    ]
    .concat();
    let here = joined(&one, &other, &[]);
    let there = joined(&other, &one, &[]);
    assert_eq!(text(&[], &here), text(&[], &there));
}

#[test]
fn a_branch_that_is_a_mere_beginning_adds_nothing() {
    let mut alice = open(ALICE, 0, &[]);
    let short = writes(&mut alice, 0, "one ");
    let long = [short.clone(), writes(&mut alice, 4, "two")].concat();
    let taken = joined(&short, &long, &[]);
    assert!(taken.is_ours_in_theirs && !taken.is_theirs_in_ours);
    assert_eq!(text(&[], &taken), "one two");
    let same = joined(&long, &long, &[]);
    assert!(same.is_ours_in_theirs && same.is_theirs_in_ours);
}

#[test]
fn what_others_wrote_on_either_branch_stays_and_is_not_doubled() {
    let mut alice = open(ALICE, 0, &[]);
    let common = writes(&mut alice, 0, "a ");
    let mut one = open(ALICE, 0, &common);
    let mut other = open(ALICE, 0, &common);
    let ours = [common.clone(), writes(&mut one, 2, "short ")].concat();
    let theirs = [common.clone(), writes(&mut other, 2, "much longer ")].concat();
    let mut bob = open(BOB, 0, &ours);
    let on_ours = writes(&mut bob, 8, "(Bob here) ");
    let mut bob = open(BOB, 1, &[theirs.clone(), on_ours.clone()].concat());
    let others = [on_ours, writes(&mut bob, 0, "(Bob there) ")].concat();
    let text = text(&others, &joined(&ours, &theirs, &others));
    for said in ["short ", "much longer ", "(Bob here) ", "(Bob there) "] {
        assert_eq!(text.matches(said).count(), 1, "{said:?} in {text:?}");
    }
}

#[test]
fn changes_that_are_the_same_but_joined_otherwise_are_no_conflict() {
    let mut alice = open(ALICE, 0, &[]);
    let mut log = writes(&mut alice, 0, "one two three");
    alice.edit(4, 4, "").unwrap();
    log.extend(said(&mut alice));
    alice.edit(4, 2, "").unwrap();
    log.extend(said(&mut alice));
    let mut packed = log[..1].to_vec();
    packed[0].kind = Kind::Compaction;
    packed[0].body = crate::engine::compact(&TOPIC, &ALICE, &log).unwrap();
    packed[0].id = OperationId::from_bytes([5; 32]);
    let joined = joined(&log, &packed, &[]);
    assert!(joined.is_ours_in_theirs && joined.is_theirs_in_ours);
    assert_eq!(text(&[], &joined), alice.text());
}

/// The other form comes from outside, though under our own name.
#[test]
fn a_branch_with_something_that_nobody_would_take_is_left_alone() {
    let mut alice = open(ALICE, 0, &[]);
    let ours = writes(&mut alice, 0, "one ");
    let theirs = [ours.clone(), writes(&mut alice, 4, "two")].concat();
    let mut bob = open(BOB, 0, &theirs);
    let foreign = writes(&mut bob, 0, "Bob");
    let both = gather(theirs.iter().chain(&foreign).map(|one| one.body.as_slice())).unwrap();
    let spans = [(ALICE, 7), (BOB, 3)]
        .map(|(author, end)| IdSpan::new(PeerId::derive(&author, &TOPIC, 0).get(), 0, end));
    let updates = both
        .export(ExportMode::updates_in_range(spans.to_vec()))
        .unwrap();
    let mut forged = theirs[..1].to_vec();
    forged[0].body = crate::engine::update::body(&updates);
    let branches = |theirs| Branches {
        topic: TOPIC,
        author: ALICE,
        others: &[],
        ours: &ours,
        theirs,
        is_ours_shared: true,
        incarnation: 50,
    };
    assert!(mend(&branches(&theirs)).is_some());
    assert!(mend(&branches(&forged)).is_none());
}

#[test]
fn what_is_unsaved_is_made_again_on_the_other_form() {
    let mut open_text = open(ALICE, 0, &[]);
    let stored = writes(&mut open_text, 0, "saved.");
    open_text.edit(6, 0, " failed").unwrap();
    let failed = open_text.take_changes();
    open_text.edit(0, 0, "unsaved ").unwrap();
    open_text.restore_changes(failed);
    // The counters of what failed were given to something else meanwhile.
    let mut elsewhere = open(ALICE, 0, &stored);
    let theirs = [stored, writes(&mut elsewhere, 6, " from the past")].concat();
    let fresh = open(ALICE, 70, &theirs);
    let mut screen = open_text.text();
    for effect in open_text.begin_again(fresh).unwrap() {
        effect.apply_to(&mut screen).unwrap();
    }
    assert_eq!(screen, open_text.text());
    assert!(screen.starts_with("unsaved saved."), "{screen}");
    assert!(screen.contains(" failed") && screen.contains(" from the past"));
    assert_eq!(open_text.incarnation(), 70);
    let news = said(&mut open_text);
    let reader = open(BOB, 0, &[theirs, news].concat());
    assert_eq!(reader.text(), screen);
}

#[test]
fn a_text_without_unsaved_changes_is_merely_replaced() {
    let mut open_text = open(ALICE, 0, &[]);
    writes(&mut open_text, 0, "old");
    open_text.begin_again(open(ALICE, 1, &[])).unwrap();
    assert_eq!(open_text.text(), "");
    assert!(!open_text.has_changes());
}

proptest! {
    #[test]
    fn the_steps_between_two_texts_lead_from_one_to_the_other(
        before in "[aé🎉]{0,6}", after in "[aé🎉]{0,6}",
    ) {
        let mut screen = before.clone();
        for effect in crate::engine::effect::between(&before, &after) {
            effect.apply_to(&mut screen).unwrap();
        }
        prop_assert_eq!(screen, after);
    }
}
