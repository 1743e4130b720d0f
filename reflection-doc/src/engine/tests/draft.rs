// SPDX-License-Identifier: GPL-3.0-or-later
//! Writing in the text of last time while the document is being loaded.
//!
//! Every character that anybody writes here is another one, so that nothing can be mistaken: what
//! must come out of it is told by sets and orders of characters, without the code under test.

use std::collections::BTreeSet;

use super::*;

/// How people write here: characters that were never written before, in several scripts.
struct Letters(u32);

impl Letters {
    fn take(&mut self, count: usize) -> String {
        let letters = (0..count).map(|_| {
            self.0 += 1;
            // Hangul syllables, then ideographs beyond the first plane: three and four bytes.
            let (hangul, beyond) = (0xac00 + self.0, 0x2_0000 + self.0);
            char::from_u32(if self.0.is_multiple_of(2) {
                hangul
            } else {
                beyond
            })
            .unwrap()
        });
        letters.collect()
    }
}

#[derive(Clone, Debug)]
enum Act {
    /// At which part of the text, how much is deleted, how much inserted.
    Edit(u16, usize, usize),
    Undo,
    Redo,
}

fn edit() -> impl Strategy<Value = Act> {
    let edit = (any::<u16>(), 0_usize..4, 0_usize..4);
    edit.prop_map(|(at, cut, add)| Act::Edit(at, cut, add))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![6 => edit(), 2 => Just(Act::Undo), 1 => Just(Act::Redo)]
}

/// What two people did before: who, and whether after hearing what the other had done.
fn history() -> impl Strategy<Value = Vec<(bool, bool, Act)>> {
    prop::collection::vec((any::<bool>(), any::<bool>(), edit()), 0..40)
}

fn place(engine: &Engine, part: u16, delete: usize) -> (usize, usize) {
    let length = engine.len_chars();
    let at = usize::from(part) * (length + 1) / (usize::from(u16::MAX) + 1);
    (at, delete.min(length - at))
}

/// The operations of that, in the order in which they came here.
fn written(acts: &[(bool, bool, Act)], letters: &mut Letters) -> Vec<Delivered> {
    let mut people = [engine(1), engine(2)];
    let (mut all, mut heard) = (Vec::new(), [0, 0]);
    for (who, hears, act) in acts {
        let who = usize::from(*who);
        if *hears {
            people[who].apply(&all[heard[who]..]).unwrap();
            heard[who] = all.len();
        }
        let person = &mut people[who];
        if let Act::Edit(part, delete, insert) = act {
            let (at, delete) = place(person, *part, *delete);
            person.edit(at, delete, &letters.take(*insert)).unwrap();
        }
        all.extend(deliveries(person));
    }
    for (number, delivered) in all.iter_mut().enumerate() {
        delivered.position = i64::try_from(number).unwrap() + 1;
    }
    all
}

/// Acts in a text and on a screen that shows it. Gives the letters that came back.
fn write(engine: &mut Engine, screen: &mut String, act: &Act, letters: &mut Letters) -> String {
    let undone = match act {
        Act::Edit(part, delete, insert) => {
            let (at, delete) = place(engine, *part, *delete);
            let insert = letters.take(*insert);
            engine.edit(at, delete, &insert).unwrap();
            let mut edited: Vec<char> = screen.chars().collect();
            edited.splice(at..at + delete, insert.chars());
            *screen = edited.into_iter().collect();
            return String::new();
        }
        Act::Undo => engine.undo(),
        Act::Redo => engine.redo(),
    };
    let effects = undone.map(|undone| undone.effects).unwrap_or_default();
    follow(screen, &effects);
    let back = effects.into_iter().filter_map(|effect| match effect {
        Effect::Insert { text, .. } => Some(text),
        Effect::Delete { .. } => None,
    });
    back.collect()
}

fn follow(screen: &mut String, effects: &[Effect]) {
    for effect in effects {
        effect.apply_to(screen).unwrap();
    }
}

fn set(text: &str) -> BTreeSet<char> {
    text.chars().collect()
}

/// What of a text is in another one, in the order of the first.
fn common(text: &str, other: &str) -> String {
    let other = set(other);
    text.chars()
        .filter(|letter| other.contains(letter))
        .collect()
}

fn load_shown(operations: &[Delivered], shown: &Shown) -> Loaded {
    let mut loading = Loading::new(author(1), &TOPIC, 0);
    loading.show(shown.clone());
    for batch in operations.chunks(7) {
        loading.add(batch).unwrap();
    }
    loading.finish_and_keep(true).unwrap()
}

/// What a person has on the screen when the document is there.
struct Met {
    engine: Engine,
    screen: String,
    base: String,
    loaded: String,
    draft: String,
    /// Letters that the person has brought back by undo or redo: they are new ones.
    back: BTreeSet<char>,
    stored: Vec<Delivered>,
}

fn meet(operations: &[Delivered], shown: Shown, acts: &[Act], letters: &mut Letters) -> Met {
    let Loaded {
        mut engine, since, ..
    } = load_shown(operations, &shown);
    let (base, loaded) = (shown.text.to_string(), engine.text());
    let mut unwritten = base.clone();
    follow(&mut unwritten, &since);
    assert_eq!(
        unwritten, loaded,
        "it leads from what was shown to what is there"
    );
    let mut screen = base.clone();
    let mut draft = Draft::new(author(1), &TOPIC, shown);
    let mut back = BTreeSet::new();
    for act in acts {
        back.extend(write(draft.engine_mut(), &mut screen, act, letters).chars());
        assert_eq!(draft.text(), screen);
    }
    let written = draft.text();
    let effects = engine.take_over_draft(draft, &since);
    follow(&mut screen, &effects);
    Met {
        engine,
        screen,
        base,
        loaded,
        draft: written,
        back,
        stored: operations.to_vec(),
    }
}

