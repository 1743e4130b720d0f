// SPDX-License-Identifier: GPL-3.0-or-later
//! Commands that write Markdown: lists that go on, indentation, emphasis, links.
//!
//! Each looks at a text and a selection and gives the edits; none of them changes anything.
//! `None` means that the key has its ordinary effect.

use std::ops::Range;

use super::edit::{Rewrite, TextEdit};
use super::selection::Selection;

/// What indents a line by one level.
const INDENT: &str = "    ";
/// How many items of a list get another number at most when one comes before them.
const RENUMBERED_MAX: usize = 1_000;

/// A mark around a stretch of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emphasis {
    /// `**bold**`
    Bold,
    /// `*italic*`
    Italic,
    /// `~~struck~~`
    Strikethrough,
    /// `` `code` ``
    Code,
}

impl Emphasis {
    fn mark(self) -> &'static str {
        match self {
            Self::Bold => "**",
            Self::Italic => "*",
            Self::Strikethrough => "~~",
            Self::Code => "`",
        }
    }
}

fn byte_at(text: &str, at: usize) -> usize {
    text.char_indices()
        .nth(at)
        .map_or(text.len(), |(byte, _)| byte)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The line of a position in bytes, without its line break.
fn line_bytes(text: &str, byte: usize) -> Range<usize> {
    let start = text[..byte].rfind('\n').map_or(0, |found| found + 1);
    let end = text[byte..]
        .find('\n')
        .map_or(text.len(), |found| byte + found);
    start..end
}

/// The line of a position, in characters, without its line break.
pub(super) fn line_at(text: &str, at: usize) -> Range<usize> {
    let line = line_bytes(text, byte_at(text, at));
    let start = length(&text[..line.start]);
    start..start + length(&text[line])
}

/// The marks with which a line of a list begins.
struct ListMarks<'a> {
    /// Indentation and marks of quotes.
    lead: &'a str,
    /// The bullet, or the number with what stands behind it.
    bullet: &'a str,
    /// The white space behind it.
    space: &'a str,
    /// Whether a box to be ticked follows.
    is_task: bool,
    /// All of the marks, in bytes.
    end: usize,
}

/// The marks of a list or a quote at the beginning of a line. `None` for any other line.
fn list_marks(line: &str) -> Option<ListMarks<'_>> {
    let lead_end = line
        .find(|letter: char| !matches!(letter, ' ' | '\t' | '>'))
        .unwrap_or(line.len());
    let (lead, rest) = line.split_at(lead_end);
    let digits = rest.len()
        - rest
            .trim_start_matches(|letter: char| letter.is_ascii_digit())
            .len();
    let bullet_length = match rest.as_bytes().get(digits) {
        Some(b'-' | b'*' | b'+') if digits == 0 => 1,
        Some(b'.' | b')') if (1..=9).contains(&digits) => digits + 1,
        _ => 0,
    };
    let (bullet, behind) = rest.split_at(bullet_length);
    let content = behind.trim_start_matches([' ', '\t']);
    let space = &behind[..behind.len() - content.len()];
    if bullet.is_empty() || (space.is_empty() && !content.is_empty()) {
        return lead.contains('>').then_some(ListMarks {
            lead,
            bullet: "",
            space: "",
            is_task: false,
            end: lead_end,
        });
    }
    let is_task = ["[ ]", "[x]", "[X]"].iter().any(|mark| {
        content
            .strip_prefix(mark)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    });
    let task_length = if is_task {
        let rest = &content[3..];
        3 + rest.len() - rest.trim_start_matches([' ', '\t']).len()
    } else {
        0
    };
    Some(ListMarks {
        lead,
        bullet,
        space,
        is_task,
        end: line.len() - content.len() + task_length,
    })
}

impl ListMarks<'_> {
    /// The number of an item, and what stands behind it.
    fn number(&self) -> Option<(u64, &str)> {
        let digits = self.bullet.len().checked_sub(1)?;
        let (number, behind) = self.bullet.split_at(digits);
        Some((number.parse().ok()?, behind))
    }

    /// The marks of the next line.
    fn next(&self) -> String {
        let bullet = match self.number() {
            Some((number, behind)) => format!("{}{behind}", number + 1),
            None => self.bullet.to_owned(),
        };
        let space = match self.space {
            "" if self.bullet.is_empty() => "",
            "" => " ",
            space => space,
        };
        let task = if self.is_task { "[ ] " } else { "" };
        format!("{}{bullet}{space}{task}", self.lead)
    }
}

