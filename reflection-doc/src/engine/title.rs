// SPDX-License-Identifier: GPL-3.0-or-later
//! The title of a document: its first line that says something, without Markdown marks.

use unicode_segmentation::UnicodeSegmentation;

use super::Engine;

/// Longest title, in what readers perceive as characters.
const TITLE_GRAPHEMES_MAX: usize = 120;
/// Characters of the text that are looked at.
const LOOKED_AT_CHARS_MAX: usize = 4_000;

/// The title of `text`; empty where no line says anything.
pub fn title(text: &str) -> String {
    let end = text
        .char_indices()
        .nth(LOOKED_AT_CHARS_MAX)
        .map_or(text.len(), |(byte, _)| byte);
    text.get(..end)
        .unwrap_or(text)
        .lines()
        .map(plain)
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}

impl Engine {
    /// The title of the text, in the same time for any length of it.
    pub fn title(&self) -> String {
        title(&self.beginning())
    }

    /// So much of the text as lists show something of.
    pub fn beginning(&self) -> String {
        let looked_at = self.len_chars().min(LOOKED_AT_CHARS_MAX);
        // Fails only beyond the end.
        self.text.slice(0, looked_at).unwrap_or_default()
    }
}

/// A line without the marks that Markdown gives a meaning.
fn plain(line: &str) -> String {
    let line = without_block_marks(line.trim());
    let visible: String = line
        .chars()
        .filter(|letter| !letter.is_control() && !is_direction_control(*letter))
        .collect();
    let text = without_inline_marks(&visible);
    text.trim()
        .graphemes(true)
        .take(TITLE_GRAPHEMES_MAX)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Characters that turn the direction of what stands around a title on the screen.
fn is_direction_control(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

fn without_block_marks(mut line: &str) -> &str {
    if is_rule(line) {
        return "";
    }
    loop {
        let before = line;
        let hashes = line.len() - line.trim_start_matches('#').len();
        if (1..=6).contains(&hashes) && line[hashes..].starts_with([' ', '\t']) {
            line = line[hashes..].trim().trim_end_matches('#').trim_end();
        } else if line.chars().all(|letter| letter == '#') {
            return "";
        }
        for mark in ["> ", "- ", "* ", "+ ", "[ ] ", "[x] ", "[X] "] {
            line = line.strip_prefix(mark).unwrap_or(line).trim_start();
        }
        if [">", "-", "*", "+", "[ ]", "[x]"].contains(&line) {
            return "";
        }
        if line == before {
            return line;
        }
    }
}

/// A line of dashes, equals signs or fences divides; it says nothing.
fn is_rule(line: &str) -> bool {
    line.len() >= 3
        && ['-', '=', '*', '_', '`', '~'].iter().any(|mark| {
            let rest = line.trim_matches([*mark, ' ']);
            rest.is_empty() || (matches!(mark, '`' | '~') && line.starts_with("```"))
        })
}

/// Takes emphasis, code marks and link targets away; keeps single marks inside of words.
fn without_inline_marks(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        if let Some((label, after)) = link(rest) {
            text.push_str(&without_inline_marks(label));
            rest = after;
            continue;
        }
        if let Some((inner, after)) = emphasis(rest, text.chars().next_back()) {
            text.push_str(&without_inline_marks(inner));
            rest = after;
            continue;
        }
        text.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    text
}

/// `[label](target)` or `![label](target)` at the beginning.
fn link(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix("![").or_else(|| text.strip_prefix('['))?;
    let (label, after) = inside.split_once("](")?;
    let (target, after) = after.split_once(')')?;
    (!label.contains(['[', ']']) && !target.contains(' ')).then_some((label, after))
}

/// A marked stretch at the beginning, as `**this**`.
fn emphasis(text: &str, before: Option<char>) -> Option<(&str, &str)> {
    for mark in ["***", "**", "__", "~~", "``", "*", "_", "`"] {
        let Some(inside) = text.strip_prefix(mark) else {
            continue;
        };
        // An underscore within a word is a letter of a name.
        if mark.starts_with('_') && before.is_some_and(char::is_alphanumeric) {
            return None;
        }
        let (inner, after) = inside.split_once(mark)?;
        let is_tight = !inner.is_empty()
            && !inner.starts_with(char::is_whitespace)
            && !inner.ends_with(char::is_whitespace);
        return is_tight.then_some((inner, after));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(title(text), expected);
    }

    #[test]
    fn the_first_line_that_says_something() {
        check("", "");
        check("  \n\n\t\n", "");
        check("Minutes\nof today", "Minutes");
        check("\n\n   Minutes  ", "Minutes");
        check("---\n# Minutes", "Minutes");
    }

    #[test]
    fn markdown_marks_are_not_part_of_it() {
        check("# Minutes", "Minutes");
        check("###### Minutes ##", "Minutes");
        check("#hashtag", "#hashtag");
        check("#\n# \nMinutes", "Minutes");
        check("> - [ ] **Call** _Ann_", "Call Ann");
        check("- [x] done", "done");
        check(
            "Read [the *plan*](https://example.org/x) now",
            "Read the plan now",
        );
        check("`code` and snake_case_name", "code and snake_case_name");
        check("2 * 3 * 4", "2 * 3 * 4");
        check("**unclosed", "**unclosed");
    }

    #[test]
    fn every_script_keeps_its_signs() {
        check("# Q3: Über-Plan – 50 %!", "Q3: Über-Plan – 50 %!");
        check("# 🎉 Party 👩‍👩‍👧", "🎉 Party 👩‍👩‍👧");
        check("# தமிழ் மொழி", "தமிழ் மொழி");
        check("# שלום עולם", "שלום עולם");
        check("会議の記録", "会議の記録");
    }

    #[test]
    fn it_cannot_disturb_what_stands_around_it() {
        check("a\u{202e}b\u{7}c", "abc");
        assert_eq!(
            title(&"👩‍👩‍👧".repeat(500)).graphemes(true).count(),
            TITLE_GRAPHEMES_MAX
        );
    }
}
