// SPDX-License-Identifier: GPL-3.0-or-later
//! The text of each document as it was when it was last worked out, and its words in the index.
//!
//! A cache of the operations, which may be thrown away at any time. A document whose newest
//! operation lies behind `version` is stale; whoever needs its text works it out and writes it
//! here. Title and length in [`super::summary`] come from the same text in the same transaction.
//! `indexed` is the version whose words are in the index; 0 where none are.

use reflection_node::access::TopicId;
use reflection_node::rusqlite::{Connection, OptionalExtension, params};
use reflection_node::store::StoreError;

use super::search::{self, Entry};
use super::{known_people, summary};
use crate::engine::{Person, title};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS document_texts (
    -- The document's number in the index. Not used twice, so that nothing in the index can ever
    -- be taken for another document's.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic BLOB NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    indexed INTEGER NOT NULL,
    title TEXT NOT NULL,
    -- The beginning of what follows the title, on one line.
    preview TEXT NOT NULL,
    text TEXT NOT NULL,
    -- Of title and text: whether they are what was written, and so what words are in the index.
    digest BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS document_texts_unindexed ON document_texts(id) WHERE indexed = 0;
CREATE INDEX IF NOT EXISTS document_summaries_stale ON document_summaries(updated_us)
    WHERE summarised < version;
";

/// Longest preview in characters.
const PREVIEW_CHARS_MAX: usize = 160;
/// Texts up to this size are indexed as soon as they are worked out, in bytes; larger ones when
/// somebody searches, since they may have changed again by then.
const INDEXED_AT_ONCE_BYTES_MAX: usize = 64 * 1024;

/// A text that was worked out from all operations up to a version, and what follows from it.
#[derive(Clone)]
pub(super) struct FreshText {
    topic: TopicId,
    version: i64,
    title: String,
    preview: String,
    chars: u64,
    text: String,
    /// How people are called in it.
    people: Vec<Person>,
    /// Its words, where they are to be indexed with it.
    entry: Option<Entry>,
}

impl FreshText {
    pub(super) fn new(topic: &TopicId, version: i64, text: String, people: Vec<Person>) -> Self {
        let title = title(&text);
        let entry = (text.len() <= INDEXED_AT_ONCE_BYTES_MAX).then(|| Entry::new(&title, &text));
        Self {
            topic: *topic,
            version,
            preview: preview(&text),
            chars: text.chars().count() as u64,
            title,
            text,
            people,
            entry,
        }
    }

    pub(super) fn len_bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Writes the text, the summary and, for a short one, the words. A text that is older than
    /// what is there, or whose document is gone, is let go.
    pub(super) fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        let topic = self.topic.as_bytes().as_slice();
        if !summary::write(
            connection,
            &self.topic,
            self.version,
            &self.title,
            self.chars,
        )? {
            return Ok(());
        }
        let before = read(connection, &self.topic)?;
        let is_older = |before: &StoredText| before.version > self.version;
        if before.as_ref().is_some_and(is_older) {
            return Ok(());
        }
        known_people::write(connection, &self.topic, &self.people)?;
        if let Some(before) = &before {
            if before.is_sound && before.text == self.text && before.title == self.title {
                connection
                    .prepare_cached(
                        "UPDATE document_texts
                         SET version = ?2, indexed = iif(indexed = 0, 0, ?2) WHERE topic = ?1",
                    )?
                    .execute(params![topic, self.version])?;
                return Ok(());
            }
            before.unindex(connection)?;
        }
        let id: i64 = connection
            .prepare_cached(
                "INSERT INTO document_texts
                     (topic, version, indexed, title, preview, text, digest)
                 VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6)
                 ON CONFLICT (topic) DO UPDATE SET version = ?2, indexed = 0, title = ?3,
                     preview = ?4, text = ?5, digest = ?6
                 RETURNING id",
            )?
            .query_row(
                params![
                    topic,
                    self.version,
                    self.title,
                    self.preview,
                    self.text,
                    digest(&self.title, &self.text)
                ],
                |row| row.get(0),
            )?;
        if let Some(entry) = &self.entry {
            entry.insert(connection, id)?;
            mark_indexed(connection, id)?;
        }
        Ok(())
    }
}

/// What title and text are recognised by.
fn digest(title: &str, text: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(title.len() as u64).to_be_bytes());
    hasher.update(title.as_bytes());
    hasher.update(text.as_bytes());
    *hasher.finalize().as_bytes()
}

