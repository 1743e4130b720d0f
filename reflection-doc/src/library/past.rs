// SPDX-License-Identifier: GPL-3.0-or-later
//! The past of a document: its versions, their names and texts, and bringing one back.

use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::pipeline::Published;

use super::{Library, LibraryError, now_us};
use crate::engine::{
    AuthorRun, Engine, History, HistoryError, HistorySource, NamedVersion, Version,
};

/// Fewest characters by which a version can be named instead of its whole id.
pub(super) const PREFIX_CHARS_MIN: usize = 4;

/// A version as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSummary {
    /// Its id.
    pub version: Version,
    /// Who worked; `None` only where no operation of the author was ever seen here.
    pub author: Option<AuthorId>,
    /// Who else worked at the same time.
    pub others: Vec<AuthorId>,
    /// When the work began, seconds since 1970 by the author's clock; zero where it is not known.
    pub began_s: u64,
    /// When it ended.
    pub ended_s: u64,
    /// Characters inserted.
    pub added: u64,
    /// Characters deleted.
    pub deleted: u64,
    /// The names that people gave it.
    pub names: Vec<String>,
}

/// The past of a document as it was when it was opened.
pub struct Past {
    history: History,
    named: Vec<NamedVersion>,
    now: Version,
}

/// All that is needed to look at the past of an engine, independent of it.
pub struct PastSource {
    history: HistorySource,
    named: Vec<NamedVersion>,
    now: Version,
}

impl PastSource {
    /// Takes it from an engine.
    pub fn of(engine: &Engine) -> Result<Self, HistoryError> {
        Ok(Self {
            history: engine.history()?,
            named: engine.named_versions(),
            now: engine.version(),
        })
    }

    /// Makes the copy that is looked at. Takes as long as loading the document, on any thread.
    pub fn open(self) -> Result<Past, HistoryError> {
        Ok(Past {
            history: self.history.open()?,
            named: self.named,
            now: self.now,
        })
    }
}

impl Past {
    /// All versions, the oldest first. A version that has a name but ends no sitting stands behind those
    /// of which it has everything.
    pub fn versions(&self) -> Vec<VersionSummary> {
        let mut versions: Vec<VersionSummary> = self
            .history
            .sittings()
            .iter()
            .map(|sitting| VersionSummary {
                version: sitting.version.clone(),
                author: sitting.author,
                others: sitting.others.clone(),
                began_s: sitting.began_s,
                ended_s: sitting.ended_s,
                added: sitting.added,
                deleted: sitting.deleted,
                names: Vec::new(),
            })
            .collect();
        for named in &self.named {
            let Ok(version) = named.version.parse::<Version>() else {
                continue;
            };
            let known = versions.iter_mut().find(|known| known.version == version);
            if let Some(known) = known {
                known.names.push(named.name.clone());
                continue;
            }
            // One that has not arrived yet cannot be shown.
            if self.history.text(&version).is_err() {
                continue;
            }
            let named_s = named.time_us / 1_000_000;
            let place = versions
                .iter()
                .rposition(|known| self.history.includes(&version, &known.version))
                .map_or(0, |place| place + 1);
            let summary = VersionSummary {
                version,
                author: Some(named.author),
                others: Vec::new(),
                began_s: named_s,
                ended_s: named_s,
                added: 0,
                deleted: 0,
                names: vec![named.name.clone()],
            };
            versions.insert(place, summary);
        }
        versions
    }

    /// The version that a person means: by its id, the beginning of one that only one has, or a
    /// name.
    pub fn find(&self, wanted: &str) -> Result<Version, LibraryError> {
        let mut named = self.named.iter().filter(|named| named.name == wanted);
        match (named.next(), named.next()) {
            (Some(named), None) => {
                return named
                    .version
                    .parse()
                    .map_err(|_| LibraryError::NoSuchVersion);
            }
            (Some(_), Some(_)) => return Err(LibraryError::AmbiguousVersion),
            (None, _) => {}
        }
        let wanted = wanted.to_ascii_lowercase();
        let versions = self.history.sittings().iter();
        let mut all: Vec<Version> = versions.map(|sitting| sitting.version.clone()).collect();
        let named = self
            .named
            .iter()
            .filter_map(|named| named.version.parse().ok());
        all.extend(named.filter(|version| self.history.text(version).is_ok()));
        all.push(self.now.clone());
        all.sort();
        all.dedup();
        if let Some(version) = all.iter().find(|version| version.to_string() == wanted) {
            return Ok(version.clone());
        }
        if let Ok(version) = wanted.parse::<Version>()
            && self.history.text(&version).is_ok()
        {
            return Ok(version);
        }
        if wanted.len() < PREFIX_CHARS_MIN {
            return Err(LibraryError::ShortVersion);
        }
        let mut beginning = all
            .into_iter()
            .filter(|version| version.to_string().starts_with(&wanted));
        match (beginning.next(), beginning.next()) {
            (Some(version), None) => Ok(version),
            (Some(_), Some(_)) => Err(LibraryError::AmbiguousVersion),
            (None, _) => Err(LibraryError::NoSuchVersion),
        }
    }

    /// The text of a version.
    pub fn text(&self, version: &Version) -> Result<String, LibraryError> {
        Ok(self.history.text(version)?)
    }
}

impl Library {
    /// Looks at a document's past, on a thread of its own.
    pub async fn past<T: Send + 'static>(
        &self,
        topic: &TopicId,
        look: impl FnOnce(&Past) -> Result<T, LibraryError> + Send + 'static,
    ) -> Result<T, LibraryError> {
        let (library, topic) = (self.clone(), *topic);
        self.node
            .aside(async move {
                let engine = library.load(&topic, None).await?.engine;
                look(&PastSource::of(&engine)?.open()?)
            })
            .await
    }

    /// Who wrote which part of the text.
    pub async fn author_runs(&self, topic: &TopicId) -> Result<Vec<AuthorRun>, LibraryError> {
        let (library, topic) = (self.clone(), *topic);
        self.node
            .aside(async move {
                let mut engine = library.load(&topic, None).await?.engine;
                Ok(engine.author_runs())
            })
            .await
    }

    /// Makes the text what it was in a version, as a new edit; nothing is published where it is
    /// that already.
    pub async fn restore(
        &self,
        topic: &TopicId,
        version: &str,
    ) -> Result<Option<Published>, LibraryError> {
        let wanted = version.to_owned();
        let text = self
            .past(topic, move |past| past.text(&past.find(&wanted)?))
            .await?;
        let mut document = self.open_document(topic).await?;
        document.engine.restore(&text)?;
        Ok(document.flush().await?)
    }

    /// Gives a version a name that everybody in the document sees; the present one if none is
    /// meant.
    pub async fn name_version(
        &self,
        topic: &TopicId,
        version: Option<&str>,
        name: &str,
    ) -> Result<(), LibraryError> {
        let version = match version {
            Some(version) => {
                let wanted = version.to_owned();
                Some(self.past(topic, move |past| past.find(&wanted)).await?)
            }
            None => None,
        };
        let mut document = self.open_document(topic).await?;
        let version = version.unwrap_or_else(|| document.engine.version());
        document
            .engine
            .name_version(&version.to_string(), name, now_us())
            .ok_or(LibraryError::NoName)?;
        document.flush().await?;
        Ok(())
    }
}
