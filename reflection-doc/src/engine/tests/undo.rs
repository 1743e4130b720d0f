// SPDX-License-Identifier: GPL-3.0-or-later
//! Undo and redo beside a model in which every letter ever written keeps its place.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::test_runner::RngSeed;

use super::*;

/// A letter and whether it can be seen. Those that cannot keep their places.
#[derive(Clone, Copy, Debug)]
struct Cell {
    letter: char,
    is_visible: bool,
}

/// What a step did: letters that appeared or disappeared, in this order.
type Flips = Vec<(char, bool)>;

/// Letters are used once, so that they have an identity.
#[derive(Default)]
struct Model {
    cells: Vec<Cell>,
    done: Vec<Flips>,
    undone: Vec<Flips>,
}

impl Model {
    fn text(&self) -> String {
        let visible = self.cells.iter().filter(|cell| cell.is_visible);
        visible.map(|cell| cell.letter).collect()
    }

    /// The index of the visible letter at a place in the text.
    fn index(&self, at: usize) -> usize {
        let mut visible = (0..self.cells.len()).filter(|&index| self.cells[index].is_visible);
        visible.nth(at).unwrap_or(self.cells.len())
    }

    fn splice(&mut self, at: usize, delete: usize, insert: &str) -> Flips {
        let mut flips = Vec::new();
        for _ in 0..delete {
            let index = self.index(at);
            self.cells[index].is_visible = false;
            flips.push((self.cells[index].letter, false));
        }
        let index = self.index(at);
        let new = insert.chars().map(|letter| Cell {
            letter,
            is_visible: true,
        });
        self.cells.splice(index..index, new);
        flips.extend(insert.chars().map(|letter| (letter, true)));
        flips
    }

    fn apply(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Insert { at, text, .. } => self.splice(*at, 0, text),
                Effect::Delete { at, count, .. } => self.splice(*at, *count, ""),
            };
        }
    }

    /// Takes a step back; what others have hidden stays hidden.
    fn reverse(&mut self, flips: &Flips) -> Flips {
        let mut reversed = Vec::new();
        for &(letter, appeared) in flips.iter().rev() {
            let cell = self.cells.iter_mut().find(|cell| cell.letter == letter);
            let cell = cell.unwrap();
            if cell.is_visible == appeared {
                cell.is_visible = !appeared;
                reversed.push((letter, !appeared));
            }
        }
        reversed
    }

    fn undo(&mut self) {
        while let Some(flips) = self.done.pop() {
            let before = self.text();
            let reversed = self.reverse(&flips);
            self.undone.push(reversed);
            if before != self.text() {
                return;
            }
            self.undone.pop();
        }
    }

    fn redo(&mut self) {
        while let Some(flips) = self.undone.pop() {
            let before = self.text();
            let reversed = self.reverse(&flips);
            self.done.push(reversed);
            if before != self.text() {
                return;
            }
            self.done.pop();
        }
    }
}

/// A place for an edit, how much it deletes and how many letters it inserts.
type Splice = (prop::sample::Index, usize, usize);

#[derive(Clone, Debug)]
enum Act {
    Command(Vec<Splice>),
    /// Letters typed in a row, with a remote edit arriving after the first ones or not.
    Row(prop::sample::Index, usize, Option<Splice>),
    Remote(Splice),
    Hear,
    Tell,
    Undo,
    Redo,
}

fn splice() -> impl Strategy<Value = Splice> {
    (any::<prop::sample::Index>(), 0_usize..4, 0_usize..4)
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => prop::collection::vec(splice(), 1..4).prop_map(Act::Command),
        2 => (any::<prop::sample::Index>(), 2_usize..5, prop::option::of(splice()))
            .prop_map(|(at, count, remote)| Act::Row(at, count, remote)),
        4 => splice().prop_map(Act::Remote),
        3 => Just(Act::Hear),
        2 => Just(Act::Tell),
        4 => Just(Act::Undo),
        2 => Just(Act::Redo),
    ]
}

