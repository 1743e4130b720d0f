// SPDX-License-Identifier: GPL-3.0-or-later
//! What a person does to a text other than typing: undo, formatting, looking back.
//!
//! The effects of a command are announced by the same signals as the changes of others.

use gio::subclass::prelude::*;

use super::session::Session;
use super::{Document, EditRefused, SaveState};
use crate::engine::{AuthorRun, Effect, Rewrite, Selection, Version};
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
        if self.is_read_only() {
            return None;
        }
        let session = imp.session()?;
        let undone = {
            let mut engine = session.engine.borrow_mut();
            if is_undo {
                engine.undo()
            } else {
                engine.redo()
            }
        }?;
        imp.commanded(&session, &undone.effects);
        Some(undone.selection)
    }

    /// Does a command that was worked out from the present text. Gives where caret and selection
    /// belong then.
    pub fn rewrite(&self, rewrite: &Rewrite) -> Result<Selection, EditRefused> {
        let (session, effects) = self.command(|session| {
            let mut engine = session.engine.borrow_mut();
            Ok(engine.rewrite(rewrite)?)
        })?;
        self.imp().commanded(&session, &effects);
        Ok(rewrite.selection)
    }

    /// Makes the text what it was at some time.
    pub fn restore_text(&self, text: &str) -> Result<Selection, EditRefused> {
        let (session, effects) = self.command(|session| {
            let mut engine = session.engine.borrow_mut();
            Ok(engine.restore(text)?)
        })?;
        self.imp().commanded(&session, &effects);
        let selection = session.engine.borrow().selection();
        Ok(selection)
    }

    fn command(
        &self,
        act: impl FnOnce(&Session) -> Result<Vec<Effect>, EditRefused>,
    ) -> Result<(std::rc::Rc<Session>, Vec<Effect>), EditRefused> {
        let session = self.imp().session().ok_or(EditRefused::NotOpen)?;
        if self.is_read_only() {
            return Err(EditRefused::ReadOnly);
        }
        let effects = act(&session)?;
        Ok((session, effects))
    }

    /// What is typed until [`Document::end_command`] is taken back at once.
    pub fn begin_command(&self) {
        if let Some(session) = self.imp().session() {
            session.engine.borrow_mut().begin_command();
        }
    }

    /// Ends what [`Document::begin_command`] began.
    pub fn end_command(&self) {
        if let Some(session) = self.imp().session() {
            session.engine.borrow_mut().end_command();
        }
    }

    /// Tells where caret and selection are, in Unicode scalar values.
    pub fn select(&self, selection: Selection) {
        if let Some(session) = self.imp().session() {
            session.engine.borrow_mut().set_selection(selection);
            self.say_place_soon();
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
    fn commanded(&self, session: &Session, effects: &[Effect]) {
        if effects.is_empty() {
            return;
        }
        session.pace.borrow_mut().edited();
        if self.save_state() != SaveState::Failing {
            self.set_save_state(SaveState::Saving);
        }
        self.announce(effects);
        self.show_reversible(session);
        session.wake();
    }

    /// Says whether there is something to take back.
    pub(super) fn show_reversible(&self, session: &Session) {
        let (can_undo, can_redo) = {
            let engine = session.engine.borrow();
            (engine.can_undo(), engine.can_redo())
        };
        self.set_can_undo(can_undo);
        self.set_can_redo(can_redo);
    }
}
