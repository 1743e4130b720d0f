// SPDX-License-Identifier: GPL-3.0-or-later
//! The time during which a document's text is in memory.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gio::prelude::*;
use gio::subclass::prelude::*;
use reflection_node::Position;
use reflection_node::pipeline::{Delivered, DocumentStream, StreamError};

use super::cursors::Others;
use super::properties::Document;
use super::{DocumentPhase, EditRefused, SaveState, Trouble};
use crate::company::Company;
use crate::engine::{Effect, Engine, Intake, Origin, Pace, title};
use crate::library::preview;
use crate::open_document::{HeldTurn, OpenDocument, Publisher};

/// Pause between attempts to let go of a text that could not be saved.
const RELEASE_RETRY: Duration = Duration::from_secs(2);
/// How often it is looked whether what was on its way to the disk has arrived.
const IN_FLIGHT_LOOK: Duration = Duration::from_millis(10);
/// How long marks of what has been read are collected: they are of no use to anybody at once.
const MARK_READ_DELAY: Duration = Duration::from_secs(1);

/// A text in memory and the way to the disk.
pub(super) struct Session {
    pub(super) engine: RefCell<Engine>,
    pub(super) publisher: RefCell<Publisher>,
    pub(super) pace: RefCell<Pace>,
    /// Wakes the task that saves; one message is enough, however many edits there were.
    pub(super) wake: async_channel::Sender<()>,
    /// Whether somebody waits for everything to be saved.
    pub(super) is_urgent: Cell<bool>,
    /// Those who wait; they are told how the next attempt ended.
    pub(super) waiting: RefCell<Vec<async_channel::Sender<bool>>>,
    /// Up to which position of the stream the text holds everything.
    position: Cell<Position>,
    /// How many bodies are on their way to the disk.
    pub(super) in_flight: Cell<usize>,
    /// The others who have the document open.
    pub(super) company: Option<Company>,
    /// Where they are in the text.
    pub(super) others: Others,
    /// Keeps others in this process from opening the document.
    _turn: HeldTurn,
}

impl Document {
    pub(super) fn session(&self) -> Option<Rc<Session>> {
        self.session.borrow().clone()
    }

    /// Takes note that somebody opens it.
    pub(super) fn note_opening(&self) {
        self.used(now_us());
        if let Some((library, topic)) = self.handles() {
            self.tasks.spawn(async move {
                // Without it the list is in another order after a restart, and nothing worse.
                let _ = library.used(&topic).await;
            });
        }
    }

    pub(super) fn begin_session(&self, mut opened: OpenDocument) {
        let draft = self.draft.take();
        let effects = draft.map_or_else(Vec::new, |draft| {
            opened.engine.take_over_draft(draft, &opened.since)
        });
        let (wake, woken) = async_channel::bounded(1);
        let session = Rc::new(Session {
            engine: RefCell::new(opened.engine),
            publisher: RefCell::new(opened.publisher),
            pace: RefCell::default(),
            wake,
            is_urgent: Cell::new(false),
            waiting: RefCell::default(),
            position: Cell::new(opened.stream.position()),
            in_flight: Cell::new(0),
            company: opened.company,
            others: Others::default(),
            _turn: opened.turn,
        });
        self.set_access(opened.access);
        self.session.replace(Some(session.clone()));
        self.session_tasks.spawn(receive(
            self.obj().downgrade(),
            session.clone(),
            opened.stream,
        ));
        self.session_tasks
            .spawn(super::commits::save(self.obj().downgrade(), session, woken));
        if !effects.is_empty() {
            self.announce(&effects);
        }
        self.show_text_facts();
        self.set_phase(DocumentPhase::Open);
        self.set_has_cached_text(false);
        self.save_what_was_written_ahead();
        self.refresh_status();
        self.refresh_authors();
        self.mark_read();
        // Everybody may have left while it was loading.
        if self.viewers.get() == 0 {
            self.release_soon();
        }
    }

    fn save_what_was_written_ahead(&self) {
        let Some(session) = self.session() else {
            return;
        };
        if session.has_unsaved() {
            self.changed();
        } else {
            // Nothing was written, or all of it was taken back.
            self.set_save_state(SaveState::Saved);
            self.show_reversible();
        }
        self.obj().say_place_soon();
    }

