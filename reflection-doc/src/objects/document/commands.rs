// SPDX-License-Identifier: GPL-3.0-or-later
//! What a person does to a text other than typing: undo, formatting, looking back.
//!
//! The effects of a command are announced by the same signals as the changes of others.

use gio::subclass::prelude::*;

use super::{Document, EditRefused};
use crate::engine::{AuthorRun, Draft, EditError, Effect, Engine, Rewrite, Selection, Version};
use crate::library::PastSource;

impl Document {
    /// Takes back the last thing that was done here. Gives where caret and selection belong then;
    /// `None` if there was nothing to take back.
    pub fn undo(&self) -> Option<Selection> {
        self.reverse(true)
    }

    /// Does again what was taken back last.
    pub fn redo(&self) -> Option<Selection> {
        self.reverse(false)
    }

    fn reverse(&self, is_undo: bool) -> Option<Selection> {
        let imp = self.imp();
        let reverse = |engine: &mut Engine| {
            if is_undo {
                engine.undo()
            } else {
                engine.redo()
            }
        };
        let undone = imp.change(reverse).ok()??;
        imp.commanded(&undone.effects);
        Some(undone.selection)
    }

    /// Does a command that was worked out from the present text. Gives where caret and selection
    /// belong then.
    pub fn rewrite(&self, rewrite: &Rewrite) -> Result<Selection, EditRefused> {
        let effects = self.imp().change(|engine| engine.rewrite(rewrite))??;
        self.imp().commanded(&effects);
        Ok(rewrite.selection)
    }

    /// Makes the text what it was at some time.
    pub fn restore_text(&self, text: &str) -> Result<Selection, EditRefused> {
        let restored = self.imp().change(|engine| {
            let effects = engine.restore(text)?;
            Ok::<_, EditError>((effects, engine.selection()))
        });
        let (effects, selection) = restored??;
        self.imp().commanded(&effects);
        Ok(selection)
    }

    /// How often the text was changed on this device since the program began: the same number
    /// means that the same step is the last one.
    pub fn edits(&self) -> u64 {
        self.imp().edits.get()
    }

    /// What is typed until [`Document::end_command`] is taken back at once.
    pub fn begin_command(&self) {
        // What cannot be written in has no commands.
        let _ = self.imp().change(Engine::begin_command);
    }

    /// Ends what [`Document::begin_command`] began.
    pub fn end_command(&self) {
        let _ = self.imp().change(Engine::end_command);
    }

    /// Tells where caret and selection are, in Unicode scalar values.
    pub fn select(&self, selection: Selection) {
        if let Some(session) = self.imp().session() {
            session.engine.borrow_mut().set_selection(selection);
            self.say_place_soon();
        } else {
            self.imp().select_in_draft(selection);
        }
    }

    /// The text by who wrote it; empty while it is not open.
    pub fn author_runs(&self) -> Vec<AuthorRun> {
        let session = self.imp().session();
        session.map_or_else(Vec::new, |session| {
            session.engine.borrow_mut().author_runs()
        })
    }

    /// What is needed to look back, on any thread. `None` while the text is not open.
    pub fn past(&self) -> Option<PastSource> {
        let session = self.imp().session()?;
        let past = PastSource::of(&session.engine.borrow());
        past.ok()
    }

    /// Gives a version a name that everybody in the document sees. `false` where nothing of the
    /// name can be shown, or where the document cannot be changed.
    pub fn name_version(&self, version: &Version, name: &str) -> bool {
        let imp = self.imp();
        let Some(session) = imp.session().filter(|_| !self.is_read_only()) else {
            return false;
        };
        let now_us = u64::try_from(glib::real_time()).unwrap_or_default();
        let is_named = session
            .engine
            .borrow_mut()
            .name_version(&version.to_string(), name, now_us)
            .is_some();
        if is_named {
            session.pace.borrow_mut().edited();
            session.wake();
        }
        is_named
    }

    /// The version that is shown.
    pub fn version(&self) -> Option<Version> {
        let session = self.imp().session()?;
        let version = session.engine.borrow().version();
        Some(version)
    }
}

impl super::properties::Document {
    /// Shows what a command has done, and sends it on its way to the disk.
    fn commanded(&self, effects: &[Effect]) {
        if !effects.is_empty() {
            self.announce(effects);
            self.changed();
        }
    }

    /// Says whether there is something to take back.
    pub(super) fn show_reversible(&self) {
        let of = |engine: &Engine| (engine.can_undo(), engine.can_redo());
        let (can_undo, can_redo) = if let Some(session) = self.session() {
            of(&session.engine.borrow())
        } else {
            let draft = self.draft.borrow();
            let engine = draft.as_ref().and_then(Draft::engine);
            engine.map(of).unwrap_or_default()
        };
        self.set_can_undo(can_undo);
        self.set_can_redo(can_redo);
    }
}
