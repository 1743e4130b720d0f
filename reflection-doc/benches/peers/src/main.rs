// SPDX-License-Identifier: GPL-3.0-or-later
//! The same work as the rows of documents, by other text CRDTs: `peers ROW...`, or all rows.
//!
//! Prints a line for each figure: row, trace, CRDT, nanoseconds or bytes. `build-aux/bench` gives
//! them to the program that measures documents, in the same run. Automerge plays no text longer
//! than the trace, which takes it a minute as it is.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../../doc/heap.rs"]
mod heap;
#[path = "../../doc/session.rs"]
mod session;

use std::hint::black_box;
use std::time::{Duration, Instant};

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, AutoCommit, Change, ObjId, ObjType, ROOT, ReadDoc};
use session::{SEQUENTIAL, Trace};
use yrs::undo::UndoManager;
use yrs::updates::decoder::Decode;
use yrs::{
    ClientID, Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update,
};

const ROUNDS: usize = 3;
const UNDO_STEPS: usize = 20;

fn median(mut measured: Vec<Duration>) -> Duration {
    measured.sort_unstable();
    measured[(measured.len() - 1) / 2]
}

fn say(row: &str, trace: &str, crdt: &str, figure: impl std::fmt::Display) {
    println!("{row} {trace} {crdt} {figure}");
}

/// A document of yrs, which counts in UTF-16 units.
fn yrs(client: u64) -> Doc {
    Doc::with_options(Options {
        client_id: ClientID::new(client),
        offset_kind: OffsetKind::Utf16,
        ..Options::default()
    })
}

/// A keystroke, and the bytes that others have to be told.
fn type_yrs(doc: &Doc, (at, delete, insert): (usize, usize, &str)) -> Vec<u8> {
    let text = doc.get_or_insert_text("text");
    let mut transaction = doc.transact_mut();
    let at = u32::try_from(at).unwrap();
    if delete > 0 {
        text.remove_range(&mut transaction, at, u32::try_from(delete).unwrap());
    }
    if !insert.is_empty() {
        text.insert(&mut transaction, at, insert);
    }
    transaction.encode_update_v1()
}

fn text_of(doc: &Doc) -> String {
    doc.get_or_insert_text("text").get_string(&doc.transact())
}

fn typed_yrs(trace: &Trace, times: usize) -> Doc {
    let doc = yrs(1);
    for patch in trace.patches(times) {
        black_box(type_yrs(&doc, patch));
    }
    assert_eq!(text_of(&doc), trace.end_content.repeat(times));
    doc
}

fn typed_automerge(trace: &Trace, times: usize) -> AutoCommit {
    let mut doc = AutoCommit::new();
    let text = doc.put_object(ROOT, "text", ObjType::Text).unwrap();
    for (at, delete, insert) in trace.patches(times) {
        doc.splice_text(&text, at, isize::try_from(delete).unwrap(), insert)
            .unwrap();
        doc.commit();
        black_box(doc.save_incremental());
    }
    assert_eq!(doc.text(&text).unwrap(), trace.end_content.repeat(times));
    doc
}

fn keystroke(name: &str, trace: &Trace) {
    let count = u32::try_from(trace.patches(1).count()).unwrap();
    let by = |play: &dyn Fn()| {
        let started = Instant::now();
        play();
        (started.elapsed() / count).as_nanos()
    };
    say("keystroke", name, "yrs", by(&|| drop(typed_yrs(trace, 1))));
    // A minute or more for some traces, so once.
    let automerge = by(&|| drop(typed_automerge(trace, 1)));
    say("keystroke", name, "automerge", automerge);
}

/// From stored bytes to the first edit accepted.
fn open(name: &str, trace: &Trace, times: usize) {
    let trace_name = format!("{name}*{times}");
    let doc = typed_yrs(trace, times);
    let stored = doc
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    drop(doc);
    let opened = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        let doc = yrs(2);
        doc.transact_mut()
            .apply_update(Update::decode_v1(&stored).unwrap())
            .unwrap();
        black_box(text_of(&doc));
        black_box(type_yrs(&doc, (0, 0, "x")));
        started.elapsed()
    });
    say(
        "open",
        &trace_name,
        "yrs",
        median(opened.collect()).as_nanos(),
    );
    if times > 1 {
        return;
    }
    let stored = typed_automerge(trace, times).save();
    let opened = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        let mut doc = AutoCommit::load(&stored).unwrap();
        let (_, text) = doc.get(ROOT, "text").unwrap().unwrap();
        black_box(doc.text(&text).unwrap());
        doc.splice_text(&text, 0, 0, "x").unwrap();
        doc.commit();
        started.elapsed()
    });
    let opened = median(opened.collect());
    say("open", &trace_name, "automerge", opened.as_nanos());
}

fn undo(name: &str, trace: &Trace, times: usize) {
    let doc = yrs(1);
    let text = doc.get_or_insert_text("text");
    let mut manager: UndoManager<()> = UndoManager::new();
    manager.expand_scope(&doc, &text);
    for patch in trace.patches(times) {
        type_yrs(&doc, patch);
        manager.reset();
    }
    let taken = (0..UNDO_STEPS).map(|_| {
        let started = Instant::now();
        manager.undo_blocking();
        started.elapsed()
    });
    let taken = median(taken.collect()).as_nanos();
    say("undo", &format!("{name}*{times}"), "yrs", taken);
}