    /// Lets the text go where it stands. For a document that is deleted, or an object that ends.
    pub(super) fn end_session(&self) {
        self.session_tasks.abort();
        self.forget_draft();
        if let Some(session) = self.session.take() {
            session.tell_waiting(false);
            self.set_can_undo(false);
            self.set_can_redo(false);
            self.set_phase(DocumentPhase::Closed);
        }
    }

    /// Lets the text go once it is saved, unless somebody looks at it again by then.
    pub(super) fn release_soon(&self) {
        let document = self.obj().clone();
        // Holds the object, so that nothing typed is dropped with it.
        glib::spawn_future_local(async move {
            let imp = document.imp();
            while imp.viewers.get() == 0 {
                let Some(session) = imp.session() else { return };
                if session.flush().await {
                    if imp.viewers.get() == 0 && !session.has_unsaved() {
                        imp.keep_text(&session);
                        imp.end_session();
                    }
                    return;
                }
                glib::timeout_future(RELEASE_RETRY).await;
            }
        });
    }

    /// Leaves the text to the library, so that nobody has to work it out again.
    fn keep_text(&self, session: &Session) {
        let Some((library, topic)) = self.handles() else {
            return;
        };
        let position = session.position.get();
        let (text, people) = {
            let engine = session.engine.borrow();
            (engine.text(), engine.people())
        };
        let document = self.obj().downgrade();
        self.tasks.spawn(async move {
            // Without it the text is worked out when somebody asks for it.
            let _ = library.keep_text(&topic, position, text, people).await;
            // What the list shows below the title is of that text.
            if let (Ok(summary), Some(document)) =
                (library.summary(&topic).await, document.upgrade())
            {
                document.imp().show_summary(&summary);
            }
        });
    }

    /// An edit made here.
    pub(super) fn edit(&self, at: u32, delete: u32, insert: &str) -> Result<(), EditRefused> {
        self.change(|engine| engine.edit(at as usize, delete as usize, insert))??;
        self.changed();
        self.obj().say_place_soon();
        self.show_elsewhere(at as usize, delete as usize, insert);
        Ok(())
    }

    /// Does something to the text: to the one in memory, or to the one that is shown until then.
    pub(super) fn change<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> Result<T, EditRefused> {
        let session = self.session();
        if session.is_none() && !self.is_draft_open() {
            return Err(EditRefused::NotOpen);
        }
        if self.is_read_only.get() {
            return Err(EditRefused::ReadOnly);
        }
        let changed = match session {
            Some(session) => Some(act(&mut session.engine.borrow_mut())),
            None => self.change_draft(act),
        };
        changed.ok_or(EditRefused::NotOpen)
    }

    /// What was changed here is on its way to the disk, or will be once there is a session.
    pub(super) fn changed(&self) {
        self.edits.set(self.edits.get() + 1);
        if self.save_state() != SaveState::Failing {
            self.set_save_state(SaveState::Saving);
        }
        self.show_reversible();
        if let Some(session) = self.session() {
            session.pace.borrow_mut().edited();
            session.wake();
        }
    }

    /// Announces an edit where more than one show the text. Whoever made it does not listen
    /// meanwhile.
    fn show_elsewhere(&self, at: usize, count: usize, insert: &str) {
        if self.viewers.get() < 2 {
            return;
        }
        let (origin, mut effects) = (Origin::Local, Vec::new());
        if count > 0 {
            effects.push(Effect::Delete { at, count, origin });
        }
        if !insert.is_empty() {
            let text = insert.to_owned();
            effects.push(Effect::Insert { at, text, origin });
        }
        self.announce(&effects);
    }

    /// Takes over what the node delivered and announces what it changed.
    fn apply(&self, session: &Session, batch: &[Delivered]) {
        let effects = session.engine.borrow_mut().apply(batch);
        let Ok(effects) = effects else {
            self.set_trouble(Trouble::NotShown);
            return;
        };
        if let Some(last) = batch.last() {
            session.position.set(last.position);
        }
        let own = session.engine.borrow().author();
        if batch.iter().any(|delivered| delivered.author != own) {
            self.has_content.set(true);
        }
        if let Some(newest_us) = batch.iter().map(|delivered| delivered.time_us).max() {
            // Clocks of others may be wrong; nothing was changed in the future.
            self.set_updated_us(newest_us.min(now_us()).max(self.obj().updated_us()));
            self.used(0);
        }
        if !effects.is_empty() {
            self.announce(&effects);
            self.show_reversible();
            // A place may have come before the text that it is in.
            self.obj().presence_changed();
            self.mark_read();
        }
        self.show_text_facts();
        self.show_names();
    }