/// What was there and both have left is there, and what either has added; in the order of both.
fn check_met(met: &Met) {
    let text = met.engine.text();
    assert_eq!(met.screen, text, "the screen has followed");
    let [base, loaded, draft] = [&met.base, &met.loaded, &met.draft].map(|text| set(text));
    let gone: BTreeSet<char> = base
        .iter()
        .filter(|letter| {
            let is_left = loaded.contains(letter) || met.back.contains(letter);
            !is_left || !draft.contains(letter)
        })
        .copied()
        .collect();
    let expected: BTreeSet<char> = loaded
        .union(&draft)
        .filter(|letter| !gone.contains(letter))
        .copied()
        .collect();
    assert_eq!(set(&text), expected);
    assert_eq!(text.chars().count(), expected.len(), "nothing twice");
    let left: String = met
        .loaded
        .chars()
        .filter(|letter| !met.back.contains(letter))
        .collect();
    assert_eq!(common(&text, &left), common(&left, &text));
    assert_eq!(common(&text, &met.draft), common(&met.draft, &text));
}

/// Others who get what was stored have the same text.
fn check_stored(met: &mut Met) {
    let mut other = engine(3);
    met.stored.extend(deliveries(&mut met.engine));
    other.apply(&met.stored).unwrap();
    assert_eq!(other.text(), met.engine.text());
}

proptest! {
    #[test]
    fn what_is_written_ahead_meets_what_had_come(
        before in history(),
        parted in 0_usize..60,
        acts in prop::collection::vec(act(), 0..20),
    ) {
        let mut letters = Letters(0);
        let operations = written(&before, &mut letters);
        let parted = parted.min(operations.len());
        let mut last_time = engine(4);
        last_time.apply(&operations[..parted]).unwrap();
        let shown = Shown { text: last_time.text().into(), position: i64::try_from(parted).unwrap() };
        let mut met = meet(&operations, shown, &acts, &mut letters);
        check_met(&met);
        check_stored(&mut met);

        // Taken back from the first to the last, nothing of it is left, and nothing else is gone.
        let before_undo = met.engine.text();
        let mut screen = before_undo.clone();
        while let Some(undone) = met.engine.undo() {
            follow(&mut screen, &undone.effects);
        }
        prop_assert_eq!(&screen, &met.engine.text());
        let (left, loaded) = (set(&screen), set(&met.loaded));
        let both_deleted: BTreeSet<char> = set(&met.base)
            .into_iter()
            .filter(|letter| !loaded.contains(letter))
            .collect();
        prop_assert!(left.is_superset(&loaded));
        prop_assert!(left.difference(&loaded).all(|letter| both_deleted.contains(letter)));
        while let Some(redone) = met.engine.redo() {
            follow(&mut screen, &redone.effects);
        }
        prop_assert_eq!(&screen, &met.engine.text());
        check_stored(&mut met);
    }

    #[test]
    fn what_is_written_in_a_wrong_text_is_not_lost(
        before in history(),
        wrong in 0_usize..30,
        position in 0_i64..40,
        acts in prop::collection::vec(act(), 0..20),
    ) {
        let mut letters = Letters(0);
        let operations = written(&before, &mut letters);
        let shown = Shown { text: letters.take(wrong).into(), position };
        let mut met = meet(&operations, shown, &acts, &mut letters);
        check_met(&met);
        check_stored(&mut met);
    }
}

#[test]
fn the_caret_stays_at_its_text_and_undo_brings_it_back() {
    let mut ann = engine(2);
    ann.edit(0, 0, "one three").unwrap();
    let mut operations = deliveries(&mut ann);
    ann.edit(0, 0, "zero ").unwrap();
    operations.extend(deliveries(&mut ann));
    operations[1].position = 2;
    let shown = Shown {
        text: "one three".into(),
        position: 1,
    };
    let Loaded {
        mut engine, since, ..
    } = load_shown(&operations, &shown);
    let mut draft = Draft::new(author(1), &TOPIC, shown.clone());
    draft.select(Selection::caret(4));
    draft.engine_mut().edit(4, 0, "two ").unwrap();
    engine.take_over_draft(draft, &since);
    assert_eq!(engine.text(), "zero one two three");
    assert_eq!(engine.selection(), Selection::caret(13));
    assert_eq!(engine.undo().unwrap().selection, Selection::caret(9));
    assert_eq!(engine.text(), "zero one three");

    // And where nothing was written at all.
    let Loaded {
        mut engine, since, ..
    } = load_shown(&operations, &shown);
    let mut draft = Draft::new(author(1), &TOPIC, shown);
    draft.select(Selection::caret(4));
    engine.take_over_draft(draft, &since);
    assert_eq!(engine.selection(), Selection::caret(9));
    assert!(!engine.can_undo() && !engine.has_changes());
}

#[test]
fn what_was_typed_goes_on_as_one_step() {
    let mut draft = Draft::new(
        author(1),
        &TOPIC,
        Shown {
            text: "".into(),
            position: 0,
        },
    );
    draft.engine_mut().set_clock(Arc::new(|| 0));
    draft.engine_mut().edit(0, 0, "a").unwrap();
    draft.engine_mut().edit(1, 0, "b").unwrap();
    let mut engine = engine(1);
    assert!(engine.take_over_draft(draft, &[]).is_empty());
    engine.edit(2, 0, "c").unwrap();
    assert_eq!(engine.text(), "abc");
    engine.undo().unwrap();
    assert_eq!(engine.text(), "");
    assert_eq!(engine.take_changes().len(), 1);
}
