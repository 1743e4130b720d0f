// SPDX-License-Identifier: GPL-3.0-or-later
//! Headings and tasks of a Markdown text, with their places.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::edit::TextEdit;

/// Headings or tasks that are looked for in a text.
const FOUND_MAX: usize = 10_000;

/// What Markdown has beyond its core. It is the same wherever a text is read, so that what is shown as
/// a task can be ticked.
pub const EXTENSIONS: Options = Options::ENABLE_STRIKETHROUGH
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_TABLES)
    .union(Options::ENABLE_FOOTNOTES);

/// A heading.
#[derive(Clone, PartialEq, Eq)]
pub struct Heading {
    /// From 1, the largest, to 6.
    pub level: u8,
    /// What it says, without marks.
    pub title: String,
    /// Characters before its line.
    pub at: usize,
}

impl std::fmt::Debug for Heading {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text.
        write!(formatter, "Heading({}, at {})", self.level, self.at)
    }
}

/// A line that can be ticked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Characters before the mark between the brackets.
    pub at: usize,
    /// Whether it is ticked.
    pub is_done: bool,
}

/// Counts characters up to bytes that come in rising order.
struct Positions<'a> {
    text: &'a str,
    byte: usize,
    at: usize,
}

impl<'a> Positions<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            byte: 0,
            at: 0,
        }
    }

    fn at(&mut self, byte: usize) -> usize {
        if byte < self.byte {
            (self.byte, self.at) = (0, 0);
        }
        self.at += self.text[self.byte..byte].chars().count();
        self.byte = byte;
        self.at
    }
}

/// The headings of a text, those in code excepted.
pub fn headings(text: &str) -> Vec<Heading> {
    let mut found = Vec::new();
    let mut current: Option<Heading> = None;
    let mut positions = Positions::new(text);
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                current = Some(Heading {
                    level: level as u8,
                    title: String::new(),
                    at: positions.at(range.start),
                });
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some(heading) = current.take() {
                    let title = heading.title.trim().to_owned();
                    if !title.is_empty() {
                        found.push(Heading { title, ..heading });
                    }
                }
            }
            Event::Text(said) | Event::Code(said) => {
                if let Some(heading) = &mut current {
                    heading.title.push_str(&said);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut current {
                    heading.title.push(' ');
                }
            }
            _ => {}
        }
        if found.len() == FOUND_MAX {
            break;
        }
    }
    found
}

/// The tasks of a text, those in code excepted.
pub fn tasks(text: &str) -> Vec<Task> {
    let mut positions = Positions::new(text);
    Parser::new_ext(text, EXTENSIONS)
        .into_offset_iter()
        .filter_map(|(event, range)| match event {
            Event::TaskListMarker(is_done) => {
                let mark = range.start + 1;
                Some(Task {
                    at: positions.at(mark),
                    is_done,
                })
            }
            _ => None,
        })
        .take(FOUND_MAX)
        .collect()
}

/// Ticks the task in the line of a position, or takes the tick away. `None` where there is none.
pub fn toggle_task(text: &str, at: usize) -> Option<TextEdit> {
    let line = super::markdown::line_at(text, at);
    let task = tasks(text)
        .into_iter()
        .find(|task| line.contains(&task.at))?;
    Some(TextEdit {
        at: task.at,
        delete: 1,
        insert: if task.is_done { " " } else { "x" }.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_found_where_they_stand() {
        let text = "# Ünö *two*\n\nשלום\n====\n\n```\n# code\n```\n### `three` 🎉 ###\n    # code\n#\n> ## quoted\n";
        let found: Vec<_> = headings(text)
            .into_iter()
            .map(|heading| (heading.level, heading.title, heading.at))
            .collect();
        let at = |part: &str| text[..text.find(part).unwrap_or(0)].chars().count();
        assert_eq!(
            found,
            [
                (1, "Ünö two".to_owned(), 0),
                (1, "שלום".to_owned(), at("שלום")),
                (3, "three 🎉".to_owned(), at("###")),
                (2, "quoted".to_owned(), at("## quoted")),
            ]
        );
        assert_eq!(headings(""), []);
    }

    #[test]
    fn a_task_is_ticked_from_anywhere_in_its_line() {
        let text = "- [ ] ünö\n- [x] two\n\n```\n- [ ] code\n```\nno [ ] task\n";
        let marks: Vec<_> = tasks(text)
            .into_iter()
            .map(|task| (task.at, task.is_done))
            .collect();
        assert_eq!(marks, [(3, false), (13, true)]);
        let edit = |at, insert: &str| {
            Some(TextEdit {
                at,
                delete: 1,
                insert: insert.to_owned(),
            })
        };
        assert_eq!(toggle_task(text, 0), edit(3, "x"));
        assert_eq!(toggle_task(text, 9), edit(3, "x"));
        assert_eq!(toggle_task(text, 15), edit(13, " "));
        assert_eq!(toggle_task(text, 27), None);
        assert_eq!(toggle_task(text, 45), None);
        assert_eq!(toggle_task("", 0), None);
    }
}