fn memory(name: &str, trace: &Trace) {
    let before = heap::live_bytes();
    let doc = typed_yrs(trace, 1);
    say("memory-typed", name, "yrs", heap::live_bytes() - before);
    let stored = doc
        .transact()
        .encode_state_as_update_v1(&StateVector::default());
    drop(doc);
    let before = heap::live_bytes();
    let doc = yrs(2);
    doc.transact_mut()
        .apply_update(Update::decode_v1(&stored).unwrap())
        .unwrap();
    say("memory-loaded", name, "yrs", heap::live_bytes() - before);
    drop(doc);
    let before = heap::live_bytes();
    let mut doc = typed_automerge(trace, 1);
    say(
        "memory-typed",
        name,
        "automerge",
        heap::live_bytes() - before,
    );
    let stored = doc.save();
    drop(doc);
    let before = heap::live_bytes();
    let doc = AutoCommit::load(&stored).unwrap();
    say(
        "memory-loaded",
        name,
        "automerge",
        heap::live_bytes() - before,
    );
    drop(doc);
}

/// Somebody with a replica of a text.
trait Replica {
    fn new(number: u8) -> Self;
    /// A keystroke, and the bytes that others have to be told.
    fn types(&mut self, patch: (usize, usize, &str)) -> Vec<u8>;
    fn hears(&mut self, updates: &[Vec<u8>]);
    fn text(&self) -> String;
}

impl Replica for Doc {
    fn new(number: u8) -> Self {
        yrs(number.into())
    }

    fn types(&mut self, patch: (usize, usize, &str)) -> Vec<u8> {
        type_yrs(self, patch)
    }

    fn hears(&mut self, updates: &[Vec<u8>]) {
        let mut transaction = self.transact_mut();
        for update in updates {
            let update = Update::decode_v1(update).unwrap();
            transaction.apply_update(update).unwrap();
        }
    }

    fn text(&self) -> String {
        text_of(self)
    }
}

struct InAutomerge {
    doc: AutoCommit,
    text: ObjId,
}

impl Replica for InAutomerge {
    fn new(number: u8) -> Self {
        // Both go on from the same empty text.
        let mut doc = AutoCommit::new().with_actor(ActorId::from(vec![0]));
        let text = doc.put_object(ROOT, "text", ObjType::Text).unwrap();
        doc.commit_with(CommitOptions::default().with_time(0));
        doc.set_actor(ActorId::from(vec![number]));
        Self { doc, text }
    }

    fn types(&mut self, (at, delete, insert): (usize, usize, &str)) -> Vec<u8> {
        let delete = isize::try_from(delete).unwrap();
        self.doc
            .splice_text(&self.text, at, delete, insert)
            .unwrap();
        self.doc.commit();
        let change = self.doc.get_last_local_change().unwrap();
        change.raw_bytes().to_vec()
    }

    fn hears(&mut self, updates: &[Vec<u8>]) {
        let changes = updates
            .iter()
            .map(|update| Change::from_bytes(update.clone()));
        let changes: Vec<Change> = changes.map(Result::unwrap).collect();
        self.doc.apply_changes(changes).unwrap();
    }

    fn text(&self) -> String {
        self.doc.text(&self.text).unwrap()
    }
}

/// What each of two people wrote comes to the other when the next edit builds upon it. Gives how
/// long that took on both together.
fn merge<R: Replica>(trace: &Trace, seen: &[[Option<usize>; 2]]) -> Duration {
    let mut people = [R::new(1), R::new(2)];
    let mut waiting: [Vec<(usize, Vec<u8>)>; 2] = [Vec::new(), Vec::new()];
    let mut taken = Duration::ZERO;
    let mut hear = |person: &mut R, arrived: &mut dyn Iterator<Item = (usize, Vec<u8>)>| {
        let updates: Vec<Vec<u8>> = arrived.map(|(_, update)| update).collect();
        let started = Instant::now();
        person.hears(&updates);
        taken += started.elapsed();
    };
    for (number, transaction) in trace.txns.iter().enumerate() {
        let (writer, other) = (transaction.agent, 1 - transaction.agent);
        if let Some(newest) = seen[number][other] {
            let count = waiting[other].partition_point(|(number, _)| *number <= newest);
            hear(&mut people[writer], &mut waiting[other].drain(..count));
        }
        for (at, delete, insert) in &transaction.patches {
            let update = people[writer].types((*at, *delete, insert));
            waiting[writer].push((number, update));
        }
    }
    for (writer, waiting) in waiting.into_iter().enumerate() {
        hear(&mut people[1 - writer], &mut waiting.into_iter());
    }
    assert_eq!(people[0].text(), people[1].text());
    taken
}

fn merges() {
    let name = "friendsforever.concurrent";
    let trace = Trace::read(name);
    let seen = trace.seen();
    let by_yrs = (0..ROUNDS).map(|_| merge::<Doc>(&trace, &seen));
    say("merge", name, "yrs", median(by_yrs.collect()).as_nanos());
    let by_automerge = merge::<InAutomerge>(&trace, &seen);
    say("merge", name, "automerge", by_automerge.as_nanos());
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |row: &str| named.is_empty() || named.iter().any(|name| name == row);
    let sequential = || {
        let traces = SEQUENTIAL.iter();
        traces.filter_map(|name| Some((*name, Trace::find(name)?)))
    };
    if is_wanted("keystroke") {
        sequential().for_each(|(name, trace)| keystroke(name, &trace));
    }
    // The longest that there is.
    let (name, trace) = sequential().last().unwrap();
    for times in [1, 3, 10] {
        if is_wanted("open") {
            open(name, &trace, times);
        }
        if is_wanted("undo") {
            undo(name, &trace, times);
        }
    }
    if is_wanted("memory") {
        memory(name, &trace);
    }
    if is_wanted("merge") {
        merges();
    }
}
