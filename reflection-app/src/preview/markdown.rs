// SPDX-License-Identifier: GPL-3.0-or-later
//! Markdown as pieces of text with a look, for a text view to show. Knows nothing of GTK.
//!
//! Raw HTML is shown as it is written, and pictures by their description: nothing is fetched.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};
use reflection_doc::engine::EXTENSIONS;

/// Deepest nesting of lists and quotes that is shown; deeper ones look like this.
const DEPTH_MAX: u8 = 8;

/// How a piece of text looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "marks are independent of each other"
)]
pub struct Look {
    /// 1 to 6 in a heading, else 0.
    pub heading: u8,
    /// Emphasised.
    pub is_italic: bool,
    /// Strongly emphasised.
    pub is_bold: bool,
    /// Struck through.
    pub is_struck: bool,
    /// Code within a line.
    pub is_code: bool,
    /// In a block of code, or a table.
    pub is_block: bool,
    /// How many quotes it stands in.
    pub quotes: u8,
    /// How many lists it stands in.
    pub lists: u8,
    /// What stands before the item of a list that it belongs to, whether it is ticked or not.
    pub mark: String,
    /// Where it leads to.
    pub link: Option<String>,
}

/// A piece of text and its look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The text, with line breaks.
    pub text: String,
    /// Its look.
    pub look: Look,
    /// Of a box to be ticked, how many characters of the Markdown stand before its tick.
    pub task: Option<usize>,
}

struct Renderer<'a> {
    markdown: &'a str,
    /// How many bytes of it were counted, and how many characters those are.
    counted: (usize, usize),
    pieces: Vec<Piece>,
    look: Look,
    /// For each list that is open the number of its next item, if it is numbered.
    lists: Vec<Option<u64>>,
    /// How many line breaks the text ends with.
    breaks: usize,
    is_first_cell: bool,
}

/// Carries out the marks.
pub fn render(text: &str) -> Vec<Piece> {
    let mut renderer = Renderer {
        markdown: text,
        counted: (0, 0),
        pieces: Vec::new(),
        look: Look::default(),
        lists: Vec::new(),
        breaks: 2,
        is_first_cell: true,
    };
    for (event, place) in Parser::new_ext(text, EXTENSIONS).into_offset_iter() {
        match event {
            Event::TaskListMarker(is_done) => renderer.say_task(is_done, place.start),
            event => renderer.take(event),
        }
    }
    renderer.pieces
}

