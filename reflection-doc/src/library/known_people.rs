// SPDX-License-Identifier: GPL-3.0-or-later
//! How people are called in documents that are not open, as of when each text was last worked out.
//!
//! A cache like the texts ([`super::texts`]), written in the same transaction from the same
//! operations.

use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::rusqlite::{Connection, params};
use reflection_node::store::StoreError;

use super::{Library, LibraryError};
use crate::engine::Person;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS document_people (
    topic BLOB NOT NULL,
    author BLOB NOT NULL,
    name TEXT NOT NULL,
    -- The number of the chosen colour.
    colour INTEGER,
    PRIMARY KEY (topic, author)
) STRICT, WITHOUT ROWID;
";

/// Takes the place of what was known of a document.
pub(super) fn write(
    connection: &Connection,
    topic: &TopicId,
    people: &[Person],
) -> Result<(), StoreError> {
    if read(connection, topic)? == people {
        return Ok(());
    }
    delete(connection, topic)?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO document_people (topic, author, name, colour) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for person in people {
        statement.execute(params![
            topic.as_bytes().as_slice(),
            person.author.as_bytes().as_slice(),
            person.name,
            person.colour
        ])?;
    }
    Ok(())
}

fn read(connection: &Connection, topic: &TopicId) -> Result<Vec<Person>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT author, name, colour FROM document_people WHERE topic = ?1 ORDER BY author",
    )?;
    let mut rows = statement.query([topic.as_bytes().as_slice()])?;
    let mut people = Vec::new();
    while let Some(row) = rows.next()? {
        if let Ok(author) = <[u8; 32]>::try_from(row.get::<_, Vec<u8>>(0)?) {
            people.push(Person {
                author: AuthorId::from_bytes(author),
                name: row.get(1)?,
                colour: row.get(2)?,
            });
        }
    }
    Ok(people)
}

/// Removes what is known of a document.
pub(super) fn delete(connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM document_people WHERE topic = ?1")?
        .execute([topic.as_bytes().as_slice()])?;
    Ok(())
}

impl Library {
    /// How people are called in a document, as of when its text was last worked out.
    pub async fn known_people(&self, topic: &TopicId) -> Result<Vec<Person>, LibraryError> {
        let topic = *topic;
        Ok(self
            .node
            .read(move |connection| read(connection, &topic))
            .await?)
    }
}
