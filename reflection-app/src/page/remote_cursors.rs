// SPDX-License-Identifier: GPL-3.0-or-later
//! The others' carets and selections, drawn over the text; names for a moment after moving, and
//! under the pointer.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use gtk::prelude::*;
use gtk::{gdk, glib, graphene, gsk, pango};
use reflection_doc::objects::{Author, RemotePlace};
use reflection_node::identity::AuthorId;

use super::text_view::TextView;
use crate::people::{colour, display_name, text_colour};

/// How long a name is shown after its person has moved.
const NAME_TIME: Duration = Duration::from_millis(2_500);
/// Width of a caret, in pixels.
const CARET_WIDTH: f32 = 2.0;
/// Distance from a caret at which the pointer shows its name, in pixels.
const HOVER_DISTANCE: f32 = 6.0;
/// How much of a person's colour lies behind what they have selected.
const SELECTION_ALPHA: f32 = 0.25;
/// Space around a name, in pixels.
const NAME_PADDING: f32 = 4.0;

/// Somebody's place and look.
#[derive(Clone, Debug)]
pub struct RemoteCursor {
    /// Where.
    pub place: RemotePlace,
    /// Who, asked for name and colour when these are shown, since they may choose others.
    pub author: Author,
}

impl RemoteCursor {
    fn colour_index(&self) -> u32 {
        let said = self.place.colour;
        said.unwrap_or_else(|| self.author.colour())
    }

    /// The colour of lines and stretches in the text.
    fn text_colour(&self) -> gdk::RGBA {
        let is_dark = adw::StyleManager::default().is_dark();
        text_colour(self.colour_index(), is_dark)
    }
}

/// A name as it is drawn, for as long as it looks the same.
#[derive(Clone, Debug)]
struct DrawnName {
    name: String,
    colour: u32,
    /// What the letters look like; another one when the font changes.
    letters: u32,
    node: gsk::RenderNode,
    size: (f32, f32),
}

/// All places in one text.
#[derive(Debug, Default)]
pub struct RemoteCursors {
    cursors: RefCell<Vec<RemoteCursor>>,
    moved: RefCell<HashMap<AuthorId, Instant>>,
    tags: RefCell<HashMap<AuthorId, gtk::TextTag>>,
    names: RefCell<HashMap<AuthorId, DrawnName>>,
    pointer: Cell<Option<(f32, f32)>>,
    fading: RefCell<Option<glib::SourceId>>,
}

impl RemoteCursors {
    /// Shows these, in place of those that were shown.
    pub fn set(&self, view: &TextView, cursors: Vec<RemoteCursor>) {
        let now = Instant::now();
        {
            let before = self.cursors.borrow();
            let mut moved = self.moved.borrow_mut();
            let is_here = |author: &AuthorId| cursors.iter().any(|one| one.place.author == *author);
            moved.retain(|author, _| is_here(author));
            self.names.borrow_mut().retain(|author, _| is_here(author));
            for cursor in &cursors {
                let author = cursor.place.author;
                let is_where_it_was = before.iter().any(|one| {
                    one.place.author == author && one.place.selection == cursor.place.selection
                });
                if !is_where_it_was {
                    moved.insert(author, now);
                }
            }
        }
        self.cursors.replace(cursors);
        self.mark_selections(view);
        self.fade_later(view);
        view.queue_draw();
    }

    /// The places as the text is now; names do not appear because the text around them changed.
    pub fn follow(&self, view: &TextView, places: &[RemotePlace]) {
        for cursor in self.cursors.borrow_mut().iter_mut() {
            let found = places
                .iter()
                .find(|place| place.author == cursor.place.author);
            if let Some(place) = found {
                cursor.place = *place;
            }
        }
        self.mark_selections(view);
        view.queue_draw();
    }

    /// Notes where the pointer is, in the coordinates of the text.
    pub fn set_pointer(&self, view: &TextView, pointer: Option<(f32, f32)>) {
        let is_empty = self.cursors.borrow().is_empty();
        if self.pointer.replace(pointer) != pointer && !is_empty {
            view.queue_draw();
        }
    }

    fn mark_selections(&self, view: &TextView) {
        let buffer = view.text_buffer();
        let (start, end) = buffer.bounds();
        let mut tags = self.tags.borrow_mut();
        for tag in tags.values() {
            buffer.remove_tag(tag, &start, &end);
        }
        for cursor in self.cursors.borrow().iter() {
            let range = cursor.place.selection.range();
            if range.is_empty() {
                continue;
            }
            let make = || {
                let tag = gtk::TextTag::new(None);
                buffer.tag_table().add(&tag);
                tag
            };
            let tag = tags.entry(cursor.place.author).or_insert_with(make);
            let colour = cursor.text_colour().with_alpha(SELECTION_ALPHA);
            tag.set_background_rgba(Some(&colour));
            let place = |at: usize| buffer.iter_at_offset(i32::try_from(at).unwrap_or(i32::MAX));
            buffer.apply_tag(tag, &place(range.start), &place(range.end));
        }
    }

