// SPDX-License-Identifier: GPL-3.0-or-later
//! What is done here: edits, commands, undo and redo; and questions about places in the text.

use loro::{LoroError, LoroResult};
use reflection_node::identity::AuthorId;

use super::authorship::Authorship;
use super::effect::{Effect, Origin};
use super::selection::{self, Bias, CursorId, Selection};
use super::shape::{Piece, Shape};
use super::undo::{Direction, Edited};
use super::{EditError, Engine};

/// The replacement of some characters by others.
#[derive(Clone, PartialEq, Eq)]
pub struct TextEdit {
    /// Characters before it.
    pub at: usize,
    /// How many characters disappear.
    pub delete: usize,
    /// What appears instead.
    pub insert: String,
}

impl std::fmt::Debug for TextEdit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text.
        let Self { at, delete, insert } = self;
        write!(
            formatter,
            "TextEdit({at}, {delete}, {} bytes)",
            insert.len()
        )
    }
}

/// Edits that make one command, to be applied in their order, each to the text that the one
/// before has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The edits.
    pub edits: Vec<TextEdit>,
    /// Caret and selection afterwards.
    pub selection: Selection,
}

/// What undoing or redoing a step has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// What changed in the text, of the origin [`Origin::Undo`].
    pub effects: Vec<Effect>,
    /// Caret and selection to restore.
    pub selection: Selection,
}

/// Text in a row by one author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorRun {
    /// The first character.
    pub from: usize,
    /// The character behind the last.
    pub to: usize,
    /// Who wrote it; `None` only where no operation of the author was ever seen here.
    pub author: Option<AuthorId>,
}

impl Engine {
    /// Replaces `delete` characters at `at` by `insert`, as typed or pasted here.
    pub fn edit(&mut self, at: usize, delete: usize, insert: &str) -> Result<(), EditError> {
        let length = self.len_chars();
        let end = at.saturating_add(delete);
        let refused = EditError::OutOfBounds { at: end, length };
        if self.is_broken {
            return Err(EditError::Broken);
        }
        if end > length {
            return Err(refused);
        }
        if delete == 0 && insert.is_empty() {
            return Ok(());
        }
        let deleted = self.replace(at, delete, insert).map_err(|_| refused)?;
        let before = self.selection;
        let inserted = insert.chars().count();
        self.spliced(at, delete, inserted, self.peer.get());
        if (at..=end).contains(&before.caret) {
            self.selection = Selection::caret(at + inserted);
        }
        self.undo.edited(&Edited {
            at,
            deleted: &deleted,
            inserted: insert,
            before,
            after: self.selection,
            now_ms: (self.clock)(),
        });
        Ok(())
    }

    /// Changes the CRDT's text and gives what was deleted.
    fn replace(&self, at: usize, delete: usize, insert: &str) -> LoroResult<String> {
        let deleted = if delete > 0 {
            let deleted = self.text.slice(at, at + delete)?;
            self.text.delete(at, delete)?;
            deleted
        } else {
            String::new()
        };
        if !insert.is_empty() {
            self.text.insert(at, insert)?;
        }
        Ok(deleted)
    }

    /// Begins a command: what is edited until [`Engine::end_command`] is undone at once, and
    /// single letters may still join the typing before it. Commands may contain commands.
    pub fn begin_command(&mut self) {
        self.undo.begin_command();
    }

    /// Ends what [`Engine::begin_command`] began.
    pub fn end_command(&mut self) {
        self.undo.end_command();
    }

    /// Does a command that was worked out elsewhere, as one step of undo. On an error the edits
    /// before the refused one stand.
    pub fn rewrite(&mut self, rewrite: &Rewrite) -> Result<Vec<Effect>, EditError> {
        self.undo.break_step();
        self.begin_command();
        let mut effects = Vec::new();
        let outcome = rewrite.edits.iter().try_for_each(|edit| {
            self.edit(edit.at, edit.delete, &edit.insert)?;
            push_effects(&mut effects, edit, Origin::Local);
            Ok(())
        });
        self.end_command();
        self.undo.break_step();
        outcome?;
        self.set_selection(rewrite.selection);
        if !effects.is_empty() {
            self.undo.left_at(self.selection);
        }
        Ok(effects)
    }

    /// Where the person's caret and selection are, as far as the engine was told.
    pub fn selection(&self) -> Selection {
        self.selection
    }

    /// Tells where the person's caret and selection are. Elsewhere than where the last edit left
    /// the caret, a new step of undo begins.
    pub fn set_selection(&mut self, selection: Selection) {
        let length = self.len_chars();
        self.selection = Selection {
            anchor: selection.anchor.min(length),
            caret: selection.caret.min(length),
        };
        let expected = self.undo.expected_caret();
        if !selection.is_caret() || expected.is_some_and(|caret| caret != selection.caret) {
            self.undo.break_step();
        }
    }

