// SPDX-License-Identifier: GPL-3.0-or-later
//! Writing in a text before the document is loaded.
//!
//! The text that was worked out last is shown at once, and what is written in it meanwhile is kept
//! with a small engine of its own: undo, redo and commands work as in any other. When the document
//! is there, all of that is moved over what had come since that text was worked out, made once
//! more upon the document, and stored like anything else that is typed. What is written here goes
//! before what others wrote at the same place, as it does under the hands of others.

use std::sync::Arc;

use reflection_node::Position;
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;

use super::effect::{Effect, Origin};
use super::shape::{Piece, Shape, Side};
use super::undo::Pending;
use super::{Engine, Selection};

/// A text that somebody sees before the document is loaded.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown {
    /// The text.
    pub text: Arc<str>,
    /// Up to which position of the document's stream it holds everything.
    pub position: Position,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text.
        write!(
            formatter,
            "Shown({} bytes, to {})",
            self.text.len(),
            self.position
        )
    }
}

/// A shown text and what is written in it.
#[derive(Debug)]
pub struct Draft {
    shown: Shown,
    author: AuthorId,
    topic: TopicId,
    /// Where the caret was put before anything was written.
    selection: Selection,
    /// Made when something is written: most texts are loaded before that.
    engine: Option<Engine>,
}

impl Draft {
    /// Begins to show a text.
    pub fn new(author: AuthorId, topic: &TopicId, shown: Shown) -> Self {
        Self {
            shown,
            author,
            topic: *topic,
            selection: Selection::default(),
            engine: None,
        }
    }

    /// The text as it was worked out last.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The text with what has been written in it.
    pub fn text(&self) -> String {
        match &self.engine {
            Some(engine) => engine.text(),
            None => self.shown.text.to_string(),
        }
    }

    /// Tells where caret and selection are.
    pub fn select(&mut self, selection: Selection) {
        match &mut self.engine {
            Some(engine) => engine.set_selection(selection),
            None => self.selection = selection,
        }
    }

    /// Whether anything was written in it, though it may have been taken back.
    pub fn is_written(&self) -> bool {
        let engine = self.engine.as_ref();
        engine.is_some_and(|engine| engine.can_undo() || engine.can_redo())
    }

    /// What it is written with, once something was.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// What it is written with. None of its changes is ever to be stored.
    pub fn engine_mut(&mut self) -> &mut Engine {
        let (author, topic) = (self.author, &self.topic);
        let (text, selection) = (&self.shown.text, self.selection);
        self.engine.get_or_insert_with(|| {
            let mut engine = Engine::new(author, topic, 0);
            // An empty text takes an insertion at its beginning.
            let _ = engine.text.insert(0, text);
            engine.commit();
            engine.set_selection(selection);
            engine.written = Some(Pending::default());
            engine
        })
    }
}

impl Engine {
    /// Takes over what was written in a text that was shown while this one was being loaded;
    /// `since` leads from that text, as it was without anything written, to this one. Undo and the
    /// selection are those of the draft. Gives what that changes on the screen.
    pub fn take_over_draft(&mut self, draft: Draft, since: &[Effect]) -> Vec<Effect> {
        let change = shape_of(since);
        let arrived = inserted_text(&change, &self.text());
        let Some(mut written) = draft.engine else {
            self.selection = draft.selection.moved(&change);
            return effects_of(&change, &arrived);
        };
        let edits = written.written.as_mut().and_then(Pending::take);
        let edits = edits.unwrap_or_default();
        let typed = inserted_text(&edits, &written.text());
        let theirs = change.after(&edits, Side::Right);
        let ours = edits.after(&change, Side::Left);
        self.apply_shape(&ours, &typed, Origin::Local);
        self.undo = std::mem::take(&mut written.undo);
        if !theirs.is_empty() {
            self.undo.changed_by_others(&theirs);
        }
        self.selection = written.selection.moved(&theirs);
        self.clock = Arc::clone(&written.clock);
        effects_of(&theirs, &arrived)
    }
}

/// All of the effects in one.
fn shape_of(effects: &[Effect]) -> Shape {
    let mut all = Pending::default();
    for effect in effects {
        all.push(match effect {
            Effect::Insert { at, text, .. } => Shape::splice(*at, 0, text.chars().count()),
            Effect::Delete { at, count, .. } => Shape::splice(*at, *count, 0),
        });
    }
    all.take().unwrap_or_default()
}

/// What a change has inserted into the text that it has led to, one after the other.
fn inserted_text(change: &Shape, after: &str) -> String {
    let mut letters = after.chars();
    let mut inserted = String::new();
    for piece in change.pieces() {
        match *piece {
            Piece::Keep(count) => {
                // Behind the end there is nothing to skip.
                let _ = count.checked_sub(1).and_then(|last| letters.nth(last));
            }
            Piece::Insert(count) => inserted.extend(letters.by_ref().take(count)),
            Piece::Delete(_) => {}
        }
    }
    inserted
}

/// A change step by step, inserting what stands in `text` one after the other.
fn effects_of(change: &Shape, text: &str) -> Vec<Effect> {
    let mut letters = text.chars();
    let (mut at, origin) = (0, Origin::Remote(None));
    let mut effects = Vec::new();
    for piece in change.pieces() {
        match *piece {
            Piece::Keep(count) => at += count,
            Piece::Insert(count) => {
                let text = letters.by_ref().take(count).collect();
                effects.push(Effect::Insert { at, text, origin });
                at += count;
            }
            Piece::Delete(count) => effects.push(Effect::Delete { at, count, origin }),
        }
    }
    effects
}
