// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents of another database as new documents: of a backup, or of a protocol that peers no
//! longer speak.
//!
//! A new document has new secrets and one author, whoever recovered it: who wrote what is not
//! carried over, because nobody can sign for others. Codes of the old document lead to the old one.
//! Where operations are damaged, the text that was last made of them is taken instead; where that
//! lacks what came later, both become documents.

use std::collections::HashMap;
use std::path::Path;

use reflection_node::Position;
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::migration::{OldDatabase, OldDatabaseError, OldDocument};
use reflection_node::operation::Kind;
use reflection_node::pipeline::Delivered;

use super::texts::{self, StoredText};
use super::{Library, LibraryError};
use crate::engine::Engine;

/// A document that was recovered, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// By what it was known; `None` where that is damaged.
    pub old: Option<TopicId>,
    /// The new document; `None` where the old one could not be read, there or any more.
    pub new: Option<TopicId>,
    /// Characters in its text.
    pub chars: usize,
    /// Operations that are damaged or could not be applied.
    pub damaged: u64,
    /// Whether all that could be read there once is in it. Of a document that was kept for others
    /// that is nothing.
    pub is_whole: bool,
}

/// Why nothing could be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The other database cannot be read.
    #[error(transparent)]
    Old(#[from] OldDatabaseError),
    /// The new document could not be made.
    #[error(transparent)]
    New(#[from] LibraryError),
}

impl Library {
    /// Makes a new document of each that can be read in a data folder or database file. Documents
    /// that this library takes part in already are recovered too: their text of then.
    pub async fn recover(&self, path: &Path) -> Result<Vec<Recovered>, RecoverError> {
        let author = self.node.id();
        let mut recovered = Vec::new();
        let count = OldDatabase::open(path)?.documents()?.len();
        for index in 0..count {
            // Opened again for each, so that no connection is held while a document is made.
            let old = OldDatabase::open(path)?;
            let Some(document) = old.documents()?.into_iter().nth(index) else {
                break;
            };
            let found = read(&old, &document, author);
            drop(old);
            let mut line = Recovered {
                old: document.topic(),
                new: None,
                chars: 0,
                damaged: found.damaged,
                is_whole: found.is_whole,
            };
            if found.texts.is_empty() {
                recovered.push(line);
            }
            for text in found.texts {
                line.new = Some(self.create_kept(&text).await?);
                line.chars = text.chars().count();
                recovered.push(line);
            }
        }
        Ok(recovered)
    }
}

/// What can be read of an old document.
struct Found {
    texts: Vec<String>,
    damaged: u64,
    is_whole: bool,
}

fn read(old: &OldDatabase, document: &OldDocument, author: AuthorId) -> Found {
    let made = make(old, document, author);
    // No operation there may be newer than what the cached text holds.
    let last = old.last_position(document).unwrap_or(Position::MAX);
    let cached = cached(old, document);
    let is_fresh = |cached: &StoredText| cached.version >= last;
    let is_made_whole =
        made.is_whole && cached.as_ref().is_none_or(|cached| cached.version <= last);
    let mut texts = Vec::new();
    let is_whole = match cached {
        _ if document.is_sealed() => true,
        _ if is_made_whole => {
            texts.push(made.text);
            true
        }
        Some(cached) if is_fresh(&cached) => {
            texts.push(cached.text);
            true
        }
        // Either may hold what the other does not.
        cached => {
            texts.extend(Some(made.text).filter(|text| !text.is_empty()));
            let cached = cached.map(|cached| cached.text);
            texts.extend(cached.filter(|cached| !cached.is_empty() && !texts.contains(cached)));
            false
        }
    };
    Found {
        texts,
        damaged: made.damaged,
        is_whole,
    }
}

/// The text that was last made of the operations there, if the program kept one and it is sound.
fn cached(old: &OldDatabase, document: &OldDocument) -> Option<StoredText> {
    let topic = document.topic()?;
    // Older programs kept none, or others.
    let stored = old.read(|connection| texts::read(connection, &topic));
    stored.ok().flatten().filter(|stored| stored.is_sound)
}

/// What the operations make.
struct Made {
    text: String,
    damaged: u64,
    /// Whether no operation is damaged, and none is missing between others.
    is_whole: bool,
}

fn make(old: &OldDatabase, document: &OldDocument, author: AuthorId) -> Made {
    let mut made = Made {
        text: String::new(),
        damaged: 0,
        is_whole: false,
    };
    let Some(topic) = document.topic().filter(|_| !document.is_sealed()) else {
        return made;
    };
    let mut engine = Engine::new(author, &topic, 0);
    let (mut after, mut logs) = (0, HashMap::new());
    let mut is_unbroken = true;
    // What can be read before a damaged part of the file is better than nothing.
    while let Ok(batch) = old.operations(document, after) {
        let Some(last) = batch.last else {
            made.is_whole = is_unbroken && made.damaged == 0;
            break;
        };
        after = last;
        made.damaged += batch.damaged;
        for operation in &batch.delivered {
            is_unbroken &= goes_on(&mut logs, operation);
        }
        if engine.apply(&batch.delivered).is_err() {
            // One by one, to lose no more than what cannot be applied.
            for operation in batch.delivered {
                made.damaged += u64::from(engine.apply(&[operation]).is_err());
            }
        }
    }
    made.text = engine.text();
    made
}

/// Whether an operation follows the one before it in its author's log.
fn goes_on(logs: &mut HashMap<AuthorId, u64>, operation: &Delivered) -> bool {
    let begins_at = match operation.kind {
        Kind::Edit => 0,
        Kind::Compaction => operation.sequence,
    };
    let next = logs.entry(operation.author).or_insert(begins_at);
    let is_next = *next == operation.sequence;
    *next = operation.sequence + 1;
    is_next
}