    /// Whether there is something to undo.
    pub fn can_undo(&self) -> bool {
        self.undo.can(Direction::Undo)
    }

    /// Whether there is something to redo.
    pub fn can_redo(&self) -> bool {
        self.undo.can(Direction::Redo)
    }

    /// Takes back the last step that was done here, as far as others have left something of it.
    /// `None` if nothing is left to take back.
    pub fn undo(&mut self) -> Option<Undone> {
        self.reverse(Direction::Undo)
    }

    /// Does again what was undone last.
    pub fn redo(&mut self) -> Option<Undone> {
        self.reverse(Direction::Redo)
    }

    fn reverse(&mut self, direction: Direction) -> Option<Undone> {
        let mut effects = Vec::new();
        let mut is_first = true;
        while let Some(reversal) = self.undo.take(direction) {
            if !reversal.shape.is_empty() {
                let (shape, text) = (&reversal.shape, &reversal.text);
                let (done, deleted) = self.apply_shape(shape, text, Origin::Undo);
                self.undo.applied(direction, &reversal, deleted, is_first);
                effects.extend(done);
                is_first = false;
            }
            // A step of which others have left nothing is not worth a keystroke.
            if reversal.ends_step && !effects.is_empty() {
                self.selection = reversal.target;
                return Some(Undone {
                    effects,
                    selection: reversal.target,
                });
            }
        }
        None
    }

    /// Changes the text, inserting what stands in `text` one after the other; gives what changed
    /// and all that was deleted.
    pub(super) fn apply_shape(
        &mut self,
        shape: &Shape,
        text: &str,
        origin: Origin,
    ) -> (Vec<Effect>, String) {
        let (mut effects, mut deleted) = (Vec::new(), String::new());
        let mut letters = text.chars();
        let mut at = 0;
        for piece in shape.pieces() {
            match *piece {
                Piece::Keep(count) => at += count,
                Piece::Insert(count) => {
                    let text: String = letters.by_ref().take(count).collect();
                    if self.replace(at, 0, &text).is_ok() {
                        self.spliced(at, 0, count, self.peer.get());
                        effects.push(Effect::Insert { at, text, origin });
                    }
                    at += count;
                }
                Piece::Delete(count) => {
                    let gone: Result<_, LoroError> = self.replace(at, count, "");
                    if let Ok(gone) = gone {
                        deleted.push_str(&gone);
                        self.spliced(at, count, 0, self.peer.get());
                        effects.push(Effect::Delete { at, count, origin });
                    }
                }
            }
        }
        (effects, deleted)
    }

    /// Keeps a place in the text that follows every change.
    pub fn add_cursor(&mut self, at: usize, bias: Bias) -> CursorId {
        let at = at.min(self.len_chars());
        self.cursors.add(at, bias)
    }

    /// Where a place is by now. `None` if it was removed.
    pub fn cursor(&self, id: CursorId) -> Option<usize> {
        self.cursors.get(id)
    }

    /// Sets a place anew.
    pub fn set_cursor(&mut self, id: CursorId, at: usize) {
        let at = at.min(self.len_chars());
        self.cursors.set(id, at);
    }

    /// Forgets a place.
    pub fn remove_cursor(&mut self, id: CursorId) {
        self.cursors.remove(id);
    }

    /// Describes a place for somebody who may have a newer or an older text, in a few bytes of a
    /// fixed length that tell nothing of the text.
    pub fn describe_place(&self, at: usize) -> Vec<u8> {
        self.commit();
        selection::describe(&self.text, at)
    }

    /// Finds a place that somebody has described, once, when it arrives. `None` if the bytes are
    /// no description.
    pub fn find_place(&self, described: &[u8]) -> Option<usize> {
        selection::resolve(&self.doc, &self.text, described)
    }

    /// The whole text by who wrote it.
    pub fn author_runs(&mut self) -> Vec<AuthorRun> {
        self.commit();
        let authorship = self
            .authorship
            .get_or_insert_with(|| Authorship::read(&self.text));
        let mut runs: Vec<AuthorRun> = Vec::new();
        let mut from = 0;
        for run in authorship.runs() {
            let to = from + run.count;
            let author = self.authors.get(&run.peer).copied();
            match runs.last_mut() {
                Some(last) if last.author == author => last.to = to,
                _ => runs.push(AuthorRun { from, to, author }),
            }
            from = to;
        }
        runs
    }

    /// Stops following who wrote what, which gives its memory back.
    pub fn forget_author_runs(&mut self) {
        self.authorship = None;
    }
}

/// What an edit does to a copy of the text.
pub(super) fn push_effects(effects: &mut Vec<Effect>, edit: &TextEdit, origin: Origin) {
    let (at, count) = (edit.at, edit.delete);
    if count > 0 {
        effects.push(Effect::Delete { at, count, origin });
    }
    if !edit.insert.is_empty() {
        let text = edit.insert.clone();
        effects.push(Effect::Insert { at, text, origin });
    }
}
