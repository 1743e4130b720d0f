// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used)]

use super::*;

/// Reads `|` as the caret and `[` or `]` signs `‹` `›` as the ends of a selection.
fn read(marked: &str) -> (String, Selection) {
    let find = |sign| marked.chars().filter(|&c| c != '›').position(|c| c == sign);
    let text: String = marked.chars().filter(|c| !"|‹›".contains(*c)).collect();
    if let Some(caret) = find('|') {
        return (text, Selection::caret(caret));
    }
    let anchor = find('‹').unwrap();
    let caret = marked
        .chars()
        .filter(|&c| c != '‹')
        .position(|c| c == '›')
        .unwrap();
    (text, Selection { anchor, caret })
}

fn write(text: &str, selection: Selection) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if selection.is_caret() {
        letters.insert(selection.caret, '|');
    } else {
        let range = selection.range();
        letters.insert(range.end, '›');
        letters.insert(range.start, '‹');
    }
    letters.into_iter().collect()
}

fn done(text: &str, rewrite: &Rewrite) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for edit in &rewrite.edits {
        letters.splice(edit.at..edit.at + edit.delete, edit.insert.chars());
    }
    write(&letters.into_iter().collect::<String>(), rewrite.selection)
}

#[track_caller]
fn check(
    command: impl Fn(&str, Selection) -> Option<Rewrite>,
    marked: &str,
    expected: Option<&str>,
) {
    let (text, selection) = read(marked);
    let result = command(&text, selection).map(|rewrite| done(&text, &rewrite));
    assert_eq!(result.as_deref(), expected, "{marked}");
}

#[test]
fn enter_goes_on_with_a_list() {
    let check = |marked, expected| check(continue_list, marked, expected);
    check("- ünö|", Some("- ünö\n- |"));
    check("- one| two", Some("- one\n- | two"));
    check("  * one|\nrest", Some("  * one\n  * |\nrest"));
    check("9. nine|", Some("9. nine\n10. |"));
    check("1) one|", Some("1) one\n2) |"));
    check("- [x] done|", Some("- [x] done\n- [ ] |"));
    check("> quoted|", Some("> quoted\n> |"));
    check("> - both|", Some("> - both\n> - |"));
    check("text|", None);
    check("-no list|", None);
    check("2024.5 no list|", None);
    check("|- before", None);
    check("```\n- code|", None);
    check("```\n```\n- item|", Some("```\n```\n- item\n- |"));
}

#[test]
fn items_that_follow_count_on() {
    let check = |marked, expected| check(continue_list, marked, expected);
    check("1. a|\n2. b\n3. c", Some("1. a\n2. |\n3. b\n4. c"));
    check("8. ä|b\n9. c\n10. d\n", Some("8. ä\n9. |b\n10. c\n11. d\n"));
    check(
        "1) a|\n   - within\n   more\n\n2) b\ntext\n3) c",
        Some("1) a\n2) |\n   - within\n   more\n\n3) b\ntext\n3) c"),
    );
    check(
        "> 1. a|\n> 2. b\n>\n> 3. c",
        Some("> 1. a\n> 2. |\n> 3. b\n>\n> 3. c"),
    );
    check(
        "  1. a|\n  2. b\n2. c",
        Some("  1. a\n  2. |\n  3. b\n2. c"),
    );
    // Others than what follows: another list, and numbers that were meant to be so.
    check("1. a|\n2) b", Some("1. a\n2. |\n2) b"));
    check("1. a|\n1. b\n2. c", Some("1. a\n2. |\n1. b\n2. c"));
    check("1. a|\n2. b\n5. c", Some("1. a\n2. |\n3. b\n5. c"));
    check("- a|\n- b", Some("- a\n- |\n- b"));
}

#[test]
fn enter_in_an_empty_item_ends_the_list() {
    let check = |marked, expected| check(continue_list, marked, expected);
    check("- one\n- |", Some("- one\n|"));
    check("- [ ] |\nrest", Some("|\nrest"));
    check("1.|", Some("|"));
    check("> |", Some("|"));
}

#[test]
fn tab_indents_lists_and_selected_lines() {
    check(indent, "- o|ne", Some("    - o|ne"));
    check(indent, "text|", None);
    check(indent, "o‹ne\n\nt›wo", Some("    o‹ne\n\n    t›wo"));
    check(indent, "‹one\n›two\nrest", Some("    ‹one\n›two\nrest"));
    check(outdent, "    - o|ne", Some("- o|ne"));
    check(outdent, "\t\t|one", Some("\t|one"));
    check(outdent, "  o‹ne\n      t›wo", Some("o‹ne\n  t›wo"));
    check(outdent, "one|", None);
    check(outdent, "|", None);
}

#[test]
fn emphasis_is_put_on_and_taken_off() {
    let bold = |text: &str, selection| Some(toggle_emphasis(text, selection, Emphasis::Bold));
    let italic = |text: &str, selection| Some(toggle_emphasis(text, selection, Emphasis::Italic));
    check(bold, "a ‹שלום› b", Some("a **‹שלום›** b"));
    check(bold, "a **‹word›** b", Some("a ‹word› b"));
    check(bold, "a ‹**word**› b", Some("a ‹word› b"));
    check(bold, "a‹ word ›b", Some("a **‹word›** b"));
    check(bold, "a |", Some("a **|**"));
    check(bold, "a **|**", Some("a |"));
    check(italic, "**‹word›**", Some("***‹word›***"));
    check(italic, "***‹word›***", Some("**‹word›**"));
    check(bold, "***‹word›***", Some("*‹word›*"));
}

#[test]
fn a_link_asks_for_what_is_missing() {
    let link = |text: &str, selection| Some(link(text, selection));
    check(link, "see ‹this› now", Some("see [this](|) now"));
    check(link, "see |", Some("see [|]()"));
    check(
        link,
        "‹https://example.org›",
        Some("[|](https://example.org)"),
    );
}
