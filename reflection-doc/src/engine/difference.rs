// SPDX-License-Identifier: GPL-3.0-or-later
//! What differs between two texts, by words and then by what readers perceive as characters.

use std::time::Duration;

use similar::{ChangeTag, DiffTag, TextDiff, TextDiffConfig};

/// After this time a difference may be coarser than it could be, but is still true.
const PATIENCE: Duration = Duration::from_millis(300);

/// A part of two texts that are compared.
#[derive(Clone, PartialEq, Eq)]
pub enum Part {
    /// Stands in both.
    Same(String),
    /// Stands in the older one only.
    Removed(String),
    /// Stands in the newer one only.
    Added(String),
}

impl Part {
    /// Its text.
    pub fn text(&self) -> &str {
        match self {
            Self::Same(text) | Self::Removed(text) | Self::Added(text) => text,
        }
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text.
        let (name, length) = match self {
            Self::Same(text) => ("Same", text.len()),
            Self::Removed(text) => ("Removed", text.len()),
            Self::Added(text) => ("Added", text.len()),
        };
        write!(formatter, "{name}({length} bytes)")
    }
}

fn patient() -> TextDiffConfig {
    let mut config = TextDiff::configure();
    config.timeout(PATIENCE);
    config
}

/// The difference by words, as a reader sees it: by lines, and within changed lines by words.
pub fn difference_by_words(old: &str, new: &str) -> Vec<Part> {
    by_lines(old, new, |old, new, parts| {
        let words = patient().diff_unicode_words(old, new);
        for change in words.iter_all_changes() {
            push(parts, change.tag(), change.value());
        }
    })
}

/// The difference by characters: by lines, within changed lines by words, within changed words by
/// characters.
pub fn difference(old: &str, new: &str) -> Vec<Part> {
    by_lines(old, new, by_letters)
}

/// Looks more closely at changed lines only, so that a long text costs what differs in it.
fn by_lines(old: &str, new: &str, look: impl Fn(&str, &str, &mut Vec<Part>)) -> Vec<Part> {
    let mut parts = Vec::new();
    let (begin, end) = common_lines(old, new);
    push(&mut parts, ChangeTag::Equal, &old[..begin]);
    let (old, ending) = old[begin..].split_at(old.len() - begin - end);
    let lines = patient().diff_lines(old, &new[begin..new.len() - end]);
    for op in lines.ops() {
        let (_, before, after) = op.as_tag_tuple();
        let old = lines.old_slices()[before].concat();
        let new = lines.new_slices()[after].concat();
        if op.tag() == DiffTag::Equal {
            push(&mut parts, ChangeTag::Equal, &old);
        } else {
            look(&old, &new, &mut parts);
        }
    }
    push(&mut parts, ChangeTag::Equal, ending);
    parts
}

/// How many bytes of whole lines two texts begin with and end with alike.
fn common_lines(old: &str, new: &str) -> (usize, usize) {
    let same = |(one, other): &(&u8, &u8)| one == other;
    let (old, new) = (old.as_bytes(), new.as_bytes());
    let alike = old.iter().zip(new).take_while(same).count();
    let begin = old[..alike]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let (old, new) = (&old[begin..], &new[begin..]);
    let from_the_end = old.iter().rev().zip(new.iter().rev());
    let alike = from_the_end.take_while(same).count();
    // Behind the line break that ends the last line that differs.
    let end = old[old.len() - alike..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(0, |at| alike - at - 1);
    (begin, end)
}

fn by_letters(old: &str, new: &str, parts: &mut Vec<Part>) {
    let words = patient().diff_unicode_words(old, new);
    for op in words.ops() {
        let (_, before, after) = op.as_tag_tuple();
        let old = words.old_slices()[before].concat();
        let new = words.new_slices()[after].concat();
        if op.tag() == DiffTag::Equal {
            push(parts, ChangeTag::Equal, &old);
            continue;
        }
        let letters = patient().diff_graphemes(&old, &new);
        for change in letters.iter_all_changes() {
            push(parts, change.tag(), change.value());
        }
    }
}

fn push(parts: &mut Vec<Part>, tag: ChangeTag, more: &str) {
    if more.is_empty() {
        return;
    }
    match (tag, parts.last_mut()) {
        (ChangeTag::Equal, Some(Part::Same(text)))
        | (ChangeTag::Delete, Some(Part::Removed(text)))
        | (ChangeTag::Insert, Some(Part::Added(text))) => text.push_str(more),
        (ChangeTag::Equal, _) => parts.push(Part::Same(more.to_owned())),
        (ChangeTag::Delete, _) => parts.push(Part::Removed(more.to_owned())),
        (ChangeTag::Insert, _) => parts.push(Part::Added(more.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(parts: &[Part]) -> (String, String) {
        let (mut old, mut new) = (String::new(), String::new());
        for part in parts {
            if !matches!(part, Part::Added(_)) {
                old.push_str(part.text());
            }
            if !matches!(part, Part::Removed(_)) {
                new.push_str(part.text());
            }
        }
        (old, new)
    }

    fn texts() -> impl Strategy<Value = String> {
        let pieces = vec![
            "a",
            "b c",
            "\n",
            "é",
            "e\u{301}",
            "👩‍👩‍👧",
            "தமிழ் ",
            "שלום",
            "\r\n",
        ];
        prop::collection::vec(prop::sample::select(pieces), 0..20)
            .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn the_parts_make_up_both_texts(old in texts(), new in texts()) {
            prop_assert_eq!(both(&difference(&old, &new)), (old.clone(), new.clone()));
            prop_assert_eq!(both(&difference_by_words(&old, &new)), (old, new));
        }
    }

    #[test]
    fn no_more_differs_than_does() {
        let (same, added) = (
            |text: &str| Part::Same(text.to_owned()),
            |text: &str| Part::Added(text.to_owned()),
        );
        let removed = |text: &str| Part::Removed(text.to_owned());
        assert_eq!(
            difference("one two\nthree", "one tWo\nthree"),
            [same("one t"), removed("w"), added("W"), same("o\nthree")]
        );
        assert_eq!(
            difference_by_words("one two three", "one tWo three"),
            [same("one "), removed("two"), added("tWo"), same(" three")]
        );
        assert_eq!(difference("", ""), []);
    }
}