fn mark_indexed(connection: &Connection, id: i64) -> Result<(), StoreError> {
    // A document with no operation yet has version 0 and no words.
    connection
        .prepare_cached("UPDATE document_texts SET indexed = max(version, 1) WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// The first line after the title that says something, and what follows it.
pub(crate) fn preview(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| title(line).is_empty());
    lines.next();
    let mut preview = String::new();
    let mut chars = 0;
    for line in lines {
        let plain = title(line);
        if plain.is_empty() {
            continue;
        }
        if !preview.is_empty() {
            preview.push(' ');
        }
        preview.push_str(&plain);
        chars += plain.chars().count() + 1;
        if chars >= PREVIEW_CHARS_MAX {
            break;
        }
    }
    preview.chars().take(PREVIEW_CHARS_MAX).collect()
}

/// A text as it is stored.
pub(super) struct StoredText {
    pub(super) id: i64,
    pub(super) topic: TopicId,
    pub(super) version: i64,
    indexed: i64,
    pub(super) title: String,
    pub(super) text: String,
    /// Whether title and text are those that were written.
    pub(super) is_sound: bool,
}

const COLUMNS: &str = "id, topic, version, indexed, title, text, digest";

fn from_row(
    row: &reflection_node::rusqlite::Row<'_>,
) -> reflection_node::rusqlite::Result<Option<StoredText>> {
    let topic: Option<[u8; 32]> = row.get::<_, Vec<u8>>(1)?.try_into().ok();
    let (id, version, indexed) = (row.get(0)?, row.get(2)?, row.get(3)?);
    let (title, text): (String, String) = (row.get(4)?, row.get(5)?);
    let is_sound = row.get::<_, Vec<u8>>(6)? == digest(&title, &text);
    Ok(topic.map(|topic| StoredText {
        id,
        topic: TopicId::from_bytes(topic),
        version,
        indexed,
        title,
        text,
        is_sound,
    }))
}

impl StoredText {
    /// The words of the text.
    pub(super) fn entry(&self) -> Entry {
        Entry::new(&self.title, &self.text)
    }

    /// Takes the words out of the index, if they are in it. Which ones are cannot be told any more
    /// of a text that was damaged: then the whole index is made anew.
    fn unindex(&self, connection: &Connection) -> Result<(), StoreError> {
        if self.indexed > 0 && self.is_sound {
            self.entry().remove(connection, self.id)?;
        } else if self.indexed > 0 {
            search::reset(connection)?;
        }
        Ok(())
    }
}

/// The cached text of a document.
pub(super) fn read(
    connection: &Connection,
    topic: &TopicId,
) -> Result<Option<StoredText>, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM document_texts WHERE topic = ?1"
        ))?
        .query_row([topic.as_bytes().as_slice()], from_row)
        .optional()?
        .flatten())
}

/// The cached text with a number.
pub(super) fn read_by_id(
    connection: &Connection,
    id: i64,
) -> Result<Option<StoredText>, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM document_texts WHERE id = ?1"
        ))?
        .query_row([id], from_row)
        .optional()?
        .flatten())
}

/// Texts whose words are not in the index, some of them.
pub(super) fn unindexed(
    connection: &Connection,
    bytes_max: usize,
) -> Result<Vec<StoredText>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM document_texts WHERE indexed = 0 ORDER BY id"
    ))?;
    let mut rows = statement.query([])?;
    let mut texts = Vec::new();
    let mut bytes = 0;
    while bytes < bytes_max {
        let Some(row) = rows.next()? else { break };
        if let Some(text) = from_row(row)? {
            bytes += text.text.len();
            texts.push(text);
        }
    }
    Ok(texts)
}

/// Puts the words of a text into the index, unless it has changed since they were worked out.
pub(super) fn index(
    connection: &Connection,
    id: i64,
    version: i64,
    entry: &Entry,
) -> Result<(), StoreError> {
    let is_wanted = connection
        .prepare_cached(
            "SELECT 1 FROM document_texts WHERE id = ?1 AND version = ?2 AND indexed = 0",
        )?
        .exists([id, version])?;
    if is_wanted {
        entry.insert(connection, id)?;
        mark_indexed(connection, id)?;
    }
    Ok(())
}

/// Has every summary without a text made anew: the texts were thrown away, or an older program
/// that kept none has made it.
pub(super) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(SCHEMA)?;
    connection.execute_batch(known_people::SCHEMA)?;
    connection.execute_batch(
        "UPDATE document_summaries SET summarised = 0 WHERE summarised > 0
         AND NOT EXISTS (SELECT 1 FROM document_texts AS texts
                         WHERE texts.topic = document_summaries.topic)",
    )?;
    Ok(())
}

/// Documents that changed after their text was worked out, the last changed first.
pub(super) fn stale(connection: &Connection) -> Result<Vec<TopicId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT topic FROM document_summaries WHERE summarised < version
         ORDER BY updated_us DESC",
    )?;
    let topics = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    let mut stale = Vec::new();
    for topic in topics {
        if let Ok(topic) = <[u8; 32]>::try_from(topic?) {
            stale.push(TopicId::from_bytes(topic));
        }
    }
    Ok(stale)
}

/// Removes everything about a document.
pub(super) fn delete(connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
    known_people::delete(connection, topic)?;
    if let Some(text) = read(connection, topic)? {
        text.unindex(connection)?;
        connection.execute("DELETE FROM document_texts WHERE id = ?1", [text.id])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_what_follows_the_title() {
        assert_eq!(preview(""), "");
        assert_eq!(preview("# Minutes"), "");
        assert_eq!(
            preview("\n# Minutes\n\n- **first**\n---\n\nsecond\n"),
            "first second"
        );
        assert_eq!(
            preview(&format!("t\n{}", "some words\n".repeat(900)))
                .chars()
                .count(),
            PREVIEW_CHARS_MAX
        );
    }
}