struct Scene {
    me: Engine,
    other: Engine,
    model: Model,
    letters: u32,
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self {
            me: engine(1),
            other: engine(2),
            model: Model::default(),
            letters: 0x4e00,
        };
        scene.me.set_clock(Arc::new(|| 0));
        scene
    }

    fn new_letters(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| {
                self.letters += 1;
                char::from_u32(self.letters).unwrap()
            })
            .collect()
    }

    fn edit(&mut self, (at, delete, insert): Splice) -> Flips {
        let length = self.me.len_chars();
        let at = at.index(length + 1);
        let delete = delete.min(length - at);
        let insert = self.new_letters(insert);
        self.me.edit(at, delete, &insert).unwrap();
        self.model.splice(at, delete, &insert)
    }

    /// Starts something that is a step whatever was done before.
    fn begin_step(&mut self, step: Flips) {
        if !step.is_empty() {
            self.model.undone.clear();
            self.model.done.push(step);
        }
        self.me.undo.break_step();
    }

    fn remote(&mut self, (at, delete, insert): Splice) {
        let length = self.other.len_chars();
        let at = at.index(length + 1);
        let insert = self.new_letters(insert);
        self.other
            .edit(at, delete.min(length - at), &insert)
            .unwrap();
    }

    fn hear(&mut self) {
        let news = deliveries(&mut self.other);
        let effects = self.me.apply(&news).unwrap();
        self.model.apply(&effects);
    }

    fn tell(&mut self) {
        let news = deliveries(&mut self.me);
        self.other.apply(&news).unwrap();
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Command(splices) => {
                self.me.undo.break_step();
                self.me.begin_command();
                let mut flips = Vec::new();
                for splice in splices {
                    flips.extend(self.edit(splice));
                }
                self.me.end_command();
                self.begin_step(flips);
            }
            Act::Row(at, count, remote) => {
                self.me.undo.break_step();
                let at = at.index(self.me.len_chars() + 1);
                self.me.set_selection(Selection::caret(at));
                let mut flips = Vec::new();
                for number in 0..count {
                    if let (1, Some(splice)) = (number, remote) {
                        self.remote(splice);
                        self.hear();
                    }
                    let at = self.me.selection().caret;
                    let letter = self.new_letters(1);
                    self.me.edit(at, 0, &letter).unwrap();
                    flips.extend(self.model.splice(at, 0, &letter));
                }
                self.begin_step(flips);
            }
            Act::Remote(splice) => self.remote(splice),
            Act::Hear => self.hear(),
            Act::Tell => self.tell(),
            Act::Undo => {
                let before = self.me.text();
                let undone = self.me.undo();
                self.model.undo();
                check_effects(before, undone, &self.me);
            }
            Act::Redo => {
                let before = self.me.text();
                let redone = self.me.redo();
                self.model.redo();
                check_effects(before, redone, &self.me);
            }
        }
    }
}

fn check_effects(mut screen: String, undone: Option<Undone>, engine: &Engine) {
    for effect in undone.iter().flat_map(|undone| &undone.effects) {
        effect.apply_to(&mut screen).unwrap();
    }
    assert_eq!(screen, engine.text());
    assert!(undone.is_none_or(|undone| undone.selection == engine.selection()));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 5_000,
        rng_seed: RngSeed::Fixed(4),
        ..ProptestConfig::default()
    })]

    #[test]
    fn undo_does_what_the_model_does(acts in prop::collection::vec(act(), 1..40)) {
        let mut scene = Scene::new();
        for act in acts {
            scene.act(act);
            prop_assert_eq!(scene.me.text(), scene.model.text());
        }
        // Everything of one's own goes, and what others wrote stays.
        while scene.me.undo().is_some() {
            scene.model.undo();
        }
        prop_assert_eq!(scene.me.text(), scene.model.text());
        scene.hear();
        scene.tell();
        prop_assert_eq!(scene.me.text(), scene.other.text());
    }
}

/// An engine with a clock that the test moves.
fn timed() -> (Engine, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let mut engine = engine(1);
    let told = Arc::clone(&clock);
    engine.set_clock(Arc::new(move || told.load(Ordering::Relaxed)));
    (engine, clock)
}

fn type_text(engine: &mut Engine, text: &str) {
    for letter in text.chars() {
        let at = engine.selection().caret;
        engine.edit(at, 0, &letter.to_string()).unwrap();
        engine.set_selection(Selection::caret(at + 1));
    }
}

/// Undoes everything and gives the texts on the way.
fn steps_back(engine: &mut Engine) -> Vec<String> {
    std::iter::from_fn(|| engine.undo().map(|_| engine.text())).collect()
}

#[test]
fn a_pause_a_line_and_a_moved_caret_begin_a_step() {
    let (mut engine, clock) = timed();
    type_text(&mut engine, "one");
    clock.fetch_add(5_000, Ordering::Relaxed);
    type_text(&mut engine, " two\nthree");
    engine.set_selection(Selection::caret(0));
    type_text(&mut engine, "zero ");
    assert_eq!(engine.text(), "zero one two\nthree");
    assert_eq!(
        steps_back(&mut engine),
        ["one two\nthree", "one two", "one", ""]
    );
    while engine.redo().is_some() {}
    assert_eq!(engine.text(), "zero one two\nthree");
}

