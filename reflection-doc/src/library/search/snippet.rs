// SPDX-License-Identifier: GPL-3.0-or-later
//! The part of a text that shows why it was found.

use std::ops::{ControlFlow, Range};

use super::query::Query;
use super::words::each_word;

/// Characters that are shown.
const SNIPPET_CHARS_MAX: usize = 160;
/// Characters before the first hit.
const LEAD_CHARS_MAX: usize = 40;
/// Most hits that are looked at in a text, before it is decided where the snippet begins.
const HITS_MAX: usize = 1_000;

/// A piece of text with the places that were searched for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Marked {
    /// The text, on one line.
    pub text: String,
    /// The hits in it: Unicode scalar values, in order, none touching another.
    pub hits: Vec<Range<usize>>,
}

impl std::fmt::Debug for Marked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text.
        write!(formatter, "Marked({} hits)", self.hits.len())
    }
}

impl Marked {
    /// The text in pieces, each with whether it is a hit.
    pub fn pieces(&self) -> Vec<(String, bool)> {
        let mut pieces: Vec<(String, bool)> = Vec::new();
        for (at, letter) in self.text.chars().enumerate() {
            let is_hit = self.hits.iter().any(|hit| hit.contains(&at));
            match pieces.last_mut() {
                Some((piece, before)) if *before == is_hit => piece.push(letter),
                _ => pieces.push((letter.to_string(), is_hit)),
            }
        }
        pieces
    }
}

/// A place in a text, in bytes, where a phrase was found.
struct Hit {
    phrase: usize,
    bytes: Range<usize>,
}