/// What the Enter key does in a list or a quote: the next line begins as this one does; in a
/// line with nothing but marks, these go.
pub fn continue_list(text: &str, selection: Selection) -> Option<Rewrite> {
    if !selection.is_caret() {
        return None;
    }
    let byte = byte_at(text, selection.caret);
    let range = line_bytes(text, byte);
    let line = &text[range.clone()];
    let marks = list_marks(line)?;
    if byte < range.start + marks.end || is_in_code(text, range.start) {
        return None;
    }
    if line[marks.end..].trim().is_empty() {
        let at = selection.caret - length(&text[range.start..byte]);
        let edit = TextEdit {
            at,
            delete: length(line),
            insert: String::new(),
        };
        return Some(Rewrite {
            edits: vec![edit],
            selection: Selection::caret(at),
        });
    }
    let insert = format!("\n{}", marks.next());
    let caret = selection.caret + length(&insert);
    let following = selection.caret + length(&text[byte..range.end]);
    let mut edits = renumbered(&text[range.end..], following, &marks);
    // The last ones come first, so that each place is where it was.
    edits.reverse();
    edits.push(TextEdit {
        at: selection.caret,
        delete: 0,
        insert,
    });
    Some(Rewrite {
        edits,
        selection: Selection::caret(caret),
    })
}

/// Makes room for the number of a new item: those behind it that count on from there count one
/// further. An item with another number than is expected has it for a reason. `text` follows the
/// line of the item before, `start` characters from the beginning.
fn renumbered(text: &str, start: usize, marks: &ListMarks<'_>) -> Vec<TextEdit> {
    let mut edits = Vec::new();
    let Some((number, behind)) = marks.number() else {
        return edits;
    };
    let (mut expected, mut at) = (number + 1, start);
    for line in text.split_inclusive('\n').skip(1) {
        at += 1;
        let content = line.trim_end_matches('\n');
        let rest = content.strip_prefix(marks.lead).unwrap_or(content);
        let item = list_marks(content).filter(|item| item.lead == marks.lead);
        let digits = item
            .as_ref()
            .map_or(0, |item| item.bullet.len().saturating_sub(1));
        match item.as_ref().and_then(ListMarks::number) {
            Some(present) if present == (expected, behind) => {
                if edits.len() == RENUMBERED_MAX {
                    break;
                }
                expected += 1;
                edits.push(TextEdit {
                    at: at + length(marks.lead),
                    delete: digits,
                    insert: expected.to_string(),
                });
            }
            // What stands within an item, or between two of them.
            None if rest.trim().is_empty() || rest.starts_with([' ', '\t']) => {}
            Some(_) | None => break,
        }
        at += length(content);
    }
    edits
}

/// Whether a line stands between the fences of code.
fn is_in_code(text: &str, line_start: usize) -> bool {
    let mut fence: Option<&str> = None;
    for line in text[..line_start].lines() {
        let line = line.trim_start();
        match fence {
            None => {
                fence = ["```", "~~~"]
                    .into_iter()
                    .find(|mark| line.starts_with(mark));
            }
            Some(mark) if line.starts_with(mark) => fence = None,
            Some(_) => {}
        }
    }
    fence.is_some()
}

/// What Tab does in a list or with several lines selected: indents them.
pub fn indent(text: &str, selection: Selection) -> Option<Rewrite> {
    let range = selection.range();
    let line = line_bytes(text, byte_at(text, range.start));
    let is_multiline = range.end > line_at(text, range.start).end;
    let is_list = list_marks(&text[line]).is_some_and(|marks| !marks.bullet.is_empty());
    if !is_multiline && !is_list {
        return None;
    }
    let edit = |at, _: &str| TextEdit {
        at,
        delete: 0,
        insert: INDENT.to_owned(),
    };
    change_lines(text, selection, edit)
}

/// What Shift and Tab do: takes a level of indentation away. `None` where there is none.
pub fn outdent(text: &str, selection: Selection) -> Option<Rewrite> {
    change_lines(text, selection, |at, line| {
        let is_tab = line.starts_with('\t');
        let spaces = line.len() - line.trim_start_matches(' ').len();
        TextEdit {
            at,
            delete: if is_tab { 1 } else { spaces.min(INDENT.len()) },
            insert: String::new(),
        }
    })
}

