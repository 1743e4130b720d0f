// SPDX-License-Identifier: GPL-3.0-or-later
//! The pieces that are in a text buffer. They are brought up to date by what is different alone, so
//! that places in the text stay with what stands there, and nothing else is laid out anew.

use std::ops::Range;

use gtk::prelude::*;
use gtk::{gdk, pango};
use reflection_doc::engine::{Part, difference_by_words};

use super::markdown::Piece;

/// How much larger headings are, from the first level on.
const HEADING_SCALES: [f64; 6] = [1.6, 1.35, 1.2, 1.1, 1.0, 1.0];
/// Indentation for each list or quote, in pixels.
const INDENT: i32 = 24;
/// Space around the text, in pixels.
pub const MARGIN: i32 = 24;

/// What can be gone to and acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It leads there.
    Link(String),
    /// A box to be ticked, with the characters of the Markdown before its tick.
    Task(usize),
}

/// A piece in the buffer.
#[derive(Debug)]
struct Placed {
    piece: Piece,
    /// How many characters it has.
    length: usize,
    /// By how much its first line stands out, in pixels.
    outdent: i32,
}

impl Placed {
    fn looks_like(&self, other: &Self) -> bool {
        self.piece.look == other.piece.look && self.outdent == other.outdent
    }

    fn stop(&self) -> Option<Stop> {
        let task = self.piece.task.map(Stop::Task);
        task.or_else(|| self.piece.look.link.clone().map(Stop::Link))
    }
}

/// All pieces, in their order.
#[derive(Debug, Default)]
pub struct Shown {
    pieces: Vec<Placed>,
    stops: Vec<(Range<i32>, Stop)>,
}

impl Shown {
    /// Shows these in place of what is shown. `outdent` tells how wide a mark before an item is.
    pub fn become_pieces(
        &mut self,
        buffer: &gtk::TextBuffer,
        pieces: Vec<Piece>,
        outdent: impl Fn(&str) -> i32,
    ) {
        let place = |piece: Piece| Placed {
            length: piece.text.chars().count(),
            outdent: outdent(&piece.look.mark),
            piece,
        };
        let pieces: Vec<_> = pieces.into_iter().map(place).collect();
        let present = Self {
            stops: stops(&pieces),
            pieces,
        };
        let parts = difference_by_words(&self.text(), &present.text());
        let kept = self.rewrite(buffer, &parts);
        present.dress(buffer, &self.pieces, kept);
        *self = present;
    }

    fn text(&self) -> String {
        let texts = self.pieces.iter();
        texts.map(|placed| placed.piece.text.as_str()).collect()
    }

    /// Makes the text of the buffer the new one. Gives the lengths of what it consists of then, and
    /// to which piece of before each belongs, if any.
    fn rewrite(&self, buffer: &gtk::TextBuffer, parts: &[Part]) -> Vec<(usize, Option<usize>)> {
        let mut kept = Vec::new();
        let mut old = Runs::of(&self.pieces);
        let mut at = 0;
        for part in parts {
            let length = part.text().chars().count();
            match part {
                Part::Same(_) => {
                    let runs = old.take(length).into_iter();
                    kept.extend(runs.map(|(length, index)| (length, Some(index))));
                    at += length;
                }
                Part::Removed(_) => {
                    old.take(length);
                    buffer.delete(&mut place(buffer, at), &mut place(buffer, at + length));
                }
                Part::Added(text) => {
                    buffer.insert(&mut place(buffer, at), text);
                    kept.push((length, None));
                    at += length;
                }
            }
        }
        kept
    }

    /// Gives each piece its look where it has another one yet.
    fn dress(
        &self,
        buffer: &gtk::TextBuffer,
        before: &[Placed],
        kept: Vec<(usize, Option<usize>)>,
    ) {
        let mut present = Runs::of(&self.pieces);
        let mut at = 0;
        for (length, from) in kept {
            let from = from.and_then(|index| before.get(index));
            for (length, index) in present.take(length) {
                let to = &self.pieces[index];
                if !from.is_some_and(|from| from.looks_like(to)) {
                    let (start, end) = (place(buffer, at), place(buffer, at + length));
                    buffer.remove_all_tags(&start, &end);
                    for tag in tags(buffer, to) {
                        buffer.apply_tag(&tag, &start, &end);
                    }
                }
                at += length;
            }
        }
    }

    /// All links and boxes, with where they are in the buffer.
    pub fn stops(&self) -> &[(Range<i32>, Stop)] {
        &self.stops
    }

    /// What is there to act on at a place of the buffer. A box is small, so what stands right beside
    /// it belongs to it.
    pub fn stop_at(&self, offset: i32) -> Option<Stop> {
        let mut stops = self.stops.iter();
        let found = stops.find(|(range, stop)| {
            let beside = i32::from(matches!(stop, Stop::Task(_)));
            (range.start - beside..range.end + beside).contains(&offset)
        });
        found.map(|(_, stop)| stop.clone())
    }
}

