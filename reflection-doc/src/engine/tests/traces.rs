// SPDX-License-Identifier: GPL-3.0-or-later
//! A real editing session, as it was and in other scripts, through an engine.

use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use flate2::read::GzDecoder;
use serde::Deserialize;

use super::*;

/// Position, deleted characters, inserted text.
type Patch = (usize, usize, String);

#[derive(Deserialize)]
struct Transaction {
    patches: Vec<Patch>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    end_content: String,
    txns: Vec<Transaction>,
}

fn trace(name: &str) -> Trace {
    read(name)
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../reflection-cli/tests/traces");
    let file = std::fs::File::open(folder.join(format!("{name}.json.gz"))).unwrap();
    let mut json = String::new();
    GzDecoder::new(file).read_to_string(&mut json).unwrap();
    serde_json::from_str(&json).unwrap()
}

/// What each letter becomes. All results have the same number of characters, so that a position
/// in the trace is that many times as far in.
struct Script {
    width: usize,
    spell: fn(char) -> String,
}

/// A letter for each letter, so that nothing is mistaken for something else.
fn shifted(letter: char, first: u32) -> char {
    char::from_u32(first + u32::from(letter) % 0x40).unwrap()
}

const SCRIPTS: [Script; 5] = [
    Script {
        width: 1,
        spell: |letter| letter.into(),
    },
    // Emoji.
    Script {
        width: 1,
        spell: |letter| shifted(letter, 0x1f600).into(),
    },
    // A Tamil consonant and a vowel sign.
    Script {
        width: 2,
        spell: |letter| format!("{}\u{bc1}", shifted(letter, 0xb95)),
    },
    // Hebrew, right to left.
    Script {
        width: 1,
        spell: |letter| {
            char::from_u32(0x5d0 + u32::from(letter) % 27)
                .unwrap()
                .into()
        },
    },
    // Latin with two marks above.
    Script {
        width: 3,
        spell: |letter| {
            format!(
                "{}\u{301}\u{308}",
                char::from_u32(0x61 + u32::from(letter) % 26).unwrap()
            )
        },
    },
];

impl Script {
    fn write(&self, text: &str) -> String {
        text.chars().map(self.spell).collect()
    }

    fn patch(&self, engine: &mut Engine, (at, delete, insert): &Patch) {
        engine
            .edit(at * self.width, delete * self.width, &self.write(insert))
            .unwrap();
    }
}

#[test]
fn a_trace_by_one_person_ends_in_its_text_in_every_script() {
    let trace = trace("sveltecomponent");
    for script in &SCRIPTS {
        let mut engine = engine(1);
        let patches = trace.txns.iter().flat_map(|txn| &txn.patches);
        for patch in patches {
            script.patch(&mut engine, patch);
        }
        let end = script.write(&trace.end_content);
        assert!(engine.text() == end);
        while engine.undo().is_some() {}
        assert_eq!(engine.text(), "");
        while engine.redo().is_some() {}
        assert!(engine.text() == end);
        let runs = engine.author_runs();
        assert_eq!(runs.len(), 1);
    }
}

/// A transaction of a session by several people.
#[derive(Deserialize)]
struct SharedTransaction {
    /// The newest transactions that its author had seen.
    parents: Vec<usize>,
    agent: usize,
    patches: Vec<Patch>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SharedTrace {
    end_content: String,
    txns: Vec<SharedTransaction>,
}

/// Transactions of the session by two people that are played in every script.
const PLAYED_IN_EVERY_SCRIPT: usize = 3_000;

/// One of the people of a session: the engine, a plain text that follows it, and what was said in
/// which transaction.
struct Player {
    engine: Engine,
    screen: Vec<char>,
    said: Vec<(usize, Delivered)>,
    /// How much of what the other one said was heard.
    heard: usize,
}

impl Player {
    fn new(number: u8) -> Self {
        Self {
            engine: engine(number),
            screen: Vec::new(),
            said: Vec::new(),
            heard: 0,
        }
    }

