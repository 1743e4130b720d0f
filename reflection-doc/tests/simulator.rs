// SPDX-License-Identifier: GPL-3.0-or-later
//! Schedules of several people who write one text while networks, disks and processes fail.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reflection_doc::engine::{Effect, Engine};
use reflection_doc::library::testing_application;
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::pipeline::{Application, Delivered};
use reflection_node::rusqlite::Connection;
use reflection_node::testing::{Person, Random, simulate};

/// Schedules of `make test`.
const SCHEDULES: u64 = 200;
/// The first of their seeds.
const FIRST_SEED: u64 = 1;
/// Seeds that once failed; they are always run.
const KEPT: &str = include_str!("seeds/simulator.txt");

/// What people type: letters of several scripts, and one that takes two places in UTF-16.
const LETTERS: [&str; 8] = ["a", "b", " ", "\n", "é", "字", "🙂", "word"];

/// A person at a text, with a screen that shows what the effects made of it.
#[derive(Default)]
struct Writer {
    engine: Option<Engine>,
    screen: Vec<char>,
}

impl Writer {
    /// The screen follows from the effects alone, so one that is missing or comes twice shows.
    fn show(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Insert { at, text, .. } => {
                    self.screen.splice(*at..*at, text.chars());
                }
                Effect::Delete { at, count, .. } => {
                    self.screen.drain(*at..*at + *count);
                }
            }
        }
        let text = self.engine.as_ref().map(Engine::text).unwrap_or_default();
        assert_eq!(
            self.screen.iter().collect::<String>(),
            text,
            "the screen shows another text"
        );
    }
}

impl Person for Writer {
    fn application(&self) -> Box<dyn Application> {
        testing_application()
    }

    fn start(&mut self, author: AuthorId, topic: &TopicId, incarnation: u64) {
        let mut engine = Engine::new(author, topic, incarnation);
        engine.set_clock(Arc::new(|| 0));
        self.engine = Some(engine);
        self.screen.clear();
    }

    fn begin_again(
        &mut self,
        author: AuthorId,
        topic: &TopicId,
        incarnation: u64,
        stored: &[Delivered],
    ) {
        let mut fresh = Engine::new(author, topic, incarnation);
        fresh.set_clock(Arc::new(|| 0));
        fresh.apply(stored).unwrap();
        let effects = self.engine.as_mut().unwrap().begin_again(fresh).unwrap();
        self.show(&effects);
    }

    fn apply(&mut self, operations: &[Delivered]) {
        let effects = self.engine.as_mut().unwrap().apply(operations).unwrap();
        self.show(&effects);
    }

    fn write(&mut self, random: &mut Random) {
        let engine = self.engine.as_mut().unwrap();
        let length = engine.len_chars();
        let at = random.below(length + 1);
        let delete = if random.percent(30) {
            random.below(length - at + 1).min(5)
        } else {
            0
        };
        let insert = LETTERS[random.below(LETTERS.len())].repeat(random.between(1, 4));
        engine.edit(at, delete, &insert).unwrap();
        self.screen.splice(at..at + delete, insert.chars());
    }

    fn take_changes(&mut self) -> Vec<Vec<u8>> {
        self.engine.as_mut().unwrap().take_changes()
    }

    fn give_back(&mut self, bodies: Vec<Vec<u8>>) {
        self.engine.as_mut().unwrap().restore_changes(bodies);
    }

    fn state(&mut self) -> String {
        self.engine.as_ref().unwrap().text()
    }

    fn check(&self, connection: &Connection) -> Result<(), String> {
        // Every author's counters go on from operation to operation, so they count each once.
        let negative: i64 = connection
            .query_row(
                "SELECT count(*) FROM document_counters WHERE next <= 0",
                [],
                |row| row.get(0),
            )
            .map_err(|error| error.to_string())?;
        if negative == 0 {
            Ok(())
        } else {
            Err("a counter went wrong".into())
        }
    }
}

#[test]
fn all_texts_come_to_hold_the_same_whatever_fails() {
    let seconds = std::env::var("REFLECTION_SOAK_SECONDS").ok();
    let soak: Option<u64> = seconds.and_then(|text| text.parse().ok());
    let first = soak.map_or(FIRST_SEED, |_| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
            << 20
    });
    let kept = KEPT
        .lines()
        .filter_map(|line| line.split('#').next()?.trim().parse::<u64>().ok());
    let started = Instant::now();
    let (mut schedules, mut operations) = (0, 0);
    for seed in kept.chain(first..) {
        let is_over = match soak {
            Some(seconds) => started.elapsed() >= Duration::from_secs(seconds),
            None => schedules >= SCHEDULES,
        };
        if is_over {
            break;
        }
        schedules += 1;
        match simulate(seed, Writer::default, None) {
            Ok(report) => operations += report.operations,
            Err(failure) => {
                panic!("{failure}\nThe seed is to be kept in tests/seeds/simulator.txt.")
            }
        }
    }
    println!(
        "{schedules} schedules, {operations} operations in {:.1?}",
        started.elapsed()
    );
}

#[test]
fn a_seed_leads_to_the_same_text_again() {
    for seed in 1..6 {
        let [one, other] = [(), ()].map(|()| simulate(seed, Writer::default, None).unwrap());
        assert_eq!(one, other, "seed {seed}");
    }
}