/// Edits the beginning of each selected line that is not empty.
fn change_lines(
    text: &str,
    selection: Selection,
    edit: impl Fn(usize, &str) -> TextEdit,
) -> Option<Rewrite> {
    let range = selection.range();
    let mut start = line_at(text, range.start).start;
    let (mut edits, mut selection) = (Vec::new(), selection);
    let mut shift = 0_isize;
    for line in text[byte_at(text, start)..].split_inclusive('\n') {
        let is_selected = start < range.end || (start == range.end && range.is_empty());
        if start > range.end || !is_selected && !edits.is_empty() {
            break;
        }
        let content = line.trim_end_matches(['\n', '\r']);
        if is_selected && (!content.trim().is_empty() || range.is_empty()) {
            let at = start.saturating_add_signed(shift);
            let edit = edit(at, content);
            let inserted = length(&edit.insert);
            if inserted > 0 || edit.delete > 0 {
                let moved = |position: usize| match position.checked_sub(at) {
                    None => position,
                    Some(within) => at + within.saturating_sub(edit.delete) + inserted,
                };
                selection.anchor = moved(selection.anchor);
                selection.caret = moved(selection.caret);
                shift += inserted.cast_signed() - edit.delete.cast_signed();
                edits.push(edit);
            }
        }
        start += length(line);
    }
    // A caret that stands before the last line of the text, which is empty.
    if edits.is_empty() {
        return None;
    }
    Some(Rewrite { edits, selection })
}

/// Puts marks around the selection, or around nothing for what will be typed; takes them away
/// where they are.
pub fn toggle_emphasis(text: &str, selection: Selection, emphasis: Emphasis) -> Rewrite {
    let mark = emphasis.mark();
    let width = length(mark);
    let range = trimmed(text, selection.range());
    let bytes = byte_at(text, range.start)..byte_at(text, range.end);
    let selected = &text[bytes.clone()];
    let select = |start: usize, end: usize| {
        if selection.anchor <= selection.caret {
            Selection {
                anchor: start,
                caret: end,
            }
        } else {
            Selection {
                anchor: end,
                caret: start,
            }
        }
    };
    let edit = |at, delete, insert: &str| TextEdit {
        at,
        delete,
        insert: insert.to_owned(),
    };
    let is_inside =
        marks_before(&text[..bytes.start], mark) && marks_after(&text[bytes.end..], mark);
    if is_inside {
        return Rewrite {
            edits: vec![
                edit(range.end, width, ""),
                edit(range.start - width, width, ""),
            ],
            selection: select(range.start - width, range.end - width),
        };
    }
    let has_marks = selected.len() > 2 * mark.len()
        && marks_after(selected, mark)
        && marks_before(selected, mark);
    if has_marks {
        return Rewrite {
            edits: vec![
                edit(range.end - width, width, ""),
                edit(range.start, width, ""),
            ],
            selection: select(range.start, range.end - 2 * width),
        };
    }
    Rewrite {
        edits: vec![edit(range.end, 0, mark), edit(range.start, 0, mark)],
        selection: select(range.start + width, range.end + width),
    }
}

/// Whether a text ends with this very mark; `*` does not end what `**` ends.
fn marks_before(text: &str, mark: &str) -> bool {
    let letter = mark.chars().next().unwrap_or_default();
    let run = text.len() - text.trim_end_matches(letter).len();
    run == mark.len() || (letter == '*' && run == 3)
}

fn marks_after(text: &str, mark: &str) -> bool {
    let letter = mark.chars().next().unwrap_or_default();
    let run = text.len() - text.trim_start_matches(letter).len();
    run == mark.len() || (letter == '*' && run == 3)
}

/// The selection without white space at its ends, within which marks would have no meaning.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let selected = &text[byte_at(text, range.start)..byte_at(text, range.end)];
    if selected.trim().is_empty() {
        return range;
    }
    let front = length(selected) - length(selected.trim_start());
    let back = length(selected) - length(selected.trim_end());
    range.start + front..range.end - back
}

/// Makes the selection a link and selects the place for what is missing: the target, or the
/// label where the selection is an address itself.
pub fn link(text: &str, selection: Selection) -> Rewrite {
    let range = trimmed(text, selection.range());
    let selected = &text[byte_at(text, range.start)..byte_at(text, range.end)];
    let is_address = ["https://", "http://", "mailto:", "reflection:"]
        .iter()
        .any(|scheme| selected.starts_with(scheme))
        && !selected.contains(char::is_whitespace);
    let (front, back, caret) = if is_address {
        ("[](", ")", range.start + 1)
    } else if selected.is_empty() {
        ("[", "]()", range.start + 1)
    } else {
        ("[", "]()", range.end + 3)
    };
    let edit = |at, insert: &str| TextEdit {
        at,
        delete: 0,
        insert: insert.to_owned(),
    };
    Rewrite {
        edits: vec![edit(range.end, back), edit(range.start, front)],
        selection: Selection::caret(caret),
    }
}

#[cfg(test)]
#[path = "tests/markdown.rs"]
mod tests;
