// SPDX-License-Identifier: GPL-3.0-or-later
//! Texts as the words by which they are searched.
//!
//! Case, diacritics, vowel points and typographic variants are taken away. Scripts that put no
//! spaces between words (Chinese, Japanese, Thai, …), Korean syllables and emoji give a word for
//! each sign, which are then found as sequences; so a part of such a text is found wherever it
//! stands. Signs that shape a letter in other scripts (Tamil, Devanagari, …) stay with it.
//!
//! Invariants: a word holds ASCII letters and digits, in lower case, and characters beyond ASCII,
//! nothing else, which is what the index's tokeniser takes as one word; the same text gives the
//! same words in every place.

use std::ops::{ControlFlow, Range};

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// Longest word in characters; a longer one goes on as the next word.
const WORD_CHARS_MAX: usize = 64;

/// What a character does to the words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Belongs to a word with its neighbours.
    Letter,
    /// Begins a word of its own.
    Sign,
    /// Belongs to what stands before it.
    Mark,
    /// Is not searched for: diacritics, invisible characters.
    Ignored,
    /// Stands between words.
    Separator,
}

fn role(letter: char) -> Role {
    if is_ignored(letter) {
        return Role::Ignored;
    }
    // Vowels and finals of Korean syllables, and the voicing of Japanese ones, taken apart.
    if matches!(letter, '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7ff}' | '\u{3099}' | '\u{309a}')
    {
        return Role::Mark;
    }
    match CodePointMapData::<GeneralCategory>::new().get(letter) {
        GeneralCategory::NonspacingMark
        | GeneralCategory::SpacingMark
        | GeneralCategory::EnclosingMark => return Role::Mark,
        _ => {}
    }
    if is_pictograph(letter) {
        Role::Sign
    } else if !letter.is_alphanumeric() {
        Role::Separator
    } else if is_unspaced(letter) {
        Role::Sign
    } else {
        Role::Letter
    }
}

/// Diacritics of alphabets, points of Hebrew and Arabic, and what is invisible.
fn is_ignored(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}'
        | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{ad}' | '\u{180b}'..='\u{180e}'
        | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0100}'..='\u{e01ef}'
        // Skin tones.
        | '\u{1f3fb}'..='\u{1f3ff}')
}

fn is_pictograph(letter: char) -> bool {
    matches!(letter,
        '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1f0ff}'
        | '\u{1f1e6}'..='\u{1faff}')
}

/// Letters of scripts that are written without spaces between words, and Korean beginnings of
/// syllables.
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{fff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{115f}'
        | '\u{1780}'..='\u{17ff}' | '\u{1950}'..='\u{19df}' | '\u{1a20}'..='\u{1aaf}'
        | '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{312f}' | '\u{31a0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}'
        | '\u{a9e0}'..='\u{a9ff}' | '\u{aa60}'..='\u{aadf}' | '\u{f900}'..='\u{faff}'
        | '\u{1b000}'..='\u{1b2ff}' | '\u{20000}'..='\u{3ffff}')
}