#[test]
fn erasing_and_pasting_are_steps_of_their_own() {
    let (mut engine, _) = timed();
    type_text(&mut engine, "abcd");
    engine.edit(3, 1, "").unwrap();
    engine.edit(2, 1, "").unwrap();
    engine.edit(2, 0, "pasted").unwrap();
    engine.edit(8, 0, "!").unwrap();
    engine.set_selection(Selection::caret(0));
    engine.edit(0, 1, "").unwrap();
    engine.edit(0, 1, "").unwrap();
    assert_eq!(engine.text(), "pasted!");
    assert_eq!(
        steps_back(&mut engine),
        ["abpasted!", "abpasted", "ab", "abcd", ""]
    );
}

#[test]
fn a_replaced_selection_is_one_step_and_comes_back_selected() {
    let (mut engine, clock) = timed();
    type_text(&mut engine, "good morning");
    clock.fetch_add(5_000, Ordering::Relaxed);
    let selected = Selection {
        anchor: 5,
        caret: 12,
    };
    engine.set_selection(selected);
    engine.begin_command();
    engine.edit(5, 7, "").unwrap();
    engine.edit(5, 0, "e").unwrap();
    engine.end_command();
    type_text(&mut engine, "vening");
    assert_eq!(engine.text(), "good evening");
    let undone = engine.undo().unwrap();
    assert_eq!(engine.text(), "good morning");
    assert_eq!(undone.selection, selected);
    let redone = engine.redo().unwrap();
    assert_eq!(engine.text(), "good evening");
    assert_eq!(redone.selection, Selection::caret(12));
}

#[test]
fn a_command_leaves_the_selection_where_it_did_when_it_is_done_again() {
    let (mut engine, _) = timed();
    type_text(&mut engine, "one zwei 🎉");
    let selected = Selection {
        anchor: 4,
        caret: 8,
    };
    engine.set_selection(selected);
    let bold = toggle_emphasis(&engine.text(), selected, Emphasis::Bold);
    engine.rewrite(&bold).unwrap();
    let bold = bold.selection;
    assert_eq!(engine.text(), "one **zwei** 🎉");
    for _ in 0..2 {
        assert_eq!(engine.undo().unwrap().selection, selected);
        assert_eq!(engine.redo().unwrap().selection, bold);
        assert_eq!(engine.text(), "one **zwei** 🎉");
    }
}

#[test]
fn undo_leaves_what_others_wrote_within() {
    let (mut me, mut other) = (engine(1), engine(2));
    me.edit(0, 0, "mine").unwrap();
    other.apply(&deliveries(&mut me)).unwrap();
    other.edit(2, 0, "THEIRS").unwrap();
    me.apply(&deliveries(&mut other)).unwrap();
    assert_eq!(me.text(), "miTHEIRSne");
    let undone = me.undo().unwrap();
    assert_eq!(me.text(), "THEIRS");
    assert!(undone.effects.iter().all(|effect| matches!(
        effect,
        Effect::Delete {
            origin: Origin::Undo,
            ..
        }
    )));
    me.redo().unwrap();
    assert_eq!(me.text(), "miTHEIRSne");
}

#[test]
fn what_undo_brings_back_is_written_by_who_undid() {
    let (mut me, mut other) = (engine(1), engine(2));
    other.edit(0, 0, "theirs").unwrap();
    me.apply(&deliveries(&mut other)).unwrap();
    me.edit(0, 3, "").unwrap();
    me.undo().unwrap();
    assert_eq!(me.text(), "theirs");
    let runs = me.author_runs();
    let expected = [(0, 3, author(1)), (3, 6, author(2))];
    assert_eq!(
        runs.iter()
            .map(|run| (run.from, run.to, run.author.unwrap()))
            .collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn a_step_of_which_nothing_is_left_is_passed_over() {
    let (mut me, mut other) = (engine(1), engine(2));
    me.edit(0, 0, "first").unwrap();
    me.edit(5, 0, "second").unwrap();
    other.apply(&deliveries(&mut me)).unwrap();
    other.edit(5, 6, "").unwrap();
    me.apply(&deliveries(&mut other)).unwrap();
    me.undo().unwrap();
    assert_eq!(me.text(), "");
    assert_eq!(me.undo(), None);
}

#[test]
fn undo_forgets_the_oldest_first() {
    let (mut engine, _) = timed();
    let large = "x".repeat(3 * 1024 * 1024);
    engine.edit(0, 0, &large).unwrap();
    engine.edit(0, large.len(), "").unwrap();
    engine.edit(0, 0, &large).unwrap();
    engine.edit(0, large.len(), "").unwrap();
    assert!(engine.undo().is_some());
    assert_eq!(engine.len_chars(), large.len());
    assert!(engine.undo().is_some());
    assert_eq!(engine.undo(), None);
}