impl Renderer<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text) => self.say(&text),
            Event::Code(text) => {
                self.look.is_code = true;
                self.say(&text);
                self.look.is_code = false;
            }
            Event::SoftBreak => self.say(" "),
            Event::HardBreak => self.say("\n"),
            Event::Rule => {
                self.separate(2);
                self.say("———");
                self.separate(2);
            }
            Event::FootnoteReference(name) => self.say(&format!("[{name}]")),
            Event::TaskListMarker(_) => {}
        }
    }

    /// A box to be ticked, whose marks begin with this byte.
    fn say_task(&mut self, is_done: bool, byte: usize) {
        self.look.mark.push_str("☐ ");
        let (bytes, chars) = self.counted;
        let more = self.markdown.get(bytes..byte).unwrap_or_default();
        self.counted = (byte, chars + more.chars().count());
        self.pieces.push(Piece {
            text: if is_done { "☑" } else { "☐" }.to_owned(),
            look: self.look.clone(),
            task: Some(self.counted.1 + 1),
        });
        self.say(" ");
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph if self.lists.is_empty() => self.separate(2),
            Tag::Heading { level, .. } => {
                self.separate(2);
                self.look.heading = number(level);
            }
            Tag::BlockQuote(_) => {
                self.separate(2);
                self.look.quotes = (self.look.quotes + 1).min(DEPTH_MAX);
            }
            Tag::CodeBlock(_) | Tag::HtmlBlock | Tag::Table(_) => {
                self.separate(2);
                self.look.is_block = true;
            }
            Tag::TableHead | Tag::TableRow => {
                self.separate(1);
                self.is_first_cell = true;
            }
            Tag::TableCell if self.is_first_cell => self.is_first_cell = false,
            Tag::TableCell => self.say(" │ "),
            Tag::List(first) => {
                self.separate(if self.lists.is_empty() { 2 } else { 1 });
                self.lists.push(first);
                self.look.lists = u8::try_from(self.lists.len())
                    .unwrap_or(DEPTH_MAX)
                    .min(DEPTH_MAX);
            }
            Tag::Item => {
                self.separate(1);
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "• ".to_owned(),
                };
                self.look.mark.clone_from(&mark);
                self.say(&mark);
            }
            Tag::FootnoteDefinition(name) => {
                self.separate(2);
                self.say(&format!("[{name}] "));
            }
            Tag::Emphasis => self.look.is_italic = true,
            Tag::Strong => self.look.is_bold = true,
            Tag::Strikethrough => self.look.is_struck = true,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.look.link = Some(dest_url.into_string());
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.look.heading = 0;
                self.separate(2);
            }
            TagEnd::BlockQuote(_) => {
                self.look.quotes = self.look.quotes.saturating_sub(1);
                self.separate(2);
            }
            TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::Table => {
                self.look.is_block = false;
                self.separate(2);
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.look.mark.clear();
                self.look.lists = u8::try_from(self.lists.len())
                    .unwrap_or(DEPTH_MAX)
                    .min(DEPTH_MAX);
                self.separate(if self.lists.is_empty() { 2 } else { 1 });
            }
            TagEnd::Emphasis => self.look.is_italic = false,
            TagEnd::Strong => self.look.is_bold = false,
            TagEnd::Strikethrough => self.look.is_struck = false,
            TagEnd::Link | TagEnd::Image => self.look.link = None,
            _ => {}
        }
    }

    fn say(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let breaks = text.len() - text.trim_end_matches('\n').len();
        self.breaks = if breaks == text.len() {
            self.breaks + breaks
        } else {
            breaks
        };
        match self.pieces.last_mut() {
            Some(last) if last.look == self.look && last.task.is_none() => last.text.push_str(text),
            _ => self.pieces.push(Piece {
                text: text.to_owned(),
                look: self.look.clone(),
                task: None,
            }),
        }
    }

    /// Sees to it that what comes stands `breaks` lines below what is there.
    fn separate(&mut self, breaks: usize) {
        let missing = breaks.saturating_sub(self.breaks);
        if missing > 0 {
            let link = self.look.link.take();
            self.say(&"\n".repeat(missing));
            self.look.link = link;
        }
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(markdown: &str) -> String {
        let pieces = render(markdown);
        pieces
            .iter()
            .map(|piece| piece.text.as_str())
            .collect::<String>()
            .trim_end()
            .to_owned()
    }

    #[test]
    fn marks_are_carried_out() {
        assert_eq!(
            text("# One\nand *two* **three** ~~four~~ `five`"),
            "One\n\nand two three four five"
        );
        assert_eq!(text("a\nb"), "a b");
        assert_eq!(text("> quoted\n\nafter"), "quoted\n\nafter");
    }

    #[test]
    fn lists_keep_their_numbers_and_ticks() {
        assert_eq!(text("- a\n- b\n  - c\n"), "• a\n• b\n• c");
        assert_eq!(text("3. a\n4. b\n"), "3. a\n4. b");
        assert_eq!(text("- [ ] open\n- [x] done\n"), "• ☐ open\n• ☑ done");
    }

    #[test]
    fn boxes_know_where_their_ticks_are() {
        let markdown = "ünö 🎉\n\n- [ ] open\n- [x] *done*\n  > 1. [ ] within\n\n    [x] code\n";
        let at = |part: &str| markdown[..markdown.find(part).unwrap_or(0)].chars().count();
        let pieces = render(markdown);
        let tasks: Vec<_> = pieces
            .iter()
            .filter_map(|piece| Some((piece.text.as_str(), piece.task?)))
            .collect();
        assert_eq!(
            tasks,
            [
                ("☐", at("] open") - 1),
                ("☑", at("] *done*") - 1),
                ("☐", at("] within") - 1),
            ]
        );
        let ticked = render("- [x] two lines");
        let open = render("- [ ] two lines");
        assert_eq!(ticked.last(), open.last(), "nothing else looks different");
    }

    #[test]
    fn looks_follow_the_marks() {
        let pieces = render("# Title\n\n[here](https://example.org) **and** `x`");
        let find = |text: &str| pieces.iter().find(|piece| piece.text.contains(text));
        assert_eq!(find("Title").map(|piece| piece.look.heading), Some(1));
        assert_eq!(
            find("here")
                .and_then(|piece| piece.look.link.clone())
                .as_deref(),
            Some("https://example.org")
        );
        assert_eq!(find("and").map(|piece| piece.look.is_bold), Some(true));
        assert_eq!(find("x").map(|piece| piece.look.is_code), Some(true));
    }

    #[test]
    fn html_is_text() {
        assert!(text("<script>alert(1)</script>").contains("<script>"));
    }

    #[test]
    fn tables_stand_in_rows() {
        assert_eq!(text("|a|b|\n|-|-|\n|1|2|\n"), "a │ b\n1 │ 2");
    }
}
