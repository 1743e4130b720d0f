// SPDX-License-Identifier: GPL-3.0-or-later
//! The time until a document's text is in memory: the one of last time is shown meanwhile, and
//! written in.
//!
//! What is written then is not on the disk before the document is loaded, so it counts as being
//! saved until then. Where loading fails it stays on the screen, to be copied, and the next attempt
//! takes it over.

use gio::prelude::*;
use gio::subclass::prelude::*;
use reflection_node::access::{Access, TopicId};

use super::properties::Document;
use super::{DocumentPhase, SaveState, Trouble};
use crate::engine::{Draft, Engine, Selection, Shown};
use crate::library::Library;

impl Document {
    /// Loads the text, unless it is there or on its way.
    pub(super) fn load(&self) {
        if !matches!(self.phase(), DocumentPhase::Closed | DocumentPhase::Failed) {
            return;
        }
        let Some((library, topic)) = self.handles() else {
            return;
        };
        self.set_phase(DocumentPhase::Opening);
        self.set_trouble(Trouble::Nothing);
        if self.is_written_ahead() {
            self.set_save_state(SaveState::Saving);
        }
        let document = self.obj().downgrade();
        self.session_tasks.spawn(async move {
            let shown = show(&document, &library, &topic).await;
            let opened = library.open_shown(&topic, shown).await;
            let Some(document) = document.upgrade() else {
                return;
            };
            match opened {
                Ok(opened) => document.imp().begin_session(opened),
                Err(_) => document.imp().not_loaded(),
            }
        });
    }

    fn not_loaded(&self) {
        let is_written = self.is_written_ahead();
        if !is_written {
            self.forget_draft();
        }
        self.set_trouble(if self.access.get() == Access::Replica {
            Trouble::Unreadable
        } else {
            Trouble::NotLoaded
        });
        if is_written {
            self.set_save_state(SaveState::Failing);
        }
        self.set_phase(DocumentPhase::Failed);
    }

    /// Ends the showing of the text of last time, and whatever was written in it.
    pub(super) fn forget_draft(&self) {
        if self.draft.take().is_some() {
            self.set_has_cached_text(false);
        }
    }

    /// Whether the text of last time takes what is typed.
    pub(super) fn is_draft_open(&self) -> bool {
        self.phase() == DocumentPhase::Opening && self.draft.borrow().is_some()
    }

    /// Whether there is something that only a session can save.
    pub(super) fn is_written_ahead(&self) -> bool {
        let draft = self.draft.borrow();
        draft.as_ref().is_some_and(Draft::is_written)
    }

    pub(super) fn change_draft<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> Option<T> {
        let mut draft = self.draft.borrow_mut();
        draft.as_mut().map(|draft| act(draft.engine_mut()))
    }

    pub(super) fn select_in_draft(&self, selection: Selection) {
        if let Some(draft) = self.draft.borrow_mut().as_mut() {
            draft.select(selection);
        }
    }

    /// Waits until what was written ahead is in the hands of a session, or cannot be.
    pub(super) async fn written_ahead_is_taken_over(&self) {
        if !self.is_written_ahead() {
            return;
        }
        let (tell, told) = async_channel::bounded(1);
        let handler = self.obj().connect_phase_notify(move |_| {
            // Full means that it is known already.
            let _ = tell.try_send(());
        });
        while self.phase() == DocumentPhase::Opening && told.recv().await.is_ok() {}
        self.obj().disconnect(handler);
    }
}

/// Gives people something to read, and to write in, while the text is made of its whole history.
async fn show(
    document: &glib::WeakRef<super::Document>,
    library: &Library,
    topic: &TopicId,
) -> Option<Shown> {
    let draft_of = |document: &super::Document| {
        let draft = document.imp().draft.borrow();
        draft.as_ref().map(|draft| draft.shown().clone())
    };
    if let Some(shown) = draft_of(&document.upgrade()?) {
        return Some(shown);
    }
    let cached = library.cached_text(topic).await.ok()??;
    if cached.text.is_empty() {
        return None;
    }
    let shown = Shown {
        text: cached.text.into(),
        position: cached.position,
    };
    let draft = Draft::new(library.node().id(), topic, shown.clone());
    let document = document.upgrade()?;
    document.imp().draft.replace(Some(draft));
    document.imp().set_has_cached_text(true);
    Some(shown)
}
