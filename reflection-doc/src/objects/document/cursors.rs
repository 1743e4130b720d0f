// SPDX-License-Identifier: GPL-3.0-or-later
//! Where the others are in the text, and telling them where this person is.
//!
//! A place that arrives is looked for when it does, and again when text of others arrives, which
//! may be what it is in. In between every change of the text moves it.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use gio::prelude::*;
use gio::subclass::prelude::*;
use reflection_node::identity::AuthorId;

use super::Document;
use crate::engine::{Bias, CursorId, Engine, Selection};

/// How often at most the others are told where the caret is.
const SAY_INTERVAL: Duration = Duration::from_millis(60);

/// Somebody else's caret and selection in the text as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemotePlace {
    /// Whose.
    pub author: AuthorId,
    /// An index into the palette, if one was chosen.
    pub colour: Option<u32>,
    /// Caret and selection, in Unicode scalar values.
    pub selection: Selection,
}

struct Followed {
    author: AuthorId,
    colour: Option<u32>,
    anchor: CursorId,
    caret: CursorId,
}

/// The others' places in an open text.
#[derive(Default)]
pub(super) struct Others {
    followed: RefCell<Vec<Followed>>,
    /// Whether telling our own place is due already.
    is_saying: Cell<bool>,
}

impl Others {
    /// Where they are now.
    fn places(&self, engine: &Engine) -> Vec<RemotePlace> {
        let followed = self.followed.borrow();
        followed
            .iter()
            .filter_map(|one| {
                Some(RemotePlace {
                    author: one.author,
                    colour: one.colour,
                    selection: Selection {
                        anchor: engine.cursor(one.anchor)?,
                        caret: engine.cursor(one.caret)?,
                    },
                })
            })
            .collect()
    }
}

impl Document {
    /// Where the others are now; nobody while the text is not open.
    pub fn remote_places(&self) -> Vec<RemotePlace> {
        let session = self.imp().session();
        session.map_or_else(Vec::new, |session| {
            session.others.places(&session.engine.borrow())
        })
    }

    /// Calls back when somebody came, went or moved.
    pub fn connect_people_moved<F: Fn(&Self) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        self.connect_closure(
            "people-moved",
            false,
            glib::closure_local!(move |document: &Self| f(document)),
        )
    }

    /// Tells the others that nobody is looking at the text here.
    pub fn hide_place(&self) {
        if let Some(company) = self
            .imp()
            .session()
            .as_ref()
            .and_then(|session| session.company.as_ref())
        {
            company.hide_cursor();
        }
    }

    /// Takes over where the others say that they are.
    pub(in crate::objects) fn presence_changed(&self) {
        let Some(session) = self.imp().session() else {
            return;
        };
        let Some(company) = &session.company else {
            return;
        };
        {
            let mut engine = session.engine.borrow_mut();
            let mut followed = session.others.followed.borrow_mut();
            for one in followed.drain(..) {
                engine.remove_cursor(one.anchor);
                engine.remove_cursor(one.caret);
            }
            let present = company.cursors(|place| engine.find_place(place));
            followed.extend(present.into_iter().map(|cursor| Followed {
                author: cursor.author,
                colour: cursor.colour,
                anchor: engine.add_cursor(cursor.anchor, Bias::Before),
                caret: engine.add_cursor(cursor.caret, Bias::Before),
            }));
        }
        self.emit_by_name::<()>("people-moved", &[]);
    }

    /// Tells the others soon where caret and selection are.
    pub(super) fn say_place_soon(&self) {
        let Some(session) = self.imp().session() else {
            return;
        };
        if session.company.is_none() || session.others.is_saying.replace(true) {
            return;
        }
        let session = std::rc::Rc::downgrade(&session);
        self.imp().session_tasks.spawn(async move {
            glib::timeout_future(SAY_INTERVAL).await;
            let Some(session) = session.upgrade() else {
                return;
            };
            session.others.is_saying.set(false);
            if let Some(company) = &session.company {
                let engine = session.engine.borrow();
                let selection = engine.selection();
                company.say_cursor(
                    engine.describe_place(selection.anchor),
                    engine.describe_place(selection.caret),
                );
            }
        });
    }
}
