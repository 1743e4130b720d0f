// SPDX-License-Identifier: GPL-3.0-or-later
//! The properties of a document and how they change.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::LazyLock;

use gio::prelude::*;
use gio::subclass::prelude::*;
use glib::subclass::Signal;
use reflection_node::access::{Access, TopicId};
use reflection_node::identity::AuthorId;

use super::session::Session;
use super::{DocumentPhase, SaveState, Trouble};
use crate::engine::{Draft, Person};
use crate::library::{DocumentSummary, Library, Profile};
use crate::objects::Authors;
use crate::objects::tasks::Tasks;

/// The state of a document; every property is read-only to the outside.
#[derive(glib::Properties)]
#[properties(wrapper_type = super::Document)]
pub struct Document {
    pub(super) library: OnceCell<Library>,
    pub(super) topic: OnceCell<TopicId>,
    pub(super) access: Cell<Access>,
    /// How many show the text.
    pub(super) viewers: Cell<u32>,
    /// How often the text was changed here.
    pub(super) edits: Cell<u64>,
    pub(super) session: RefCell<Option<Rc<Session>>>,
    /// Tasks of the session: loading, receiving, saving.
    pub(super) session_tasks: Tasks,
    /// Short questions to the node.
    pub(super) tasks: Tasks,
    /// Whether anything ever arrived, or somebody's copy was compared with ours to the end: from
    /// then on an empty text is empty and not awaited.
    pub(super) has_content: Cell<bool>,
    /// Whether anybody else has written anything.
    pub(super) others_wrote: Cell<bool>,
    /// Whether it came by a code rather than being made here.
    pub(super) is_joined: Cell<bool>,
    pub(super) is_marking_read: Cell<bool>,
    /// Where the caret was when somebody looked at it last.
    pub(super) last_caret: Cell<u32>,
    /// When it was opened here last, microseconds since 1970; 0 for never.
    pub(super) used_us: Cell<u64>,
    /// Whether it was asked who takes part.
    pub(super) has_met_people: Cell<bool>,
    /// The names and colours that those who are here say they have.
    pub(super) said: RefCell<HashMap<AuthorId, (String, Option<u32>)>>,
    /// The names that people have in the text as the library knows it.
    pub(super) known: RefCell<Vec<Person>>,
    /// In which session the others were told who is here, and what.
    pub(super) introduced: RefCell<Option<(Weak<Session>, Profile)>>,
    /// Who wrote what arrived last.
    pub(super) last_writer: Cell<Option<AuthorId>>,
    /// Whether who takes part is about to be asked again.
    pub(super) is_meeting: Cell<bool>,

    /// The id as text.
    #[property(get, construct_only)]
    id: RefCell<String>,
    /// What the text begins with; empty while there is nothing to take it from.
    #[property(get)]
    title: RefCell<String>,
    /// When something last changed, microseconds since 1970.
    #[property(get)]
    updated_us: Cell<u64>,
    /// When it was changed, or opened on this device, whichever was later; microseconds since 1970.
    #[property(get)]
    last_use_us: Cell<u64>,
    /// How many Unicode scalar values the text has.
    #[property(get)]
    chars: Cell<u64>,
    /// Whether something arrived since it was last looked at.
    #[property(get)]
    is_unread: Cell<bool>,
    /// The beginning of what follows the title, on one line, as the library knows it.
    #[property(get)]
    preview: RefCell<String>,
    /// Whether it stays at the top of the list.
    #[property(get)]
    is_pinned: Cell<bool>,
    /// Whether it is put away.
    #[property(get)]
    is_archived: Cell<bool>,
    /// Whether this device may not change it.
    #[property(get)]
    pub(super) is_read_only: Cell<bool>,
    /// Whether it was joined and nothing of it has arrived yet.
    #[property(get)]
    is_waiting: Cell<bool>,
    /// The text as it was last worked out and what has been written in it, while the document is
    /// opening.
    pub(super) draft: RefCell<Option<Draft>>,
    /// Whether there is a text though the document is not loaded: the one of last time while it is
    /// opening, to be shown and written in; and where opening has failed, what was written then.
    #[property(get)]
    has_cached_text: Cell<bool>,
    /// Whether the text is in memory.
    #[property(get, builder(DocumentPhase::default()))]
    phase: Cell<DocumentPhase>,
    /// Whether what was typed here is on the disk.
    #[property(get, builder(SaveState::default()))]
    save_state: Cell<SaveState>,
    /// What is wrong, if anything.
    #[property(get, builder(Trouble::default()))]
    trouble: Cell<Trouble>,
    /// How many others have it open.
    #[property(get)]
    people_here: Cell<u32>,
    /// How many other devices a connection stands to that carries this document, whether or not
    /// anybody there has it open.
    #[property(get)]
    devices_connected: Cell<u32>,
    /// How many of those have everything that is saved here.
    #[property(get)]
    people_in_step: Cell<u32>,
    /// Whether something that was done here can be taken back.
    #[property(get)]
    can_undo: Cell<bool>,
    /// Whether something that was taken back can be done again.
    #[property(get)]
    can_redo: Cell<bool>,
    /// Everybody who takes part.
    #[property(get)]
    pub(super) authors: RefCell<Authors>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            library: OnceCell::new(),
            topic: OnceCell::new(),
            access: Cell::new(Access::Replica),
            viewers: Cell::default(),
            edits: Cell::default(),
            session: RefCell::default(),
            session_tasks: Tasks::default(),
            tasks: Tasks::default(),
            has_content: Cell::default(),
            others_wrote: Cell::default(),
            is_joined: Cell::default(),
            is_marking_read: Cell::default(),
            last_caret: Cell::default(),
            used_us: Cell::default(),
            has_met_people: Cell::default(),
            said: RefCell::default(),
            known: RefCell::default(),
            introduced: RefCell::default(),
            last_writer: Cell::default(),
            is_meeting: Cell::default(),
            id: RefCell::default(),
            title: RefCell::default(),
            updated_us: Cell::default(),
            last_use_us: Cell::default(),
            chars: Cell::default(),
            is_unread: Cell::default(),
            preview: RefCell::default(),
            is_pinned: Cell::default(),
            is_archived: Cell::default(),
            is_read_only: Cell::default(),
            is_waiting: Cell::default(),
            draft: RefCell::default(),
            has_cached_text: Cell::default(),
            phase: Cell::default(),
            save_state: Cell::default(),
            trouble: Cell::default(),
            people_here: Cell::default(),
            devices_connected: Cell::default(),
            people_in_step: Cell::default(),
            can_undo: Cell::default(),
            can_redo: Cell::default(),
            authors: RefCell::default(),
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Document {
    const NAME: &'static str = "ReflectionDocument";
    type Type = super::Document;
}

#[glib::derived_properties]
impl ObjectImpl for Document {
    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
            vec![
                Signal::builder("changing").build(),
                Signal::builder("changed")
                    .param_types([bool::static_type()])
                    .build(),
                Signal::builder("text-inserted")
                    .param_types([u32::static_type(), String::static_type()])
                    .build(),
                Signal::builder("text-deleted")
                    .param_types([u32::static_type(), u32::static_type()])
                    .build(),
                Signal::builder("deleted").build(),
                Signal::builder("people-moved").build(),
            ]
        });
        &SIGNALS
    }

    fn dispose(&self) {
        self.tasks.abort();
        self.end_session();
    }
}