    /// Names disappear by themselves.
    fn fade_later(&self, view: &TextView) {
        if let Some(source) = self.fading.take() {
            source.remove();
        }
        let view = view.downgrade();
        let source = glib::timeout_add_local_once(NAME_TIME, move || {
            if let Some(view) = view.upgrade() {
                view.remote_cursors().fading.take();
                view.queue_draw();
            }
        });
        self.fading.replace(Some(source));
    }

    /// Draws carets and names, in the coordinates of the text.
    pub fn snapshot(&self, view: &TextView, snapshot: &gtk::Snapshot) {
        let visible = view.visible_rect();
        for cursor in self.cursors.borrow().iter() {
            let at = i32::try_from(cursor.place.selection.caret).unwrap_or(i32::MAX);
            let location = view.iter_location(&view.text_buffer().iter_at_offset(at));
            if location.y() + location.height() < visible.y()
                || location.y() > visible.y() + visible.height()
            {
                continue;
            }
            let caret = caret(&location);
            snapshot.append_color(&cursor.text_colour(), &caret);
            if self.shows_name(cursor, &caret)
                && let Some(name) = self.drawn_name(view, cursor)
            {
                place_name(view, snapshot, &name, &caret);
            }
        }
    }

    /// A name, drawn at most once for many frames.
    fn drawn_name(&self, view: &TextView, cursor: &RemoteCursor) -> Option<DrawnName> {
        let (name, colour) = (display_name(&cursor.author), cursor.colour_index());
        let letters = view.pango_context().serial();
        let looks_so = |drawn: &&DrawnName| {
            drawn.name == name && drawn.colour == colour && drawn.letters == letters
        };
        let mut names = self.names.borrow_mut();
        if let Some(drawn) = names.get(&cursor.place.author).filter(looks_so) {
            return Some(drawn.clone());
        }
        let (node, size) = draw_name(view, &name, colour)?;
        let drawn = DrawnName {
            name,
            colour,
            letters,
            node,
            size,
        };
        names.insert(cursor.place.author, drawn.clone());
        Some(drawn)
    }

    fn shows_name(&self, cursor: &RemoteCursor, caret: &graphene::Rect) -> bool {
        let moved = self.moved.borrow();
        let is_recent = moved
            .get(&cursor.place.author)
            .is_some_and(|moved| moved.elapsed() < NAME_TIME);
        is_recent
            || self.pointer.get().is_some_and(|(x, y)| {
                let near = caret.inset_r(-HOVER_DISTANCE, -HOVER_DISTANCE);
                near.contains_point(&graphene::Point::new(x, y))
            })
    }
}

#[allow(clippy::cast_precision_loss, reason = "pixels of a text")]
fn caret(location: &gdk::Rectangle) -> graphene::Rect {
    graphene::Rect::new(
        location.x() as f32 - CARET_WIDTH / 2.0,
        location.y() as f32,
        CARET_WIDTH,
        location.height() as f32,
    )
}

/// A name on the colour of its person, and its width and height.
#[allow(clippy::cast_precision_loss, reason = "pixels of a text")]
fn draw_name(
    view: &TextView,
    name: &str,
    colour_index: u32,
) -> Option<(gsk::RenderNode, (f32, f32))> {
    let layout = view.create_pango_layout(Some(name));
    let attributes = pango::AttrList::new();
    attributes.insert(pango::AttrFloat::new_scale(pango::SCALE_SMALL));
    attributes.insert(pango::AttrInt::new_weight(pango::Weight::Semibold));
    layout.set_attributes(Some(&attributes));
    let (width, height) = layout.pixel_size();
    let (width, height) = (
        width as f32 + 2.0 * NAME_PADDING,
        height as f32 + NAME_PADDING,
    );
    let place = graphene::Rect::new(0.0, 0.0, width, height);
    let snapshot = gtk::Snapshot::new();
    snapshot.push_rounded_clip(&gsk::RoundedRect::from_rect(place, NAME_PADDING));
    snapshot.append_color(&colour(colour_index), &place);
    // The letters stay within the padding, and would take longer to draw clipped.
    snapshot.pop();
    snapshot.translate(&graphene::Point::new(NAME_PADDING, NAME_PADDING / 2.0));
    snapshot.append_layout(&layout, &gdk::RGBA::WHITE);
    Some((snapshot.to_node()?, (width, height)))
}

/// Above the caret, or below it where there is no room above.
#[allow(clippy::cast_precision_loss, reason = "pixels of a text")]
fn place_name(view: &TextView, snapshot: &gtk::Snapshot, name: &DrawnName, caret: &graphene::Rect) {
    let (width, height) = name.size;
    let visible = view.visible_rect();
    let (left, right) = (visible.x() as f32, (visible.x() + visible.width()) as f32);
    let x = caret.x().min(right - width).max(left);
    let above = caret.y() - height;
    let y = if above < visible.y() as f32 {
        caret.y() + caret.height()
    } else {
        above
    };
    snapshot.save();
    snapshot.translate(&graphene::Point::new(x, y));
    snapshot.append_node(&name.node);
    snapshot.restore();
}
