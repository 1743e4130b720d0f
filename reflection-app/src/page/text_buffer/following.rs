// SPDX-License-Identifier: GPL-3.0-or-later
//! Real buffers that people type into stay equal to what their engines hold, whatever arrives in
//! between.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use flate2::read::GzDecoder;
use reflection_doc::engine::{Effect, Engine};
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::operation::{Kind, OperationId};
use reflection_node::pipeline::Delivered;
use serde_json::Value;

use super::*;

/// What people type, in several scripts.
const PIECES: [&str; 10] = [
    "a",
    "two words ",
    "\n",
    "é",
    "e\u{301}\u{308}",
    "🎉",
    "👩‍👩‍👧",
    "தமிழ்",
    "שלום ",
    "# ",
];

/// Somebody with an engine and a buffer that shows it.
struct Person {
    engine: Rc<RefCell<Engine>>,
    buffer: TextBuffer,
    /// What was said, with the step in which it was, and how much of what others said was heard.
    said: Vec<(usize, Delivered)>,
    heard: Vec<usize>,
}

impl Person {
    fn new(number: u8, people: usize) -> Self {
        sourceview5::init();
        let author = AuthorId::from_bytes([number; 32]);
        let engine = Engine::new(author, &TopicId::from_bytes([7; 32]), 0);
        let engine = Rc::new(RefCell::new(engine));
        let buffer = TextBuffer::default();
        let edit = |engine: &RefCell<Engine>, at: u32, delete: u32, insert: &str| {
            let mut engine = engine.borrow_mut();
            engine.edit(at as usize, delete as usize, insert)?;
            Ok(())
        };
        buffer.hand_over_typing(
            clone!(
                #[strong]
                engine,
                move |at, text| edit(&engine, at, 0, text)
            ),
            clone!(
                #[strong]
                engine,
                move |at, count| edit(&engine, at, count, "")
            ),
        );
        Self {
            engine,
            buffer,
            said: Vec::new(),
            heard: vec![0; people],
        }
    }

    /// Types into the buffer, as a keyboard does.
    fn types(&self, at: usize, delete: usize, insert: &str) {
        let place = |at: usize| self.buffer.iter_at_offset(i32::try_from(at).unwrap());
        self.buffer.delete(&mut place(at), &mut place(at + delete));
        self.buffer.insert(&mut place(at), insert);
    }

    fn follows(&self, effects: &[Effect]) {
        let number = |number: usize| u32::try_from(number).unwrap();
        for effect in effects {
            match effect {
                Effect::Insert { at, text, .. } => self.buffer.insert_arrived(number(*at), text),
                Effect::Delete { at, count, .. } => {
                    self.buffer.delete_arrived(number(*at), number(*count));
                }
            }
        }
    }

    fn says(&mut self, step: usize) {
        let mut engine = self.engine.borrow_mut();
        let author = engine.author();
        let said = engine.take_changes().into_iter().map(|body| Delivered {
            position: 1,
            id: OperationId::from_bytes([0; 32]),
            author,
            sequence: 0,
            time_us: 0,
            kind: Kind::Edit,
            incarnation: 0,
            body,
        });
        self.said.extend(said.map(|said| (step, said)));
    }

    fn shows_what_is_there(&self) -> bool {
        self.buffer.shown_text() == self.engine.borrow().text()
    }
}

/// One hears what another had said up to a step.
fn hear(people: &mut [Person], to: usize, from: usize, last: usize) {
    let said = &people[from].said;
    let until = said.partition_point(|(step, _)| *step <= last);
    let heard = people[to].heard[from].min(until);
    let news: Vec<Delivered> = said[heard..until]
        .iter()
        .map(|(_, said)| said.clone())
        .collect();
    people[to].heard[from] = until.max(people[to].heard[from]);
    let effects = people[to].engine.borrow_mut().apply(&news).unwrap();
    people[to].follows(&effects);
}

/// Marsaglia's xorshift: the same numbers for the same seed.
fn below(seed: &mut u64, end: usize) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    usize::try_from(*seed >> 11).unwrap() % end
}

