// SPDX-License-Identifier: GPL-3.0-or-later
//! What the buffer hands over, and what it takes.

use super::*;
use std::rc::Rc;

/// A buffer that writes down what is typed.
fn listening_buffer(text: &str) -> (TextBuffer, Rc<RefCell<Vec<String>>>) {
    sourceview5::init();
    let buffer = TextBuffer::default();
    buffer.set_text(text);
    let heard = Rc::new(RefCell::new(Vec::new()));
    buffer.hand_over_typing(
        clone!(
            #[strong]
            heard,
            move |at, text| {
                heard.borrow_mut().push(format!("+{at} {text}"));
                Ok(())
            }
        ),
        clone!(
            #[strong]
            heard,
            move |at, count| {
                heard.borrow_mut().push(format!("-{at} {count}"));
                Ok(())
            }
        ),
    );
    (buffer, heard)
}

fn select(buffer: &TextBuffer, caret: i32, bound: i32) {
    buffer.select_range(&buffer.iter_at_offset(caret), &buffer.iter_at_offset(bound));
}

#[gtk::test]
fn what_is_typed_is_handed_over_in_scalar_values() {
    let (buffer, heard) = listening_buffer("👋🏽 தமிழ் שלום");
    buffer.insert_interactive_at_cursor("", true);
    let end = buffer.char_count();
    assert_eq!(end, 13);
    select(&buffer, end, end);
    buffer.insert_at_cursor("é🎉");
    assert_eq!(heard.take(), ["+13 é🎉"]);
    select(&buffer, 3, 8);
    buffer.delete_selection(true, true);
    assert_eq!(heard.take(), ["-3 5"]);
    assert_eq!(buffer.shown_text(), "👋🏽  שלוםé🎉");
}

#[gtk::test]
fn what_arrives_causes_no_echo() {
    let (buffer, heard) = listening_buffer("éé");
    buffer.insert_arrived(1, "🎉 שלום");
    buffer.delete_arrived(0, 2);
    buffer.insert_arrived(0, "தமிழ்");
    assert_eq!(buffer.shown_text(), "தமிழ் שלוםé");
    assert!(heard.borrow().is_empty());
    buffer.insert(&mut buffer.start_iter(), "x");
    assert_eq!(heard.take(), ["+0 x"], "typing is heard again");
}

#[gtk::test]
fn caret_and_selection_stay_at_their_text() {
    let check = |text: &str, (caret, bound): (i32, i32), act: &dyn Fn(&TextBuffer), expected| {
        let (buffer, _) = listening_buffer(text);
        select(&buffer, caret, bound);
        act(&buffer);
        let selection = buffer.selection();
        assert_eq!(
            (selection.caret, selection.bound),
            expected,
            "{}",
            buffer.shown_text()
        );
    };
    let insert =
        |at, text: &'static str| move |buffer: &TextBuffer| buffer.insert_arrived(at, text);
    let delete = |at, count| move |buffer: &TextBuffer| buffer.delete_arrived(at, count);
    check("שלום", (2, 2), &insert(0, "👋🏽🎉"), (5, 5));
    check("שלום", (2, 2), &insert(3, "🎉"), (2, 2));
    check("שלום", (2, 2), &insert(2, "🎉"), (2, 2));
    check("", (0, 0), &insert(0, "தமிழ்"), (0, 0));
    check("தமிழ்abc", (6, 8), &insert(6, "🎉"), (7, 9));
    check("தமிழ்abc", (8, 6), &insert(6, "🎉"), (9, 7));
    check("தமிழ்abc", (6, 8), &insert(8, "🎉"), (6, 8));
    check("தமிழ்abc", (8, 6), &insert(7, "🎉"), (9, 6));
    check("🎉🎉abc", (4, 2), &delete(0, 2), (2, 0));
    check("🎉🎉abc", (4, 2), &delete(1, 2), (2, 1));
    check("🎉🎉abc", (2, 2), &delete(1, 3), (1, 1));
    check("🎉🎉abc", (2, 2), &delete(2, 3), (2, 2));
}

#[gtk::test]
fn a_refused_edit_stays_out_of_the_buffer() {
    sourceview5::init();
    let buffer = TextBuffer::default();
    buffer.set_text("as it is");
    buffer.hand_over_typing(
        |_, _| Err(EditRefused::ReadOnly),
        |_, _| Err(EditRefused::ReadOnly),
    );
    buffer.insert(&mut buffer.start_iter(), "not ");
    buffer.delete(&mut buffer.start_iter(), &mut buffer.end_iter());
    assert_eq!(buffer.shown_text(), "as it is");
    assert_eq!(buffer.imp().refused.get(), 2);
}

#[gtk::test]
fn a_text_becomes_another_around_the_caret() {
    sourceview5::init();
    let check = |from: &str, to: &str, caret: i32, expected: i32| {
        let buffer = TextBuffer::default();
        buffer.become_text(from);
        select(&buffer, caret, caret);
        buffer.become_text(to);
        assert_eq!(buffer.shown_text(), to);
        let present = buffer.iter_at_mark(&buffer.get_insert()).offset();
        assert_eq!(present, expected, "{from:?} to {to:?}");
    };
    check("", "தமிழ்\nabc", 0, 0);
    check("one two", "one two", 4, 4);
    check("one two", "one 🎉 two", 5, 7);
    check("one 🎉 two", "one two", 8, 6);
    check("aaaa", "aa", 4, 2);
    check("aa", "aaaa", 0, 0);
    check("one", "", 2, 0);
}

#[gtk::test]
fn a_zero_takes_one_place() {
    let (buffer, _) = listening_buffer("ab");
    buffer.insert_arrived(1, "\0");
    assert_eq!(buffer.shown_text(), "a\u{FFFD}b");
    buffer.delete_arrived(1, 1);
    assert_eq!(buffer.shown_text(), "ab");
}
