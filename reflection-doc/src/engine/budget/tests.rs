// SPDX-License-Identifier: GPL-3.0-or-later
//! Bombs, and what costs as much as is allowed.
// What each costs is for whoever changes the bounds.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::time::{Duration, Instant};

use loro::{ExportMode, IdSpan};
use reflection_node::operation::BODY_BYTES_MAX;
use serde_columnar::DeltaOfDeltaEncoder;
use xxhash_rust::xxh32::xxh32;

use super::*;
use crate::engine::tests::{deliver, engine};
use crate::engine::{Engine, check_update, update};

/// More memory than this no body may take.
const MEMORY_MAX: usize = 100 << 20;
/// Nor more time, where the CRDT is optimised as in the tests.
const TIME_MAX: Duration = Duration::from_secs(10);

/// A time after all that the tests write, in seconds.
const LATER_S: usize = 40_000_000_000;

/// Fields of a block.
const HEADER: usize = 0;
const META: usize = 1;
const CONTAINERS: usize = 2;
const NAMES: usize = 3;
const POSITIONS: usize = 4;
const STEPS: usize = 5;
const STARTS: usize = 6;
const VALUES: usize = 7;

/// A blob with one block, taken apart.
#[derive(Clone)]
struct Parts {
    head: Vec<u8>,
    /// First counter, counters, first logical time, logical times, changes.
    numbers: [usize; 5],
    fields: [Vec<u8>; 8],
}

impl Parts {
    fn of(writer: &Engine, from: i32, to: i32) -> Self {
        let span = IdSpan::new(writer.peer.get(), from, to);
        writer.commit();
        let blob = writer
            .doc
            .export(ExportMode::updates_in_range(vec![span]))
            .unwrap();
        let mut block = Reader(blocks(&blob).unwrap()[0]);
        block.number().unwrap();
        let numbers = [(); 5].map(|()| block.number().unwrap());
        let fields = [(); 8].map(|()| block.bytes().unwrap().to_vec());
        let head = blob[..HEADER_BYTES].to_vec();
        Self {
            head,
            numbers,
            fields,
        }
    }

    fn body(&self) -> Vec<u8> {
        let mut block = Vec::new();
        for number in self.numbers {
            block.extend(number_bytes(number as u128));
        }
        for field in &self.fields {
            block.extend(sized(field));
        }
        let mut blob = self.head.clone();
        blob.extend(sized(&block));
        update::body(&sealed(blob))
    }

    fn with(&self, field: usize, bytes: Vec<u8>) -> Self {
        let mut parts = self.clone();
        parts.fields[field] = bytes;
        parts
    }

    /// Takes as many counters.
    fn long(mut self, counters: usize) -> Self {
        self.numbers[1] = counters;
        self.numbers[3] = counters;
        self
    }
}

fn sealed(mut blob: Vec<u8>) -> Vec<u8> {
    let sum = xxh32(&blob[20..], u32::from_le_bytes(*b"LORO"));
    blob[16..20].copy_from_slice(&sum.to_le_bytes());
    blob
}

fn number_bytes(mut number: u128) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [number_bytes(bytes.len() as u128), bytes.to_vec()].concat()
}

/// One value, again and again.
fn run(count: usize, value: &[u8]) -> Vec<u8> {
    [number_bytes(count as u128 * 2), value.to_vec()].concat()
}

fn table(columns: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![1, u8::try_from(columns.len()).unwrap()];
    bytes.extend(columns.iter().flat_map(|column| sized(column)));
    bytes
}

/// `count` steps of one kind at the start of a text.
fn steps(count: usize, kind: u8) -> Vec<u8> {
    table(&[
        run(count, &[0]),
        run(count, &[0]),
        run(count, &[kind]),
        run(count, &[1]),
    ])
}

fn writer() -> Engine {
    let mut writer = engine(1);
    writer.edit(0, 0, "abcd").unwrap();
    writer
}

/// Bytes of memory by a name of the kernel's.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let number = line.split_whitespace().nth(1).unwrap();
    number.parse::<usize>().unwrap() * 1024
}

/// What a deed costs at most, in memory and time.
fn cost<T>(name: &str, deed: impl FnOnce() -> T) -> T {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, started) = (memory("VmRSS"), Instant::now());
    let outcome = deed();
    let elapsed = started.elapsed();
    let grown = memory("VmHWM").saturating_sub(before);
    eprintln!("{name}: {} KiB, {elapsed:.2?}", grown >> 10);
    assert!(grown < MEMORY_MAX, "{name}: {grown} bytes");
    assert!(elapsed < TIME_MAX, "{name}: {elapsed:?}");
    outcome
}

#[test]
fn a_blob_taken_apart_and_put_together_is_the_same() {
    let writer = writer();
    let parts = Parts::of(&writer, 0, 4);
    assert!(check_update(&parts.body(), writer.peer).is_ok());
}

/// Runs a test in a process of its own: what it measures is what the whole process takes.
fn alone(test: &str, deed: impl FnOnce()) {
    const MARK: &str = "REFLECTION_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return deed();
    }
    let (_, module) = module_path!().split_once("::").unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&format!("{module}::{test}"), "--exact", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{errors}"
    );
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    alone("bombs_are_refused_before_they_go_off", || {
        refuses_bombs();
    });
}