/// A setter that says nothing where nothing changes.
macro_rules! setters {
    ($($set:ident, $notify:ident, $field:ident: $type:ty;)*) => {
        impl Document {
            $(pub(super) fn $set(&self, value: $type) {
                if self.$field.replace(value) != value {
                    self.obj().$notify();
                }
            })*
        }
    };
}

setters! {
    set_updated_us, notify_updated_us, updated_us: u64;
    set_last_use_us, notify_last_use_us, last_use_us: u64;
    set_chars, notify_chars, chars: u64;
    set_is_unread, notify_is_unread, is_unread: bool;
    set_is_pinned, notify_is_pinned, is_pinned: bool;
    set_is_archived, notify_is_archived, is_archived: bool;
    set_is_read_only, notify_is_read_only, is_read_only: bool;
    set_is_waiting, notify_is_waiting, is_waiting: bool;
    set_has_cached_text, notify_has_cached_text, has_cached_text: bool;
    set_phase, notify_phase, phase: DocumentPhase;
    set_save_state, notify_save_state, save_state: SaveState;
    set_trouble, notify_trouble, trouble: Trouble;
    set_people_here, notify_people_here, people_here: u32;
    set_devices_connected, notify_devices_connected, devices_connected: u32;
    set_people_in_step, notify_people_in_step, people_in_step: u32;
    set_can_undo, notify_can_undo, can_undo: bool;
    set_can_redo, notify_can_redo, can_redo: bool;
}

impl Document {
    pub(in crate::objects) fn handles(&self) -> Option<(Library, TopicId)> {
        Some((self.library.get()?.clone(), *self.topic.get()?))
    }

    pub(super) fn set_title(&self, title: &str) {
        if *self.title.borrow() != title {
            title.clone_into(&mut self.title.borrow_mut());
            self.obj().notify_title();
        }
    }

    pub(super) fn set_preview(&self, preview: &str) {
        if *self.preview.borrow() != preview {
            preview.clone_into(&mut self.preview.borrow_mut());
            self.obj().notify_preview();
        }
    }

    pub(super) fn show_summary(&self, summary: &DocumentSummary) {
        self.set_access(summary.access);
        self.is_joined.set(summary.is_joined);
        self.set_updated_us(summary.updated_us);
        self.used(summary.local.used_us);
        self.set_is_pinned(summary.local.is_pinned);
        self.set_is_archived(summary.local.is_archived);
        self.set_preview(&summary.preview);
        if !summary.is_waiting {
            self.has_content.set(true);
        }
        // While the text is open, it knows better than a summary that was read a moment ago.
        if self.session().is_none() {
            self.set_title(&summary.title);
            self.set_chars(summary.chars);
            self.set_is_unread(summary.unread);
        }
        self.refresh_waiting();
    }

    /// Takes note of a change, or of an opening at `used_us`.
    pub(super) fn used(&self, used_us: u64) {
        let used_us = used_us.max(self.used_us.get());
        self.used_us.set(used_us);
        self.set_last_use_us(used_us.max(self.updated_us.get()));
    }

    pub(super) fn set_access(&self, access: Access) {
        self.access.set(access);
        self.set_is_read_only(access != Access::Write);
    }

    pub(super) fn refresh_waiting(&self) {
        let others = self.others_wrote.get();
        if self.chars.get() > 0 || others {
            self.has_content.set(true);
        }
        self.set_is_waiting(self.is_joined.get() && !self.has_content.get());
    }
}
