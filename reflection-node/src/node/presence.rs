// SPDX-License-Identifier: GPL-3.0-or-later
//! Who is in the documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::{DocumentError, Node};
use crate::access::{Access, TopicId};
use crate::identity::AuthorId;
use crate::presence::{Person, Presence, PresenceError, Room};
use crate::store::documents::DocumentRow;
use crate::store::{StoreError, operations, participants};

impl Node {
    /// Opens a document for being with others in it: they see that this device is here and what
    /// it says, until the last handle is dropped.
    pub async fn enter(&self, topic: &TopicId) -> Result<Presence, PresenceError> {
        self.take_part(topic, true).await
    }

    /// Listens to who is in a document and passes it on to others, without being shown as here.
    pub async fn follow(&self, topic: &TopicId) -> Result<Presence, PresenceError> {
        self.take_part(topic, false).await
    }

    async fn take_part(&self, topic: &TopicId, is_shown: bool) -> Result<Presence, PresenceError> {
        let shared = Arc::clone(&self.inner.shared);
        let document = shared.document(topic).ok_or(PresenceError::NotFound)?;
        if document.keys.access() == Access::Replica {
            return Err(PresenceError::NotReadable);
        }
        let seen = shared
            .readers
            .run(move |connection| seen(connection, document.row))
            .await?;
        Ok(Presence::new(shared, *topic, is_shown, seen))
    }

    /// Everybody else who takes part in a document, as far as it is known: those who have written
    /// in it, those whose device has exchanged it with this one, and those who were heard of.
    pub async fn people(&self, topic: &TopicId) -> Result<Vec<Person>, DocumentError> {
        let shared = &self.inner.shared;
        let document = shared.document(topic).ok_or(DocumentError::NotFound)?;
        let row = document.row;
        let (authors, seen) = shared
            .readers
            .run(move |connection| {
                Ok((
                    operations::heights(connection, row)?,
                    seen(connection, row)?,
                ))
            })
            .await?;
        let mut people: BTreeMap<AuthorId, Person> = BTreeMap::new();
        for (author, _) in authors.iter() {
            person(&mut people, *author);
        }
        for (author, seen_us) in seen {
            person(&mut people, author).raise(seen_us);
        }
        for peer in shared.peers_of(topic).into_keys() {
            let person = person(&mut people, peer);
            person.is_reachable = true;
            person.raise(crate::shared::now_us());
        }
        shared.rooms.with(topic, |room| {
            for (author, seen_us) in room.seen() {
                person(&mut people, author).raise(seen_us);
            }
            add_present(&mut people, room);
        });
        people.remove(&shared.id);
        Ok(people.into_values().collect())
    }

    /// Those who have an entered document open now. From memory: to be asked as often as presence
    /// changes.
    pub fn present(&self, topic: &TopicId) -> Vec<Person> {
        let mut people = BTreeMap::new();
        self.inner
            .shared
            .rooms
            .with(topic, |room| add_present(&mut people, room));
        people.into_values().collect()
    }

    /// Presence messages of an entered document that were refused since it was entered.
    pub fn presence_refused(&self, topic: &TopicId) -> u64 {
        self.inner
            .shared
            .rooms
            .with(topic, |room| room.refused())
            .unwrap_or_default()
    }
}

/// When people were last seen, by a word from them or by their device.
fn seen(
    connection: &Connection,
    document: DocumentRow,
) -> Result<Vec<(AuthorId, u64)>, StoreError> {
    let mut seen = participants::all(connection, document)?;
    seen.extend(participants::devices(connection, document)?);
    Ok(seen)
}

fn add_present(people: &mut BTreeMap<AuthorId, Person>, room: &Room) {
    for (author, said) in room.present() {
        let person = person(people, author);
        person.is_here = true;
        person.said = said.to_vec();
    }
}

fn person(people: &mut BTreeMap<AuthorId, Person>, author: AuthorId) -> &mut Person {
    people.entry(author).or_insert_with(|| Person {
        author,
        is_here: false,
        is_reachable: false,
        last_seen_us: None,
        said: Vec::new(),
    })
}

impl Person {
    fn raise(&mut self, seen_us: u64) {
        self.last_seen_us = self.last_seen_us.max(Some(seen_us));
    }
}