fn stops(pieces: &[Placed]) -> Vec<(Range<i32>, Stop)> {
    let mut stops: Vec<(Range<i32>, Stop)> = Vec::new();
    let mut at = 0;
    for placed in pieces {
        let end = at + signed(placed.length);
        if let Some(stop) = placed.stop() {
            match stops.last_mut() {
                // A link of several looks is one link.
                Some((range, last)) if range.end == at && *last == stop => range.end = end,
                _ => stops.push((at..end, stop)),
            }
        }
        at = end;
    }
    stops
}

/// Goes through pieces by lengths that need not be theirs.
struct Runs<'a> {
    pieces: &'a [Placed],
    index: usize,
    /// How much of that piece was taken.
    taken: usize,
}

impl<'a> Runs<'a> {
    fn of(pieces: &'a [Placed]) -> Self {
        Self {
            pieces,
            index: 0,
            taken: 0,
        }
    }

    /// The next characters: how many of which piece.
    fn take(&mut self, length: usize) -> Vec<(usize, usize)> {
        let (mut left, mut runs) = (length, Vec::new());
        while let Some(piece) = self.pieces.get(self.index).filter(|_| left > 0) {
            let count = left.min(piece.length - self.taken);
            runs.push((count, self.index));
            left -= count;
            self.taken += count;
            if self.taken == piece.length {
                (self.index, self.taken) = (self.index + 1, 0);
            }
        }
        runs
    }
}

fn place(buffer: &gtk::TextBuffer, at: usize) -> gtk::TextIter {
    buffer.iter_at_offset(signed(at))
}

/// GTK counts in signed numbers; no text comes near their end.
fn signed(offset: usize) -> i32 {
    i32::try_from(offset).unwrap_or(i32::MAX)
}

/// The tag of a name, made as it is needed for the first time.
fn tag(
    buffer: &gtk::TextBuffer,
    name: &str,
    with: impl FnOnce(gtk::builders::TextTagBuilder) -> gtk::builders::TextTagBuilder,
) -> gtk::TextTag {
    let table = buffer.tag_table();
    table.lookup(name).unwrap_or_else(|| {
        let tag = with(gtk::TextTag::builder().name(name)).build();
        table.add(&tag);
        tag
    })
}

/// What links have in common. Their colour is above that of what they stand in.
pub fn link_tag(buffer: &gtk::TextBuffer) -> gtk::TextTag {
    dimmed_tag(buffer);
    tag(buffer, "link", |tag| {
        tag.underline(pango::Underline::Single)
    })
}

fn dimmed_tag(buffer: &gtk::TextBuffer) -> gtk::TextTag {
    let dimmed = gdk::RGBA::new(0.5, 0.5, 0.5, 1.0);
    tag(buffer, "dimmed", |tag| tag.foreground_rgba(&dimmed))
}

fn tags(buffer: &gtk::TextBuffer, placed: &Placed) -> Vec<gtk::TextTag> {
    let Placed { piece, outdent, .. } = placed;
    let look = &piece.look;
    let mut tags = Vec::new();
    let level = look.heading;
    if let Some(scale) = usize::from(level)
        .checked_sub(1)
        .and_then(|level| HEADING_SCALES.get(level))
    {
        tags.push(tag(buffer, &format!("heading-{level}"), |tag| {
            tag.scale(*scale).weight(700)
        }));
    }
    if look.is_bold {
        tags.push(tag(buffer, "bold", |tag| tag.weight(700)));
    }
    if look.is_italic {
        tags.push(tag(buffer, "italic", |tag| tag.style(pango::Style::Italic)));
    }
    if look.is_struck {
        tags.push(tag(buffer, "struck", |tag| tag.strikethrough(true)));
    }
    if look.is_code || look.is_block {
        tags.push(tag(buffer, "code", |tag| tag.family("monospace")));
    }
    let depth = i32::from(look.quotes) + i32::from(look.lists) + i32::from(look.is_block);
    if depth > 0 {
        let margin = MARGIN + depth * INDENT;
        tags.push(tag(buffer, &format!("margin-{margin}"), |tag| {
            tag.left_margin(margin)
        }));
    }
    if *outdent > 0 {
        // Lines that go on stand below the text and not below its mark.
        tags.push(tag(buffer, &format!("outdent-{outdent}"), |tag| {
            tag.indent(-outdent)
        }));
    }
    if look.quotes > 0 {
        tags.push(dimmed_tag(buffer));
    }
    if look.link.is_some() {
        tags.push(link_tag(buffer));
    }
    tags
}