/// Letters that people without them on the keyboard write otherwise.
fn spelled_out(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' => "d",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

/// The word that is being read.
#[derive(Default)]
struct Reading {
    word: String,
    chars: usize,
    is_sign: bool,
    bytes: Range<usize>,
}

impl Reading {
    fn push(&mut self, letter: char, bytes: &Range<usize>) {
        if self.word.is_empty() {
            self.bytes.start = bytes.start;
        }
        self.bytes.end = bytes.end;
        self.word.push(letter);
        self.chars += 1;
    }

    fn end(
        &mut self,
        take: &mut impl FnMut(&str, Range<usize>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.word.is_empty() {
            return ControlFlow::Continue(());
        }
        let flow = take(&self.word, self.bytes.clone());
        self.word.clear();
        self.chars = 0;
        flow
    }
}

/// Gives each word of a text with the bytes of the text that it stands for, until told to stop.
pub(super) fn each_word(
    text: &str,
    mut take: impl FnMut(&str, Range<usize>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let decomposing = DecomposingNormalizerBorrowed::new_nfkd();
    let mut reading = Reading::default();
    for (at, letter) in text.char_indices() {
        let bytes = at..at + letter.len_utf8();
        if letter.is_ascii() {
            if letter.is_ascii_alphanumeric() {
                letters(&mut reading, letter.to_ascii_lowercase(), &bytes, &mut take)?;
            } else {
                reading.end(&mut take)?;
            }
            continue;
        }
        for part in decomposing.normalize_iter(std::iter::once(letter)) {
            match role(part) {
                Role::Letter => {
                    for lower in part.to_lowercase().filter(|lower| !is_ignored(*lower)) {
                        match spelled_out(lower) {
                            Some(spelling) => {
                                for letter in spelling.chars() {
                                    letters(&mut reading, letter, &bytes, &mut take)?;
                                }
                            }
                            None => letters(&mut reading, lower, &bytes, &mut take)?,
                        }
                    }
                }
                Role::Sign => {
                    reading.end(&mut take)?;
                    reading.is_sign = true;
                    reading.push(part, &bytes);
                }
                Role::Mark if reading.word.is_empty() => {}
                Role::Mark => {
                    if reading.chars < WORD_CHARS_MAX {
                        reading.push(part, &bytes);
                    }
                }
                Role::Ignored => {
                    if !reading.word.is_empty() {
                        reading.bytes.end = bytes.end;
                    }
                }
                Role::Separator => reading.end(&mut take)?,
            }
        }
    }
    reading.end(&mut take)
}

/// A letter of a word with several.
fn letters(
    reading: &mut Reading,
    letter: char,
    bytes: &Range<usize>,
    take: &mut impl FnMut(&str, Range<usize>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if reading.is_sign || reading.chars >= WORD_CHARS_MAX {
        reading.end(take)?;
        reading.is_sign = false;
    }
    reading.push(letter, bytes);
    ControlFlow::Continue(())
}

/// Whether a letter that is searched for is a whole word, as those of Chinese are.
pub(super) fn is_whole_word(letter: char) -> bool {
    role(letter) == Role::Sign
}

/// The words of a text, in order.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let _ = each_word(text, |word, _| {
        words.push(word.to_owned());
        ControlFlow::Continue(())
    });
    words
}

/// The words of a text with spaces between them, as the index takes them.
pub(super) fn normalised(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let _ = each_word(text, |word, _| {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        ControlFlow::Continue(())
    });
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(normalised(text), expected, "{text}");
    }

    #[test]
    fn case_and_diacritics_do_not_matter() {
        check("Über-Plan, CRÈME brûlée", "uber plan creme brulee");
        check("u\u{308}ber", "uber");
        check(
            "Straße GROẞ Łódź Ærø İzmir",
            "strasse gross lodz aero izmir",
        );
        check("ΣΊΣΥΦΟΣ Ёлка", "σισυφοσ елка");
        check("ﬁne ＡＢＣ １２ m²", "fine abc 12 m2");
        check("שָׁלוֹם مُحَمَّد", "שלום محمد");
    }

    #[test]
    fn signs_that_shape_letters_stay() {
        // The vowel of the second word stands on both sides of its letter.
        check("தமிழ் மொழி", "தமிழ் ம\u{bc6}\u{bbe}ழி");
        check("हिन्दी", "हिन्दी");
    }

    #[test]
    fn scripts_without_spaces_give_a_word_for_each_sign() {
        check("会議の記録2026年", "会 議 の 記 録 2026 年");
        check("ตกลง", "ต ก ล ง");
        check("🎉Party👍🏽!", "🎉 party 👍");
        // Half-width, composed and decomposed forms are one.
        assert_eq!(normalised("ｶﾞ"), normalised("ガ"));
        assert_eq!(normalised("か\u{3099}"), normalised("が"));
        assert_ne!(normalised("か"), normalised("が"));
        assert_eq!(normalised("\u{1112}\u{1161}\u{11ab}"), normalised("한"));
        assert_eq!(words("한글").len(), 2);
    }

    #[test]
    fn what_is_invisible_does_not_part_words() {
        check("co\u{ad}operate zero\u{200d}width", "cooperate zerowidth");
        check("a_b c'd e\u{200b}f\u{0}g", "a b c d e f g");
    }

    #[test]
    fn long_words_go_on_as_the_next_one() {
        let text = "x".repeat(WORD_CHARS_MAX + 3);
        assert_eq!(
            words(&text),
            [&text[..WORD_CHARS_MAX], &text[WORD_CHARS_MAX..]]
        );
        assert_eq!(words(&format!("a{}", "\u{bcd}".repeat(10_000))).len(), 1);
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "Ça, が!";
        let mut places = Vec::new();
        let _ = each_word(text, |_, bytes| {
            places.push(text[bytes].to_owned());
            ControlFlow::Continue(())
        });
        assert_eq!(places, ["Ça", "が"]);
    }

    /// The words in the index were made by this. Whoever changes what comes out counts
    /// `INDEX_FORMAT` up, so that all is indexed anew.
    #[test]
    fn what_is_in_indexes_out_there_is_what_this_gives() {
        let every: String = ('\u{1}'..='\u{ffff}').step_by(3).collect();
        let hash = blake3::hash(normalised(&every).as_bytes()).to_hex();
        assert_eq!(
            (super::super::index::INDEX_FORMAT, &hash[..16]),
            (1, "1f47a534f1347be6")
        );
    }
}
