// SPDX-License-Identifier: GPL-3.0-or-later
//! Working out the texts of documents that have changed.

use reflection_node::Position;
use reflection_node::access::TopicId;
use reflection_node::pipeline::StreamError;
use reflection_node::rusqlite::Connection;
use reflection_node::store::StoreError;

use super::texts::{self, FreshText};
use super::{Library, LibraryError, summary};
use crate::engine::Person;

/// Bytes of texts that are written in one transaction, which bounds how long others wait for it.
const WRITTEN_AT_ONCE_BYTES_MAX: usize = 256 * 1024;

/// A text as it was when it was last worked out.
#[derive(Clone)]
pub struct CachedText {
    /// The text.
    pub text: String,
    /// Up to which position of the document's stream it holds everything.
    pub position: Position,
    /// Whether nothing was accepted since.
    pub is_fresh: bool,
}

impl std::fmt::Debug for CachedText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text.
        write!(
            formatter,
            "CachedText({} bytes, fresh: {})",
            self.text.len(),
            self.is_fresh
        )
    }
}

fn cached(connection: &Connection, topic: &TopicId) -> Result<Option<CachedText>, StoreError> {
    let Some(version) = summary::version(connection, topic)? else {
        return Ok(None);
    };
    // One that was damaged is none.
    let stored = texts::read(connection, topic)?.filter(|stored| stored.is_sound);
    Ok(match stored {
        Some(stored) => Some(CachedText {
            is_fresh: stored.version >= version,
            position: stored.version,
            text: stored.text,
        }),
        // Nobody has ever written to it.
        None if version == 0 => Some(CachedText {
            text: String::new(),
            position: 0,
            is_fresh: true,
        }),
        None => None,
    })
}

impl Library {
    /// The text of a document as it was last worked out, at once. `None` where it never was.
    pub async fn cached_text(&self, topic: &TopicId) -> Result<Option<CachedText>, LibraryError> {
        let topic = *topic;
        Ok(self
            .node
            .read(move |connection| cached(connection, &topic))
            .await?)
    }

    /// Whether the cached text of a document is not the one that was written.
    pub(super) async fn is_text_damaged(&self, topic: &TopicId) -> Result<bool, LibraryError> {
        let topic = *topic;
        let stored = self
            .node
            .read(move |connection| texts::read(connection, &topic));
        Ok(stored.await?.is_some_and(|stored| !stored.is_sound))
    }

    /// The text of a document as it is stored.
    pub async fn text(&self, topic: &TopicId) -> Result<String, LibraryError> {
        match self.cached_text(topic).await? {
            Some(cached) if cached.is_fresh && self.node.stream(topic, 0).await.is_ok() => {
                Ok(cached.text)
            }
            _ => Ok(self.refresh(topic).await?.into_text()),
        }
    }

    /// Takes over the text of an open document, and how people are called in it, which holds everything up to a position of its
    /// stream and nothing that is not stored, so that nobody has to work it out again.
    pub async fn keep_text(
        &self,
        topic: &TopicId,
        position: Position,
        text: String,
        people: Vec<Person>,
    ) -> Result<(), LibraryError> {
        let topic = *topic;
        let node = self.node.clone();
        self.node
            .aside(async move {
                let fresh = FreshText::new(&topic, position, text, people);
                node.write(move |connection| fresh.write(connection)).await
            })
            .await?;
        Ok(())
    }

    /// Works a text out from the operations and writes it into the cache.
    pub(super) async fn refresh(&self, topic: &TopicId) -> Result<FreshText, LibraryError> {
        let (library, topic) = (self.clone(), *topic);
        self.node
            .aside(async move {
                let fresh = library.work_out(&topic).await?;
                let written = fresh.clone();
                library
                    .node
                    .write(move |connection| written.write(connection))
                    .await?;
                Ok(fresh)
            })
            .await
    }

    async fn work_out(&self, topic: &TopicId) -> Result<FreshText, LibraryError> {
        let wanted = *topic;
        // Before the operations are read: what comes in between is in the text and marks the
        // document stale again, which costs another look and no more.
        let version = self
            .node
            .read(move |connection| summary::version(connection, &wanted))
            .await?
            .ok_or(StreamError::Closed)?;
        let engine = self.load(topic, None).await?.engine;
        let (text, people) = (engine.text(), engine.people());
        Ok(FreshText::new(topic, version, text, people))
    }

    /// Works out and indexes all texts that are stale, a bounded part in each transaction. Gives
    /// how many could not be worked out.
    pub(super) async fn refresh_all(&self) -> Result<usize, LibraryError> {
        // Whoever searches at the same time waits for this instead of doing it again.
        let _turn = self.refreshing.wait().await;
        let library = self.clone();
        self.node
            .aside(async move {
                let failed = library.work_out_stale().await?;
                library.index_texts().await?;
                Ok(failed)
            })
            .await
    }

    async fn work_out_stale(&self) -> Result<usize, LibraryError> {
        let mut failed = 0;
        let mut waiting = Vec::new();
        let mut bytes = 0;
        for topic in self.node.read(texts::stale).await? {
            match self.work_out(&topic).await {
                Ok(fresh) => {
                    bytes += fresh.len_bytes();
                    waiting.push(fresh);
                }
                // Deleted meanwhile, or kept here without being readable.
                Err(LibraryError::Stream(StreamError::Closed | StreamError::Unreadable)) => {}
                Err(error) => {
                    tracing::warn!(%error, ?topic, "a document cannot be searched");
                    failed += 1;
                }
            }
            if bytes >= WRITTEN_AT_ONCE_BYTES_MAX {
                self.write_texts(std::mem::take(&mut waiting)).await?;
                bytes = 0;
            }
        }
        self.write_texts(waiting).await?;
        Ok(failed)
    }

    async fn write_texts(&self, texts: Vec<FreshText>) -> Result<(), LibraryError> {
        if !texts.is_empty() {
            self.node
                .write(move |connection| texts.iter().try_for_each(|text| text.write(connection)))
                .await?;
        }
        Ok(())
    }

    async fn index_texts(&self) -> Result<(), LibraryError> {
        loop {
            let texts = self
                .node
                .read(|connection| texts::unindexed(connection, WRITTEN_AT_ONCE_BYTES_MAX))
                .await?;
            if texts.is_empty() {
                return Ok(());
            }
            let entries: Vec<_> = texts
                .iter()
                .map(|text| (text.id, text.version, text.entry()))
                .collect();
            self.node
                .write(move |connection| {
                    entries.iter().try_for_each(|(id, version, entry)| {
                        texts::index(connection, *id, *version, entry)
                    })
                })
                .await?;
        }
    }
}