    /// Goes on with what is stored now, after some of it was replaced.
    async fn begin_again(&self, session: &Session) -> Option<DocumentStream> {
        let (library, topic) = self.handles()?;
        let Ok((fresh, stream, publisher)) = library.reload(&topic).await else {
            self.set_trouble(Trouble::NotShown);
            return None;
        };
        // What is on its way to the disk comes back, as it was made for what is no more.
        while session.in_flight.get() > 0 {
            glib::timeout_future(IN_FLIGHT_LOOK).await;
        }
        let replaced = session.engine.borrow_mut().begin_again(fresh);
        let Ok(effects) = replaced else {
            self.set_trouble(Trouble::NotShown);
            return None;
        };
        session.publisher.replace(publisher);
        if !effects.is_empty() {
            self.announce(&effects);
        }
        self.show_text_facts();
        session.wake();
        Some(stream)
    }

    pub(super) fn announce(&self, effects: &[Effect]) {
        let object = self.obj();
        let offset = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        object.emit_by_name::<()>("changing", &[]);
        for effect in effects {
            match effect {
                Effect::Insert { at, text, .. } => {
                    object.emit_by_name::<()>("text-inserted", &[&offset(*at), text]);
                }
                Effect::Delete { at, count, .. } => {
                    object.emit_by_name::<()>("text-deleted", &[&offset(*at), &offset(*count)]);
                }
            }
        }
        let is_by_others = |effect: &Effect| matches!(effect.origin(), Origin::Remote(_));
        let by_others = effects.iter().any(is_by_others);
        object.emit_by_name::<()>("changed", &[&by_others]);
    }

    /// Title and length, from the text itself.
    pub(super) fn show_text_facts(&self) {
        let Some(session) = self.session() else {
            return;
        };
        let (beginning, chars) = {
            let engine = session.engine.borrow();
            (engine.beginning(), engine.len_chars())
        };
        self.set_title(&title(&beginning));
        self.set_preview(&preview(&beginning));
        self.set_chars(chars as u64);
        self.refresh_waiting();
    }

    /// Whoever has the text before their eyes has read what arrives.
    fn mark_read(&self) {
        self.set_is_unread(false);
        let Some((library, topic)) = self.handles() else {
            return;
        };
        if self.is_marking_read.replace(true) {
            return;
        }
        let document = self.obj().downgrade();
        self.tasks.spawn(async move {
            glib::timeout_future(MARK_READ_DELAY).await;
            match document.upgrade() {
                Some(document) => document.imp().is_marking_read.set(false),
                None => return,
            }
            // A mark that could not be written shows the dot again, and nothing worse.
            let _ = library.mark_read(&topic).await;
            if let Some(document) = document.upgrade() {
                document.imp().set_is_unread(false);
            }
        });
    }

    pub(super) fn phase(&self) -> DocumentPhase {
        self.obj().phase()
    }

    pub(super) fn save_state(&self) -> SaveState {
        self.obj().save_state()
    }
}

/// Takes what others wrote, as it is committed here.
async fn receive(
    document: glib::WeakRef<super::Document>,
    session: Rc<Session>,
    mut stream: DocumentStream,
) {
    let mut intake = Intake::default();
    loop {
        let rest = intake.rest(Instant::now());
        if !rest.is_zero() {
            glib::timeout_future(rest).await;
        }
        let batch = stream.next().await;
        let Some(document) = document.upgrade() else {
            return;
        };
        match batch {
            Ok(batch) => {
                intake.takes(batch.len(), Instant::now());
                document.imp().apply(&session, &batch);
            }
            Err(StreamError::Closed) => return,
            Err(StreamError::Rebuilt) => match document.imp().begin_again(&session).await {
                Some(fresh) => stream = fresh,
                None => return,
            },
            Err(_) => {
                document.imp().set_trouble(Trouble::NotShown);
                return;
            }
        }
    }
}

fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        })
}
