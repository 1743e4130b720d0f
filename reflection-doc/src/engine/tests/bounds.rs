// SPDX-License-Identifier: GPL-3.0-or-later
//! Nothing but the document grows with typing, and nothing is left of one that is let go.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::engine::undo::{EDITS_MAX, PENDING_PIECES_MAX};

/// Characters that are typed.
const TYPED: usize = 50_000;
/// After how many of them the changes are taken, as the pace would have it.
const TAKEN_EVERY: usize = 10;

/// What an engine keeps besides the document, in entries.
#[derive(Debug)]
struct Kept {
    undo: usize,
    pending: usize,
    places: usize,
    runs: usize,
    others: usize,
}

fn kept(engine: &mut Engine) -> Kept {
    engine.commit();
    let events = engine.changes.lock().unwrap().len();
    let (undo, pending) = engine.undo.kept();
    Kept {
        undo,
        pending,
        places: engine.cursors.kept(),
        runs: engine
            .authorship
            .as_ref()
            .map_or(0, |kept| kept.runs().len()),
        others: events + engine.returned.len() + engine.authors.len() + engine.times.kept(),
    }
}

#[test]
fn typing_for_long_grows_the_document_and_nothing_else() {
    let now = Arc::new(AtomicU64::new(1_700_000_000_000));
    let told = Arc::clone(&now);
    let (mut ann, mut ben) = (engine(1), engine(2));
    ann.set_clock(Arc::new(move || told.load(Ordering::Relaxed)));
    // Ben reads along, has something to undo, and follows who wrote what.
    ben.edit(0, 0, "Ben was here.").unwrap();
    ann.apply(&deliveries(&mut ben)).unwrap();
    for engine in [&mut ann, &mut ben] {
        assert_eq!(engine.author_runs().len(), 1);
    }
    let caret = ben.add_cursor(3, Bias::Before);
    for count in 0..TYPED {
        // Here and there in turn, with a pause each time: nothing joins what was before.
        let at = if count % 2 == 0 { 0 } else { ann.len_chars() };
        now.fetch_add(2_000, Ordering::Relaxed);
        ann.edit(at, 0, "x").unwrap();
        let shown = ann.add_cursor(at, Bias::After);
        ann.set_selection(Selection::caret(at));
        ann.remove_cursor(shown);
        if count % TAKEN_EVERY == 0 {
            ben.apply(&deliveries(&mut ann)).unwrap();
        }
    }
    ben.apply(&deliveries(&mut ann)).unwrap();
    assert_eq!(ben.text(), ann.text());
    assert_eq!(ann.len_chars(), TYPED + 13);
    assert_eq!(ben.cursor(caret), Some(TYPED / 2 + 3));

    let anns = kept(&mut ann);
    assert_eq!(anns.undo, EDITS_MAX);
    let bens = kept(&mut ben);
    assert_eq!((bens.undo, bens.places), (1, 1));
    for kept in [anns, bens] {
        assert!(kept.pending <= PENDING_PIECES_MAX, "{kept:?}");
        assert!(kept.places <= 1 && kept.runs <= 3, "{kept:?}");
        // Both authors, and the hours in which they wrote: 28 for 50,000 times two seconds.
        assert!(kept.others <= 2 + 30, "{kept:?}");
    }
}

#[test]
fn what_others_write_into_a_hundred_steps_of_undo_is_bounded() {
    let (mut ann, mut ben) = (engine(1), engine(2));
    for _ in 0..100 {
        ann.edit(0, 0, "line\n").unwrap();
    }
    ben.apply(&deliveries(&mut ann)).unwrap();
    // Every second place, so that no two insertions touch.
    for at in 0..5_000 {
        ben.edit((at * 2) % ben.len_chars(), 0, "x").unwrap();
        if at % TAKEN_EVERY == 0 {
            ann.apply(&deliveries(&mut ben)).unwrap();
        }
    }
    ann.apply(&deliveries(&mut ben)).unwrap();
    let kept = kept(&mut ann);
    assert!(kept.pending <= PENDING_PIECES_MAX, "{kept:?}");
    assert!(kept.pending > 0, "the test writes where it should");
}

#[test]
fn nothing_is_left_of_an_engine_that_is_let_go() {
    let mut ann = engine(1);
    ann.edit(0, 0, "some text").unwrap();
    let operations = deliveries(&mut ann);
    let mut loading = Loading::new(author(2), &TOPIC, 0);
    loading.add(&operations).unwrap();
    let mut ben = loading.finish().unwrap();
    ben.apply(&operations).unwrap();
    let fresh = {
        let mut loading = Loading::new(author(2), &TOPIC, 1);
        loading.add(&operations).unwrap();
        loading.finish().unwrap()
    };
    // The document of the CRDT owns its listeners, and they own this.
    let listeners = [&ann, &ben, &fresh].map(|engine| Arc::downgrade(&engine.changes));
    ben.begin_again(fresh).unwrap();
    assert!(
        listeners[1].upgrade().is_none(),
        "what was replaced is gone"
    );
    assert!(listeners[2].upgrade().is_some());
    let history = ben.history().unwrap().open().unwrap();
    drop((ann, ben));
    assert!(
        listeners
            .iter()
            .all(|listener| listener.upgrade().is_none())
    );
    drop(history);
}
