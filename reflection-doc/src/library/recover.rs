// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents of another database as new documents: of a backup, or of a protocol that peers no
//! longer speak.
//!
//! A new document has new secrets and one author, whoever recovered it: who wrote what is not
//! carried over, because nobody can sign for others. Codes of the old document lead to the old one.

use std::path::Path;

use reflection_node::access::TopicId;
use reflection_node::migration::{OldDatabase, OldDatabaseError, OldDocument};

use super::{Library, LibraryError};
use crate::engine::Engine;

/// A document that was recovered, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// By what it was known.
    pub old: TopicId,
    /// The new document; `None` where the old one could not be read there either.
    pub new: Option<TopicId>,
    /// Characters in its text.
    pub chars: usize,
    /// Operations that are damaged or could not be applied; the text may lack what they said.
    pub damaged: u64,
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
            let read = read(&old, &document, author)?;
            drop(old);
            let (new, chars, damaged) = match read {
                Some((text, damaged)) => {
                    let new = self.create(&text).await?;
                    (Some(new), text.chars().count(), damaged)
                }
                None => (None, 0, 0),
            };
            recovered.push(Recovered {
                old: document.topic(),
                new,
                chars,
                damaged,
            });
        }
        Ok(recovered)
    }
}

/// The text of an old document, and how many operations did not take part in it.
fn read(
    old: &OldDatabase,
    document: &OldDocument,
    author: reflection_node::identity::AuthorId,
) -> Result<Option<(String, u64)>, OldDatabaseError> {
    if !document.is_readable() {
        return Ok(None);
    }
    let mut engine = Engine::new(author, &document.topic(), 0);
    let (mut after, mut damaged) = (0, 0);
    loop {
        let batch = old.operations(document, after)?;
        let Some(last) = batch.last else {
            return Ok(Some((engine.text(), damaged)));
        };
        after = last;
        damaged += batch.damaged;
        if engine.apply(&batch.delivered).is_err() {
            // One by one, to lose no more than what cannot be applied.
            for operation in batch.delivered {
                damaged += u64::from(engine.apply(&[operation]).is_err());
            }
        }
    }
}