fn refuses_bombs() {
    const MANY: usize = 900_000_000;
    let writer = writer();
    let good = Parts::of(&writer, 0, 4);
    let entry = |values: Vec<u8>| {
        good.with(STEPS, steps(1, step::ENTRY))
            .with(VALUES, values)
            .body()
    };
    let mut changes = good.clone();
    changes.numbers[4] = u32::MAX as usize;
    // One change that builds upon much: its own row, and then the count of the others.
    let peers = [vec![1], good.fields[HEADER][1..9].to_vec()].concat();
    let builds = [peers, vec![1], run(1, &number_bytes(MANY as u128))].concat();
    let starts = vec![run(MANY, &[0]), run(MANY, &[2]), run(MANY, &[2])];
    let name = sized(&vec![b'n'; 400_000]);
    let field = [vec![value::MAP, 1, 0], vec![0]].concat();
    let fields = [
        vec![value::LIST],
        number_bytes(60_000),
        field.repeat(60_000),
    ]
    .concat();
    let bombs = [
        ("changes", changes.body()),
        ("dependencies", good.with(HEADER, builds).body()),
        (
            "containers",
            good.with(CONTAINERS, number_bytes(MANY as u128)).body(),
        ),
        ("positions", good.with(POSITIONS, vec![1, 2, 0, 0]).body()),
        ("deletions", good.with(STARTS, table(&starts)).body()),
        (
            "steps",
            good.with(STEPS, steps(MANY, step::DELETE_TEXT)).body(),
        ),
        ("styles", good.with(STEPS, steps(MANY, 12)).body()),
        ("nesting", entry([value::LIST, 1].repeat(400_000))),
        (
            "lists",
            entry([vec![value::LIST], number_bytes(1 << 28)].concat()),
        ),
        (
            "maps",
            entry([vec![value::MAP], number_bytes(1 << 28)].concat()),
        ),
        (
            "names",
            good.with(NAMES, name)
                .with(STEPS, steps(1, step::ENTRY))
                .with(VALUES, fields)
                .body(),
        ),
    ];
    for (name, body) in bombs {
        assert!(body.len() <= BODY_BYTES_MAX, "{name}");
        let outcome = cost(name, || check_update(&body, writer.peer));
        assert!(
            matches!(outcome, Err(TOO_MUCH | UNKNOWN)),
            "{name}: {outcome:?}"
        );
    }
}

#[test]
fn compressed_contents_are_not_taken_apart() {
    let mut writer = writer();
    writer.edit(0, 0, &"a".repeat(50_000)).unwrap();
    writer.commit();
    let snapshot = writer.doc.export(ExportMode::Snapshot).unwrap();
    assert_eq!(check(&snapshot), Err("the contents are not updates"));
}

/// A change for each letter, as somebody makes them who hears of others in between.
fn changes(parts: &Parts) -> Parts {
    let count = CHANGES_MAX;
    let numbers = |values: &mut dyn Iterator<Item = usize>| {
        let mut encoder = DeltaOfDeltaEncoder::new();
        for value in values {
            encoder.append(i64::try_from(value).unwrap()).unwrap();
        }
        encoder.finish().unwrap()
    };
    let start = parts.numbers[2];
    let header = [
        parts.fields[HEADER][..9].to_vec(),
        vec![1; count - 1],
        // All of them build upon the one before, and on nothing else.
        [vec![0], number_bytes(count as u128)].concat(),
        run(count, &[0]),
        numbers(&mut std::iter::empty()),
        numbers(&mut (start..start + count - 1)),
    ];
    let meta = [
        numbers(&mut std::iter::repeat_n(LATER_S, count)),
        run(count, &[0]),
    ];
    let mut parts = parts
        .with(HEADER, header.concat())
        .with(META, meta.concat())
        .with(STEPS, steps(count, step::TEXT))
        .with(VALUES, b"\x01a".repeat(count))
        .long(count);
    parts.numbers[4] = count;
    parts
}

#[test]
fn what_is_just_allowed_costs_little() {
    alone("what_is_just_allowed_costs_little", || {
        takes_what_is_just_allowed();
    });
}

fn takes_what_is_just_allowed() {
    let mut writer = writer();
    let first = Parts::of(&writer, 0, 4);
    writer.edit(4, 0, "efgh").unwrap();
    let second = Parts::of(&writer, 4, 8);
    let typed = first
        .with(STEPS, steps(STEPS_MAX, step::TEXT))
        .with(VALUES, b"\x01a".repeat(STEPS_MAX))
        .long(STEPS_MAX);
    for (name, before, parts, length) in [
        ("steps", None, typed, STEPS_MAX),
        ("changes", Some(first), changes(&second), 4 + CHANGES_MAX),
    ] {
        let body = parts.body();
        assert!(body.len() <= BODY_BYTES_MAX);
        cost(&format!("{name}, looked at"), || {
            check_update(&body, writer.peer).unwrap()
        });
        let mut reader = engine(9);
        let before = before.map(|parts| parts.body());
        let operations: Vec<_> = before
            .into_iter()
            .chain([body])
            .map(|body| deliver(writer.author(), body))
            .collect();
        cost(&format!("{name}, applied"), || {
            reader.apply(&operations).unwrap()
        });
        assert_eq!(reader.len_chars(), length, "{name}");
    }
}

#[test]
fn more_than_is_allowed_is_written_in_several_bodies() {
    let mut writer = engine(1);
    for _ in 0..=STEPS_MAX {
        // Each in front of the one before: nothing is joined.
        writer.edit(0, 0, "a").unwrap();
    }
    let bodies = writer.take_changes();
    assert!(bodies.len() > 1);
    for body in &bodies {
        check_update(body, writer.peer).unwrap();
    }
}
