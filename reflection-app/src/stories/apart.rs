// SPDX-License-Identifier: GPL-3.0-or-later
//! Writing without a network for a long time.

use adw::prelude::*;
use reflection_doc::objects::DocumentPhase;
use reflection_node::Mode;

use super::together::{Other, take_part};
use super::{Desk, until};

const DAYS: usize = 3;
const WORDS_A_DAY: usize = 20;

/// W7: both write for days without each other, across restarts and in the same lines; when they
/// meet, everything that either wrote is there, and nobody is asked anything.
#[gtk::test]
fn what_two_wrote_apart_comes_together_without_a_question() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let hers = anna.document("# Plan\nshared line\nunwanted line\n");
    let (document, _) = take_part(&desk, &hers);
    let topic = document.topic().unwrap();
    desk.close();

    for day in 0..DAYS {
        let desk = Desk::open(folder.path());
        let document = desk.listed(&topic);
        desk.window.open_document(&document);
        let editor = desk.editor(&document);
        let buffer = editor.text_buffer();
        for word in 0..WORDS_A_DAY {
            // Both into the line that both know.
            let line = buffer.shown_text().find("line").unwrap();
            let mut place = buffer.iter_at_offset(i32::try_from(line).unwrap());
            buffer.insert(&mut place, &format!("mine{day}.{word} "));
            let at = u32::try_from(hers.text().find("line").unwrap()).unwrap();
            hers.insert_text(at, &format!("hers{day}.{word} ")).unwrap();
        }
        if day == 0 {
            let text = hers.text();
            let at = text.find("unwanted line\n").unwrap();
            hers.delete_range(u32::try_from(at).unwrap(), 14).unwrap();
        }
        assert!(!buffer.shown_text().contains("hers"), "nobody is connected");
        desk.close();
    }

    let desk = Desk::open_with(folder.path(), Mode::Local);
    let document = desk.listed(&topic);
    until("the document is open", || {
        document.phase() == DocumentPhase::Open
    });
    let editor = desk.editor(&document);
    let shown = || editor.text_buffer().shown_text();
    let has_all = |text: &str, who: &str| {
        let mut words = (0..DAYS).flat_map(|day| (0..WORDS_A_DAY).map(move |word| (day, word)));
        words.all(|(day, word)| text.contains(&format!("{who}{day}.{word} ")))
    };
    until("both have the same", || {
        shown() == hers.text() && has_all(&shown(), "mine") && has_all(&shown(), "hers")
    });
    assert!(!shown().contains("unwanted"), "what she deleted is gone");
    assert!(shown().starts_with("# Plan\nshared "));
    assert!(
        desk.window.visible_dialog().is_none(),
        "nothing is asked of anybody"
    );
    anna.leave();
    desk.close();
}
