// SPDX-License-Identifier: GPL-3.0-or-later
//! What a person types into a search field, as a question to the index.
//!
//! Every piece between spaces has to be found, as a sequence if it consists of several words; the
//! last one may be the beginning of a word. What stands in quotation marks is one sequence.
//! Nothing that can be typed is wrong.

use super::words::{is_whole_word, words};

/// Characters of a query that are looked at.
const QUERY_CHARS_MAX: usize = 1_000;
/// Most words of a query.
const QUERY_WORDS_MAX: usize = 64;

/// Words that have to stand one after the other.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) words: Vec<String>,
    /// Whether the last word may go on.
    pub(super) is_open: bool,
}

impl Phrase {
    /// Whether a word of a text can stand at place `index` of the phrase.
    pub(super) fn fits(&self, index: usize, word: &str) -> bool {
        let Some(wanted) = self.words.get(index) else {
            return false;
        };
        if self.is_open && index + 1 == self.words.len() {
            word.starts_with(wanted.as_str())
        } else {
            word == wanted
        }
    }
}

/// What is searched for. Its words may be anybody's secret, so there is no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) phrases: Vec<Phrase>,
}

impl Query {
    /// Reads a query; `None` where it holds nothing to search for.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text: String = text.chars().take(QUERY_CHARS_MAX).collect();
        let is_quote = |letter: char| matches!(letter, '"' | '“' | '”' | '„' | '«' | '»');
        let mut phrases: Vec<Phrase> = Vec::new();
        let mut left = QUERY_WORDS_MAX;
        let mut add = |piece: &str, is_open: bool| {
            let mut words = words(piece);
            words.truncate(left);
            left -= words.len();
            if !words.is_empty() {
                phrases.push(Phrase { words, is_open });
            }
        };
        let parts: Vec<&str> = text.split(is_quote).collect();
        for (number, part) in parts.iter().enumerate() {
            let is_last_part = number + 1 == parts.len();
            // A quotation mark that is not closed yet opens nothing.
            if number % 2 == 1 && !is_last_part {
                add(part, false);
                continue;
            }
            let mut pieces = part.split_whitespace().peekable();
            while let Some(piece) = pieces.next() {
                let is_open =
                    is_last_part && pieces.peek().is_none() && !part.ends_with(char::is_whitespace);
                add(piece, is_open);
            }
        }
        (!phrases.is_empty()).then_some(Self { phrases })
    }

    /// Whether it is but the first letter of a word, which every document may have many times: no
    /// document suits that better than another one.
    pub(super) fn is_one_letter(&self) -> bool {
        let [phrase] = self.phrases.as_slice() else {
            return false;
        };
        let [word] = phrase.words.as_slice() else {
            return false;
        };
        let mut letters = word.chars();
        let first = letters.next();
        phrase.is_open && letters.next().is_none() && !first.is_some_and(is_whole_word)
    }

    /// The question in the index's language. Words hold nothing that has a meaning in it.
    pub(super) fn expression(&self) -> String {
        let phrases: Vec<String> = self
            .phrases
            .iter()
            .map(|phrase| {
                let open = if phrase.is_open { " *" } else { "" };
                format!("\"{}\"{open}", phrase.words.join(" "))
            })
            .collect();
        phrases.join(" AND ")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let expression = Query::parse(text).map(|query| query.expression());
        assert_eq!(expression.as_deref(), expected, "{text}");
    }

    #[test]
    fn pieces_all_have_to_be_found_and_the_last_may_go_on() {
        check("Minutes Oct", Some(r#""minutes" AND "oct" *"#));
        check("Minutes Oct ", Some(r#""minutes" AND "oct""#));
        check("e-mail 会議", Some(r#""e mail" AND "会 議" *"#));
        check(
            r#"x "next week" y"#,
            Some(r#""x" AND "next week" AND "y" *"#),
        );
        check(r#"x "next we"#, Some(r#""x" AND "next" AND "we" *"#));
    }

    #[test]
    fn one_letter_is_the_beginning_of_a_word() {
        let is_one_letter = |text: &str| Query::parse(text).unwrap().is_one_letter();
        assert!(["n", "É", "ж", "ש"].into_iter().all(is_one_letter));
        // A word of one letter, two of them, a longer one, and a whole word of Chinese.
        for text in ["n ", "\"n\" ", "a n", "no", "会", "🎉"] {
            assert!(!is_one_letter(text), "{text}");
        }
    }

    #[test]
    fn nothing_that_can_be_typed_has_a_meaning_to_the_index() {
        check("", None);
        check(" \"'*^(){}:+-,.;%\\\0 ", None);
        check("NEAR(a b) OR title:x*", {
            Some(r#""near a" AND "b" AND "or" AND "title x" *"#)
        });
        assert!(
            Query::parse(&"a ".repeat(100_000))
                .is_some_and(|query| { query.phrases.len() == QUERY_WORDS_MAX })
        );
    }
}