#[gtk::test]
fn buffers_of_several_people_end_with_the_text_of_their_engines() {
    for seed in 1..=40_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let count = 2 + below(&mut random, 4);
        let mut people: Vec<Person> = (0..count)
            .map(|number| Person::new(u8::try_from(number).unwrap(), count))
            .collect();
        for step in 0..120 {
            let who = below(&mut random, count);
            match below(&mut random, 10) {
                0..5 => {
                    let length = people[who].engine.borrow().len_chars();
                    let at = below(&mut random, length + 1);
                    let delete = below(&mut random, 4).min(length - at);
                    let piece = PIECES[below(&mut random, PIECES.len())];
                    people[who].types(at, delete, piece);
                    people[who].says(step);
                }
                5 => {
                    let undone = people[who].engine.borrow_mut().undo();
                    people[who].follows(&undone.map(|undone| undone.effects).unwrap_or_default());
                    people[who].says(step);
                }
                6 => {
                    let redone = people[who].engine.borrow_mut().redo();
                    people[who].follows(&redone.map(|redone| redone.effects).unwrap_or_default());
                    people[who].says(step);
                }
                _ => {
                    let from = below(&mut random, count);
                    if from != who {
                        hear(&mut people, who, from, step);
                    }
                }
            }
            assert!(
                people[who].shows_what_is_there(),
                "seed {seed}, step {step}"
            );
        }
        for to in 0..count {
            for from in (0..count).filter(|&from| from != to) {
                hear(&mut people, to, from, usize::MAX);
            }
        }
        let end = people[0].engine.borrow().text();
        for person in &people {
            assert_eq!(person.buffer.shown_text(), end, "seed {seed}");
        }
    }
}

/// Transactions of the recorded session by two people that are played in each script.
const PLAYED: usize = 1_500;

/// Spells a letter so that all letters have the same number of characters.
type Spelling = (usize, fn(char) -> String);

/// Latin, emoji, Tamil, Hebrew and Latin with marks.
const SCRIPTS: [Spelling; 5] = [
    (1, |letter| letter.into()),
    (1, |letter| nth(0x1f600, letter, 0x40).into()),
    (2, |letter| format!("{}\u{bc1}", nth(0xb95, letter, 0x20))),
    (1, |letter| nth(0x5d0, letter, 27).into()),
    (3, |letter| {
        format!("{}\u{301}\u{308}", nth(0x61, letter, 26))
    }),
];

fn nth(first: u32, letter: char, count: u32) -> char {
    char::from_u32(first + u32::from(letter) % count).unwrap()
}

#[gtk::test]
fn buffers_follow_a_recorded_session_in_every_script() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../reflection-cli/tests/traces/friendsforever.concurrent.json.gz");
    let mut json = String::new();
    GzDecoder::new(std::fs::File::open(file).unwrap())
        .read_to_string(&mut json)
        .unwrap();
    let trace: Value = serde_json::from_str(&json).unwrap();
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let transactions = trace["txns"].as_array().unwrap();
    for (width, spell) in SCRIPTS {
        let mut people = [Person::new(1, 2), Person::new(2, 2)];
        for (step, transaction) in transactions[..PLAYED].iter().enumerate() {
            let who = number(&transaction["agent"]);
            let parents = transaction["parents"].as_array().unwrap();
            let theirs = parents.iter().map(number);
            let theirs = theirs.filter(|&seen| number(&transactions[seen]["agent"]) != who);
            if let Some(last) = theirs.max() {
                hear(&mut people, who, 1 - who, last);
            }
            for patch in transaction["patches"].as_array().unwrap() {
                let insert: String = patch[2].as_str().unwrap().chars().map(spell).collect();
                let (at, delete) = (number(&patch[0]), number(&patch[1]));
                people[who].types(at * width, delete * width, &insert);
            }
            people[who].says(step);
            assert!(step % 25 != 0 || people[who].shows_what_is_there());
        }
        hear(&mut people, 0, 1, usize::MAX);
        hear(&mut people, 1, 0, usize::MAX);
        let end = people[0].engine.borrow().text();
        assert!(!end.is_empty());
        for person in &people {
            assert!(person.buffer.shown_text() == end);
        }
    }
}
