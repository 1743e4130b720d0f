// SPDX-License-Identifier: GPL-3.0-or-later
//! Searching the titles and texts of all documents.
//!
//! Operations mark their document stale in their own transaction ([`super::summary`]); before a
//! search answers, the texts of stale documents are worked out and indexed. So a search finds
//! everything that was committed when it was asked, and works for what has changed alone.

mod index;
mod query;
mod snippet;
mod words;

use std::ops::{ControlFlow, Range};

use reflection_node::access::TopicId;
use reflection_node::rusqlite::Connection;
use reflection_node::store::StoreError;

use super::{Library, LibraryError, local, texts};
use index::Order;
pub(super) use index::{Entry, prepare, reset};
use query::Query;
pub use snippet::Marked;
use snippet::{mark, snippet};

/// Most documents that one search gives.
pub const HITS_MAX: usize = 200;

/// A document that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchHit {
    /// Which.
    pub topic: TopicId,
    /// Its title.
    pub title: Marked,
    /// The part of its text that shows why it was found.
    pub snippet: Marked,
    /// Where the first hit of that part stands in the text as it was searched, in Unicode scalar
    /// values. `None` where only the title has one.
    pub place: Option<Range<usize>>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchResults {
    /// The documents, the best first.
    pub hits: Vec<SearchHit>,
    /// How many documents could not be searched, because what is stored of them is damaged.
    pub unsearchable: usize,
}

impl Library {
    /// Searches titles and texts; gives at most `limit` documents and never more than
    /// [`HITS_MAX`]. A query without a letter, digit or sign finds nothing.
    pub async fn search(&self, words: &str, limit: usize) -> Result<SearchResults, LibraryError> {
        let Some(query) = Query::parse(words) else {
            return Ok(SearchResults::default());
        };
        let unsearchable = self.refresh_all().await?;
        let limit = limit.min(HITS_MAX);
        let asked = query.clone();
        let found = self
            .node
            .read(move |connection| answer(connection, &asked, limit))
            .await;
        let hits = match found {
            // A cache that is damaged is made anew.
            Err(StoreError::Database(error)) if is_damaged(&error) => {
                tracing::warn!(%error, "the search index is made anew");
                self.node.write(reset).await?;
                self.refresh_all().await?;
                self.node
                    .read(move |connection| answer(connection, &query, limit))
                    .await?
            }
            found => found?,
        };
        Ok(SearchResults { hits, unsearchable })
    }
}

fn is_damaged(error: &reflection_node::rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(reflection_node::rusqlite::ErrorCode::DatabaseCorrupt)
}

fn answer(
    connection: &Connection,
    query: &Query,
    limit: usize,
) -> Result<Vec<SearchHit>, StoreError> {
    let mut hits: Vec<SearchHit> = Vec::new();
    let everywhere = query.expression();
    // Whoever searches for a title wants that document first, however long others go on about it.
    let in_titles = format!("title : ({everywhere})");
    let order = if query.is_one_letter() {
        Order::Newest
    } else {
        Order::Best
    };
    for expression in [in_titles, everywhere] {
        if hits.len() >= limit {
            break;
        }
        index::find(connection, &expression, order, |id| {
            if hits.len() >= limit {
                return Ok(ControlFlow::Break(()));
            }
            // Not there: deleted since, as this is read in steps.
            let Some(found) = texts::read_by_id(connection, id)? else {
                return Ok(ControlFlow::Continue(()));
            };
            let is_known = hits.iter().any(|hit| hit.topic == found.topic);
            if !is_known && !local::is_hidden(connection, &found.topic)? {
                let (snippet, place) = snippet(&found.text, query);
                hits.push(SearchHit {
                    topic: found.topic,
                    title: mark(&found.title, query),
                    snippet,
                    place,
                });
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(hits)
}