/// Finds the phrases in a text. Stops early once `is_enough`.
fn hits(text: &str, query: &Query, mut is_enough: impl FnMut(&[Hit]) -> bool) -> Vec<Hit> {
    let mut hits = Vec::new();
    // Phrases that have begun: which, how many words of it fit, where it begins.
    let mut begun: Vec<(usize, usize, usize)> = Vec::new();
    let _ = each_word(text, |word, bytes| {
        begun.extend((0..query.phrases.len()).map(|phrase| (phrase, 0, bytes.start)));
        let before = hits.len();
        begun.retain_mut(|(phrase, fitting, start)| {
            let wanted = &query.phrases[*phrase];
            if !wanted.fits(*fitting, word) {
                return false;
            }
            *fitting += 1;
            let is_whole = *fitting == wanted.words.len();
            if is_whole {
                hits.push(Hit {
                    phrase: *phrase,
                    bytes: *start..bytes.end,
                });
            }
            !is_whole
        });
        if hits.len() >= HITS_MAX || (hits.len() > before && is_enough(&hits)) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    hits.sort_by_key(|hit: &Hit| hit.bytes.start);
    hits
}

/// Marks all hits in a short text.
pub(super) fn mark(text: &str, query: &Query) -> Marked {
    let found = hits(text, query, |_| false);
    cut(text, 0..text.len(), &found)
}

/// The part of a text that shows most of what was searched for, and where the first hit in it
/// stands in the text, in Unicode scalar values; `None` where the text has none.
pub(super) fn snippet(text: &str, query: &Query) -> (Marked, Option<Range<usize>>) {
    let span_bytes = SNIPPET_CHARS_MAX - LEAD_CHARS_MAX;
    let shown_from = |found: &[Hit], first: usize| {
        let end = found[first].bytes.start + span_bytes;
        let mut shown: Vec<usize> = found[first..]
            .iter()
            .take_while(|hit| hit.bytes.end <= end)
            .map(|hit| hit.phrase)
            .collect();
        shown.sort_unstable();
        shown.dedup();
        shown.len()
    };
    let wanted = query.phrases.len();
    let found = hits(text, query, |found| {
        // Looks back no further than can be shown; that is a few words.
        let last = found.last().map_or(0, |hit| hit.bytes.end);
        let first = found.partition_point(|hit| hit.bytes.start + span_bytes < last);
        first < found.len() && shown_from(found, first) == wanted
    });
    let best = (0..found.len())
        .max_by_key(|first| (shown_from(&found, *first), std::cmp::Reverse(*first)));
    let bytes = best.map(|best| found[best].bytes.clone());
    let hit = bytes.as_ref().map_or(0, |bytes| bytes.start);
    let place = bytes.map(|bytes| {
        let at = text[..bytes.start].chars().count();
        at..at + text[bytes].chars().count()
    });
    let start = lead(text, hit);
    let end = text[start..]
        .char_indices()
        .nth(SNIPPET_CHARS_MAX)
        .map_or(text.len(), |(byte, _)| start + byte);
    (cut(text, start..end, &found), place)
}

/// Where to begin so that some of what stands before a hit is seen: at a word.
fn lead(text: &str, hit: usize) -> usize {
    let before = &text[..hit];
    let Some((earliest, _)) = before.char_indices().rev().nth(LEAD_CHARS_MAX) else {
        return 0;
    };
    // After the last line that ended, or else after the first space.
    match before[earliest..].rfind('\n') {
        Some(line) => earliest + line + 1,
        None => before[earliest..]
            .find(char::is_whitespace)
            .map_or(hit, |space| earliest + space + 1),
    }
}

/// A stretch of a text on one line, with the hits in it.
fn cut(text: &str, bytes: Range<usize>, found: &[Hit]) -> Marked {
    let mut marked = Marked::default();
    let mut chars = 0;
    let mut push = |text: &mut String, letter: char| {
        text.push(letter);
        chars += 1;
        chars - 1
    };
    if bytes.start > 0 {
        push(&mut marked.text, '…');
    }
    let mut starts_at: Vec<(usize, usize)> = Vec::new();
    // A space is shown once something follows it.
    let mut is_space_due = false;
    for (at, letter) in text[bytes.clone()].char_indices() {
        let at = bytes.start + at;
        if letter.is_whitespace() || letter.is_control() {
            is_space_due = !starts_at.is_empty();
            continue;
        }
        if std::mem::take(&mut is_space_due) {
            push(&mut marked.text, ' ');
        }
        starts_at.push((at, push(&mut marked.text, letter)));
    }
    if bytes.end < text.len() {
        push(&mut marked.text, '…');
    }
    for hit in found {
        let first = starts_at.partition_point(|(at, _)| *at < hit.bytes.start);
        let after = starts_at.partition_point(|(at, _)| *at < hit.bytes.end);
        if first == after {
            continue;
        }
        let range = starts_at[first].1..starts_at[after - 1].1 + 1;
        match marked.hits.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => marked.hits.push(range),
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Hits are shown in brackets.
    #[track_caller]
    fn check(text: &str, query: &str, expected: &str) {
        let (marked, place) = snippet(text, &Query::parse(query).unwrap());
        let first = marked.pieces().into_iter().find(|(_, is_hit)| *is_hit);
        let at_place = place.map(|place| text.chars().skip(place.start).take(place.len()));
        let at_place = at_place.map(Iterator::collect::<String>);
        assert_eq!(first.map(|(piece, _)| piece), at_place, "the first hit");
        let shown: String = marked
            .pieces()
            .iter()
            .map(|(piece, is_hit)| {
                if *is_hit {
                    format!("[{piece}]")
                } else {
                    piece.clone()
                }
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn hits_are_marked_in_the_words_as_they_were_written() {
        check("Das Über-Café.", "uber cafe", "Das [Über]-[Café].");
        check("Das Über-Café.", "uber-caf", "Das [Über-Café].");
        check("今日の会議の記録", "会議", "今日の[会議]の記録");
        check("a\n\n  b\tc", "b", "a [b] c");
        check("nothing here", "other", "nothing here");
        check("e\u{301}\u{200d}x e", "ex", "[e\u{301}\u{200d}x] e");
    }

    #[test]
    fn the_part_with_most_of_what_was_searched_for_is_shown() {
        let far = "filler ".repeat(100);
        let text = format!("apple {far}apple and pear {far}");
        let (shown, place) = snippet(&text, &Query::parse("pear apple").unwrap());
        assert_eq!(place.unwrap().start, "apple ".len() + far.len());
        assert!(shown.text.starts_with('…') && shown.text.ends_with('…'));
        assert!(shown.text.contains("apple and pear"), "{}", shown.text);
        assert_eq!(shown.hits.len(), 2);
        assert!(shown.text.chars().count() <= SNIPPET_CHARS_MAX + 2);
    }
}