    fn splice(&mut self, at: usize, delete: usize, insert: &str) {
        self.screen.splice(at..at + delete, insert.chars());
    }

    /// Hears what the other one had said up to a transaction.
    fn hear(&mut self, other: &[(usize, Delivered)], last: usize) {
        let until = other.partition_point(|(transaction, _)| *transaction <= last);
        let Some(news) = other.get(self.heard..until) else {
            return;
        };
        let news: Vec<Delivered> = news.iter().map(|(_, said)| said.clone()).collect();
        self.heard = until;
        for effect in self.engine.apply(&news).unwrap() {
            match effect {
                Effect::Insert { at, text, .. } => self.splice(at, 0, &text),
                Effect::Delete { at, count, .. } => self.splice(at, count, ""),
            }
        }
    }
}

/// Plays a session with everything heard when it was; gives the text in which both end.
fn play(txns: &[SharedTransaction], script: &Script) -> String {
    let mut players = [Player::new(1), Player::new(2)];
    for (number, txn) in txns.iter().enumerate() {
        let [one, two] = &mut players;
        let (player, other) = match txn.agent {
            0 => (one, two),
            _ => (two, one),
        };
        let foreign = txn
            .parents
            .iter()
            .filter(|&&seen| txns[seen].agent != txn.agent);
        if let Some(&last) = foreign.max() {
            player.hear(&other.said, last);
        }
        for (at, delete, insert) in &txn.patches {
            let (at, delete) = (at * script.width, delete * script.width);
            let insert = script.write(insert);
            player.engine.edit(at, delete, &insert).unwrap();
            player.splice(at, delete, &insert);
        }
        let said = deliveries(&mut player.engine);
        player
            .said
            .extend(said.into_iter().map(|said| (number, said)));
    }
    let [one, two] = &mut players;
    one.hear(&two.said, txns.len());
    two.hear(&one.said, txns.len());
    let end = one.engine.text();
    assert!(two.engine.text() == end, "both end with the same text");
    for player in &mut players {
        assert!(player.screen.iter().copied().eq(end.chars()));
    }
    let [one, two] = &mut players;
    assert_eq!(one.engine.author_runs(), two.engine.author_runs());
    // What either had written by some time, with what had come from the other by then.
    let versions = one.engine.doc.oplog_vv();
    let versions = versions.iter().flat_map(|(&peer, &end)| {
        let steps = (1..8).map(move |step| i64::from(end) * step / 8);
        steps.map(move |counter| Version::after(peer, i32::try_from(counter).unwrap()))
    });
    assert!(weave::check(&one.engine, &versions.collect::<Vec<_>>()));
    // Whoever opens the document later sees the same.
    let mut loading = Loading::new(author(3), &TOPIC, 0);
    for player in &players {
        let said: Vec<_> = player.said.iter().map(|(_, said)| said.clone()).collect();
        loading.add(&said).unwrap();
    }
    assert!(loading.finish().unwrap().text() == end);
    end
}

#[test]
#[ignore = "takes minutes without optimisation; a part of `make soak`"]
fn a_trace_by_two_people_ends_in_its_text() {
    let trace: SharedTrace = read("friendsforever.concurrent");
    let end = play(&trace.txns, &SCRIPTS[0]);
    assert!(end == trace.end_content);
}

#[test]
fn a_part_of_a_trace_by_two_people_ends_alike_in_every_script() {
    let trace: SharedTrace = read("friendsforever.concurrent");
    let part = &trace.txns[..PLAYED_IN_EVERY_SCRIPT];
    let end = play(part, &SCRIPTS[0]);
    for script in &SCRIPTS[1..] {
        assert!(play(part, script) == script.write(&end));
    }
}

#[test]
#[ignore = "takes minutes without optimisation; a part of `make soak`"]
fn a_trace_by_two_people_ends_in_its_text_in_every_script() {
    let trace: SharedTrace = read("friendsforever.concurrent");
    for script in &SCRIPTS {
        assert!(play(&trace.txns, script) == script.write(&trace.end_content));
    }
}

/// Prints what takes how long. `REFLECTION_TRACE` names a trace by one person to be measured.
#[test]
#[ignore = "measures, with --no-capture"]
#[allow(clippy::print_stdout, clippy::too_many_lines)]
fn measure() {
    let name = std::env::var("REFLECTION_TRACE").unwrap_or("sveltecomponent".into());
    let trace = trace(&name);
    for times in [1, 3, 10] {
        let mut engine = engine(1);
        let start = Instant::now();
        let mut count = 0;
        for _ in 0..times {
            let base = engine.len_chars();
            for (at, delete, insert) in trace.txns.iter().flat_map(|txn| &txn.patches) {
                engine.edit(base + at, *delete, insert).unwrap();
                std::hint::black_box(engine.take_changes());
                count += 1;
            }
        }
        let keys = start.elapsed();
        println!("{times}×: {count} edits, {:?} each", keys / count);
        let mut other = self::engine(2);
        let all = engine.doc.export(ExportMode::all_updates()).unwrap();
        let start = Instant::now();
        other
            .apply(&[deliver(author(1), update::body(&all))])
            .unwrap();
        println!("{times}×: loaded in {:?}", start.elapsed());
        for (name, act) in [
            ("undo", Engine::undo as fn(&mut Engine) -> Option<Undone>),
            ("redo", Engine::redo),
        ] {
            let start = Instant::now();
            let mut steps = 0;
            while steps < 100 && act(&mut engine).is_some() {
                steps += 1;
            }
            println!(
                "{times}×: {steps} × {name}, {:?} each",
                start.elapsed() / steps.max(1)
            );
        }
        let cursors: Vec<CursorId> = (0..50)
            .map(|n| other.add_cursor(n * 100, Bias::Before))
            .collect();
        let start = Instant::now();
        for _ in 0..1_000 {
            other.edit(50, 0, "x").unwrap();
        }
        println!(
            "{times}×: edit with {} cursors {:?}",
            cursors.len(),
            start.elapsed() / 1_000
        );
        let bodies: Vec<_> = (0..1_000)
            .flat_map(|n| {
                engine.edit(n, 0, "y").unwrap();
                engine.take_changes()
            })
            .collect();
        let start = Instant::now();
        for body in &bodies {
            check_update(body, engine.peer).unwrap();
        }
        println!(
            "{times}×: check of a keystroke {:?}",
            start.elapsed() / 1_000
        );
        let start = Instant::now();
        for body in bodies {
            let _ = other.apply(&[deliver(author(1), body)]).unwrap();
        }
        println!("{times}×: remote keystroke {:?}", start.elapsed() / 1_000);
        let start = Instant::now();
        let runs = other.author_runs().len();
        println!("{times}×: {runs} runs of authors in {:?}", start.elapsed());
        let start = Instant::now();
        let history = other.history().unwrap().open().unwrap();
        println!("{times}×: history open {:?}", start.elapsed());
        let start = Instant::now();
        let sittings = history.sittings();
        println!(
            "{times}×: {} sittings {:?}",
            sittings.len(),
            start.elapsed()
        );
        let mut before = engine.text();
        for step in 0..4 {
            let end = engine.own_end() - 1 - step * (engine.own_end() / 100);
            let version = Version::after(engine.peer.get(), end);
            let start = Instant::now();
            let text = history.text(&version).unwrap();
            let shown = start.elapsed();
            let start = Instant::now();
            let parts = difference_by_words(&before, &text).len();
            println!(
                "{times}×: step {step} text {shown:?}, {parts} parts of difference {:?}",
                start.elapsed()
            );
            before = text;
        }
        let text = engine.text();
        let start = Instant::now();
        std::hint::black_box((statistics(&text), headings(&text), title(&text)));
        println!("{times}×: counts, outline, title {:?}", start.elapsed());
    }
}
