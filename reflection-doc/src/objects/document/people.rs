// SPDX-License-Identifier: GPL-3.0-or-later
//! Who takes part in a document, what they are called, and who of them is there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::{Rc, Weak};
use std::time::Duration;

use gio::subclass::prelude::*;
use reflection_node::identity::AuthorId;

use super::properties::Document;
use super::session::Session;
use crate::engine::Person;
use crate::library::{Library, LibraryError, Profile};
use crate::objects::author::Facts;
use crate::presence::About;

/// How long news of people are collected: whoever moves a caret says something new each time.
const MEET_DELAY: Duration = Duration::from_millis(400);

/// What the node and the library know of people.
struct Everybody {
    people: BTreeMap<AuthorId, Facts>,
    /// Names and colours that people say they have while they are here.
    said: HashMap<AuthorId, (String, Option<u32>)>,
    others_wrote: bool,
    /// How people are called in the text as it was last worked out.
    known: Vec<Person>,
    /// What this device's own person chose.
    own: Profile,
}

impl Document {
    /// Reads who is connected. Costs nothing: the node keeps it in memory.
    pub(super) fn refresh_status(&self) {
        let Some((library, topic)) = self.handles() else {
            return;
        };
        let status = library.node().status(&topic);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.set_devices_connected(count(status.connected.len()));
        self.set_people_in_step(count(status.in_step));
        self.refresh_waiting();
    }

    /// Asks the node who takes part, once for all news of a short while.
    pub(super) fn refresh_authors_soon(&self) {
        // Whom nobody looks at, nobody needs to know of.
        if !self.has_met_people.get() || self.is_meeting.replace(true) {
            return;
        }
        let document = self.obj().downgrade();
        self.tasks.spawn(async move {
            glib::timeout_future(MEET_DELAY).await;
            if let Some(document) = document.upgrade() {
                document.imp().is_meeting.set(false);
                document.imp().refresh_authors();
            }
        });
    }

    /// Asks the node who takes part.
    pub(super) fn refresh_authors(&self) {
        let Some((library, topic)) = self.handles() else {
            return;
        };
        self.has_met_people.set(true);
        let document = self.obj().downgrade();
        self.tasks.spawn(async move {
            let Ok(everybody) = meet(&library, &topic).await else {
                return;
            };
            let Some(document) = document.upgrade() else {
                return;
            };
            let imp = document.imp();
            if everybody.others_wrote {
                imp.others_wrote.set(true);
            }
            let own = library.node().id();
            let authors = imp.authors.borrow().clone();
            authors.update(&own, &everybody.people);
            let here = everybody.people.values().filter(|facts| facts.is_here);
            imp.set_people_here(u32::try_from(here.count()).unwrap_or(u32::MAX));
            if let Some(author) = authors.get(&own) {
                author.set_chosen(&everybody.own.name, everybody.own.colour);
            }
            imp.said.replace(everybody.said);
            imp.known.replace(everybody.known);
            imp.show_names();
            imp.introduce_own(&everybody.own);
            imp.refresh_waiting();
        });
    }

    /// Takes over the names that people chose: what those who are here say, else what the text
    /// carries along.
    pub(super) fn show_names(&self) {
        let written = match self.session() {
            Some(session) => session.engine.borrow().people(),
            None => self.known.borrow().clone(),
        };
        let said = self.said.borrow();
        for author in self.authors.borrow().to_vec() {
            if author.is_this_device() {
                continue;
            }
            if let Some((name, colour)) = said.get(&author.id()) {
                author.set_chosen(name, *colour);
            } else if let Some(person) = written.iter().find(|person| person.author == author.id())
            {
                author.set_chosen(&person.name, person.colour);
            }
        }
    }

    /// Tells the others who is here.
    fn introduce_own(&self, own: &Profile) {
        let Some(session) = self.session() else {
            return;
        };
        // Once: what is said makes others look again, and they would say something in turn.
        let is_known = |(known, profile): &(Weak<Session>, Profile)| {
            known.ptr_eq(&Rc::downgrade(&session)) && profile == own
        };
        if self.introduced.borrow().as_ref().is_some_and(is_known) {
            return;
        }
        self.introduced
            .replace(Some((Rc::downgrade(&session), own.clone())));
        if let Some(company) = &session.company {
            let name = Some(own.name.clone()).filter(|name| !name.is_empty());
            company.introduce(name, own.colour);
        }
    }

    /// The person here is called something else from now on.
    pub(super) fn rename_own(&self, profile: &Profile) {
        if let Some(session) = self.session() {
            let mut engine = session.engine.borrow_mut();
            engine.set_profile(&profile.name, profile.colour);
        }
        if self.has_met_people.get() {
            self.refresh_authors();
        }
    }
}

async fn meet(
    library: &Library,
    topic: &reflection_node::access::TopicId,
) -> Result<Everybody, LibraryError> {
    let node = library.node();
    let authors = node.authors(topic).await?;
    let muted: HashSet<AuthorId> = library.muted().await?.into_iter().collect();
    let mut people: BTreeMap<AuthorId, Facts> = BTreeMap::new();
    let mut said = HashMap::new();
    for person in node.people(topic).await? {
        let facts = Facts {
            is_here: person.is_here,
            is_reachable: person.is_reachable,
            last_seen_us: person.last_seen_us.unwrap_or(0),
            is_muted: muted.contains(&person.author),
        };
        people.insert(person.author, facts);
        let about = About::decode(&person.said);
        if let (true, Some(name)) = (person.is_here, about.name) {
            said.insert(person.author, (name, about.colour));
        }
    }
    Ok(Everybody {
        people,
        said,
        others_wrote: authors.iter().any(|author| *author != node.id()),
        known: library.known_people(topic).await?,
        own: library.profile().await?,
    })
}
