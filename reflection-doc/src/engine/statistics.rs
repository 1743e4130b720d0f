// SPDX-License-Identifier: GPL-3.0-or-later
//! Counts of a text or of a part of it.

use unicode_segmentation::UnicodeSegmentation;

/// Words that are read in a minute.
const WORDS_PER_MINUTE: usize = 220;

/// How long a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Words by the rules of Unicode; in scripts without spaces about as many as characters.
    pub words: usize,
    /// What readers perceive as characters, without line breaks.
    pub characters: usize,
    /// Those that are not white space.
    pub characters_without_spaces: usize,
    /// Lines with something in them.
    pub lines: usize,
    /// How long reading takes, in minutes, rounded up; zero for a text without words.
    pub reading_minutes: usize,
}

/// Counts a text or a selection.
pub fn statistics(text: &str) -> Statistics {
    let mut counted = Statistics::default();
    for line in text.lines() {
        counted.words += line.unicode_words().count();
        counted.lines += usize::from(!line.trim().is_empty());
        if line.is_ascii() {
            counted.characters += line.len();
            let spaces = line.bytes().filter(u8::is_ascii_whitespace).count();
            counted.characters_without_spaces += line.len() - spaces;
            continue;
        }
        for character in line.graphemes(true) {
            counted.characters += 1;
            let is_space = character.chars().all(char::is_whitespace);
            counted.characters_without_spaces += usize::from(!is_space);
        }
    }
    counted.reading_minutes = counted.words.div_ceil(WORDS_PER_MINUTE);
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, words: usize, characters: usize, without_spaces: usize) {
        let counted = statistics(text);
        assert_eq!(
            (
                counted.words,
                counted.characters,
                counted.characters_without_spaces
            ),
            (words, characters, without_spaces),
            "{text}"
        );
    }

    #[test]
    fn every_script_is_counted_as_it_is_read() {
        check("", 0, 0, 0);
        check("It's 3.5 times\n\nas good!\n", 5, 22, 19);
        check("naïve cafe\u{301}", 2, 10, 9);
        check("👩‍👩‍👧 🎉", 0, 3, 2);
        check("தமிழ் மொழி", 2, 6, 5);
        check("שלום עולם", 2, 9, 8);
        check("会議の記録", 5, 5, 5);
    }

    #[test]
    fn reading_takes_a_minute_at_least() {
        assert_eq!(statistics("").reading_minutes, 0);
        assert_eq!(statistics("one").reading_minutes, 1);
        assert_eq!(statistics(&"word ".repeat(221)).reading_minutes, 2);
        assert_eq!(statistics("a\n\n \nb").lines, 2);
    }
}
