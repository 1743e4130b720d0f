// SPDX-License-Identifier: GPL-3.0-or-later
//! What all parts of a running node use: store, keys, events, and who is in which document.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::access::{DocumentKeys, TopicId};
use crate::events::{Event, EventHub};
use crate::followers::{Followers, Touched};
use crate::identity::{AuthorId, AuthorKey};
use crate::pipeline::{Commit, Commits, Processor};
use crate::presence::{Now, Rooms};
use crate::replication::Replication;
use crate::store::documents::DocumentRow;
use crate::store::operations::Position;
use crate::store::{Readers, StoreError, WriterHandle, documents, operations};

/// A document that this installation takes part in.
#[derive(Clone, Debug)]
pub(crate) struct KnownDocument {
    pub(crate) row: DocumentRow,
    pub(crate) keys: DocumentKeys,
    pub(crate) incarnation: u64,
}

/// A peer in a document, as long as their session lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerStatus {
    /// What both had at the beginning has been exchanged.
    pub(crate) is_exchanged: bool,
    /// The peer has confirmed to have everything that was committed here up to `position`.
    pub(crate) is_in_step: bool,
    /// What the session knew to be committed here.
    pub(crate) position: Position,
}

/// Documents whose change of state is told of each by itself.
const EVENTS_AT_ONCE_MAX: usize = 256;

/// A peer's status, behind the number of the session that reported it.
type Reported = (u64, PeerStatus);

/// See the module.
pub(crate) struct Shared {
    pub(crate) key: AuthorKey,
    pub(crate) id: AuthorId,
    pub(crate) writer: WriterHandle<Processor>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) commits: Commits,
    pub(crate) events: EventHub,
    pub(crate) rooms: Rooms,
    /// Who was told to be online, and where.
    online: Mutex<HashSet<(TopicId, AuthorId)>>,
    pub(crate) replication: Replication,
    documents: RwLock<HashMap<TopicId, KnownDocument>>,
    /// Counts changes of the set of documents.
    documents_changed: watch::Sender<u64>,
    /// Those who are told which documents were added or removed.
    documents_followers: Followers,
    status: Mutex<HashMap<TopicId, BTreeMap<AuthorId, Reported>>>,
    /// Counts how often a peer has come into some document or gone from it.
    peers_changed: watch::Sender<u64>,
    /// Those who are told in which documents it changed.
    status_followers: Followers,
}

impl Shared {
    pub(crate) fn new(
        key: AuthorKey,
        writer: WriterHandle<Processor>,
        readers: Arc<Readers>,
        stored: Vec<documents::StoredDocument>,
        replication: Replication,
    ) -> Self {
        let documents = stored
            .into_iter()
            .map(|document| (document.keys.topic(), KnownDocument::from(document)))
            .collect();
        Self {
            id: key.id(),
            writer,
            readers,
            commits: Commits::default(),
            events: EventHub::default(),
            rooms: Rooms::new(key.id()),
            key,
            online: Mutex::default(),
            replication,
            documents: RwLock::new(documents),
            documents_changed: watch::channel(0).0,
            documents_followers: Followers::default(),
            status: Mutex::default(),
            peers_changed: watch::channel(0).0,
            status_followers: Followers::default(),
        }
    }

    pub(crate) fn document(&self, topic: &TopicId) -> Option<KnownDocument> {
        self.documents
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(topic)
            .cloned()
    }

    pub(crate) fn all_keys(&self) -> Vec<DocumentKeys> {
        let documents = self
            .documents
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        documents
            .values()
            .map(|document| document.keys.clone())
            .collect()
    }

    pub(crate) fn insert_document(&self, stored: documents::StoredDocument) {
        let topic = stored.keys.topic();
        self.documents
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(topic, stored.into());
        self.documents_changed.send_modify(|count| *count += 1);
        self.documents_followers.tell(&[topic]);
        // A replica of the whole library keeps it too.
        self.replication.assignments_changed();
        self.events.emit(&Event::DocumentAdded { topic });
    }

    /// Takes a document as it is after a repair. Who listens to it has to begin again.
    pub(crate) fn replace_document(&self, topic: &TopicId, stored: documents::StoredDocument) {
        self.documents
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(*topic, stored.into());
        self.commits.remove(topic);
    }

    /// Takes note of the incarnation under which a document is written to from here on.
    pub(crate) fn set_incarnation(&self, topic: &TopicId, incarnation: u64) {
        let mut documents = self
            .documents
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = documents.get_mut(topic) {
            document.incarnation = incarnation;
        }
    }

    pub(crate) fn remove_document(&self, topic: &TopicId) {
        self.documents
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(topic);
        self.commits.remove(topic);
        self.rooms.remove(topic);
        self.lock_online().retain(|(known, _)| known != topic);
        self.documents_changed.send_modify(|count| *count += 1);
        self.documents_followers.tell(&[*topic]);
        self.replication.assignments_changed();
        self.replication.storage_changed();
        self.events.emit(&Event::DocumentDeleted { topic: *topic });
    }

    pub(crate) fn watch_documents(&self) -> watch::Receiver<u64> {
        self.documents_changed.subscribe()
    }

    /// Listens to which documents are added or removed from now on.
    pub(crate) fn follow_documents(&self) -> Arc<Touched> {
        self.documents_followers.follow()
    }

    /// Listens to a document's commits, beginning with what is stored now.
    pub(crate) async fn watch_commits(
        &self,
        topic: TopicId,
        row: DocumentRow,
    ) -> Result<watch::Receiver<Commit>, StoreError> {
        let receiver = self.commits.subscribe(topic);
        let (position, newest, heights) = self
            .readers
            .run(move |connection| {
                // One moment for all three.
                let snapshot = connection.unchecked_transaction()?;
                let connection = &snapshot;
                Ok((
                    operations::last_position(connection, row)?,
                    operations::newest_position(connection)?,
                    operations::heights(connection, row)?,
                ))
            })
            .await?;
        self.commits.load(topic, position, newest, &heights);
        Ok(receiver)
    }

    /// Takes note of a peer's state in a document; `None` when the session of that number ended,
    /// which changes nothing where another one has taken its place.
    pub(crate) fn set_status(
        &self,
        topic: TopicId,
        peer: AuthorId,
        session: u64,
        status: Option<PeerStatus>,
    ) {
        let mut all = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let peers = all.entry(topic).or_default();
        let before = peers.get(&peer).copied();
        let is_current = before.is_none_or(|(number, _)| number <= session);
        if is_current {
            match status {
                Some(status) => peers.insert(peer, (session, status)),
                None => peers.remove(&peer),
            };
        }
        if peers.is_empty() {
            all.remove(&topic);
        }
        drop(all);
        if is_current && before.map(|(_, status)| status) != status {
            if before.is_some() != status.is_some() {
                self.peers_changed.send_modify(|count| *count += 1);
            }
            self.status_followers.tell(&[topic]);
            self.events.emit(&Event::DocumentStatus { topic });
            // Each operation changes how each peer stands, and hardly any who is there.
            if self.lock_online().contains(&(topic, peer)) != status.is_some() {
                self.note_online(topic, peer);
            }
        }
    }

    /// Whether a session with a peer stands, in whatever document.
    pub(crate) fn is_with(&self, peer: &AuthorId) -> bool {
        let all = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().any(|peers| peers.contains_key(peer))
    }

    /// Tells if somebody has come online or gone offline, and remembers when.
    pub(crate) fn note_online(&self, topic: TopicId, author: AuthorId) {
        let mut online = self.lock_online();
        let is_online = self.rooms.is_here(&topic, &author)
            || (self.peers_of(&topic).contains_key(&author) && self.document(&topic).is_some());
        let event = if is_online && online.insert((topic, author)) {
            Event::AuthorOnline { topic, author }
        } else if !is_online && online.remove(&(topic, author)) {
            Event::AuthorOffline { topic, author }
        } else {
            return;
        };
        self.rooms
            .with(&topic, |room| room.meet(author, Now::read()));
        self.events.emit(&event);
    }

    /// A peer's network has ended: it is in no document any more, whether or not its last words
    /// have been heard.
    pub(crate) fn note_gone(&self, author: AuthorId) {
        for topic in self.rooms.lose(&author) {
            self.note_online(topic, author);
            self.events.emit(&Event::PresenceChanged { topic, author });
        }
    }

    fn lock_online(&self) -> std::sync::MutexGuard<'_, HashSet<(TopicId, AuthorId)>> {
        self.online.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a peer's state in many documents at once, each with the number of the session
    /// or summary that says so. Where these are many, no event is made of
    /// documents that nobody looks at.
    pub(crate) fn set_statuses(
        &self,
        peer: AuthorId,
        statuses: &[(TopicId, u64)],
        status: Option<PeerStatus>,
    ) {
        let mut changed = Vec::new();
        let mut has_moved = false;
        {
            let mut all = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            for (topic, number) in statuses {
                let peers = all.entry(*topic).or_default();
                let before = peers.get(&peer).copied();
                if before.is_none_or(|(known, _)| known <= *number) {
                    match status {
                        Some(status) => peers.insert(peer, (*number, status)),
                        None => peers.remove(&peer),
                    };
                    if before.map(|(_, status)| status) != status {
                        has_moved |= before.is_some() != status.is_some();
                        changed.push(*topic);
                    }
                }
                if peers.is_empty() {
                    all.remove(topic);
                }
            }
        }
        if changed.is_empty() {
            return;
        }
        if has_moved {
            self.peers_changed.send_modify(|count| *count += 1);
        }
        self.status_followers.tell(&changed);
        let is_few = changed.len() <= EVENTS_AT_ONCE_MAX;
        for topic in changed {
            let is_looked_at = is_few || self.commits.is_listened_to(&topic);
            if is_looked_at {
                self.events.emit(&Event::DocumentStatus { topic });
            }
            // Who was told to be there is told to be gone in any case.
            if is_looked_at || status.is_none() {
                self.note_online(topic, peer);
            }
        }
    }

    /// How a peer stands in a document.
    pub(crate) fn status_of(&self, topic: &TopicId, peer: &AuthorId) -> Option<PeerStatus> {
        let all = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(topic)?.get(peer).map(|(_, status)| *status)
    }

    /// How the peers in a document stand. A session that has not yet heard of the newest commit
    /// does not count as in step: whoever was just told that its operation is stored must not
    /// find it confirmed by those who have never seen it.
    pub(crate) fn peers_of(&self, topic: &TopicId) -> BTreeMap<AuthorId, PeerStatus> {
        let newest = self.commits.position(topic);
        let all = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let peers = all.get(topic).into_iter().flatten();
        peers
            .map(|(peer, (_, status))| {
                let is_in_step = status.is_in_step && status.position >= newest;
                let status = PeerStatus {
                    is_in_step,
                    ..*status
                };
                (*peer, status)
            })
            .collect()
    }

    /// Listens to the documents in which the state of some session changes from now on.
    pub(crate) fn follow_status(&self) -> Arc<Touched> {
        self.status_followers.follow()
    }

    /// Listens to peers coming into documents and going from them.
    pub(crate) fn watch_peers(&self) -> watch::Receiver<u64> {
        self.peers_changed.subscribe()
    }
}

impl From<documents::StoredDocument> for KnownDocument {
    fn from(stored: documents::StoredDocument) -> Self {
        Self {
            row: stored.row,
            keys: stored.keys,
            incarnation: stored.incarnation,
        }
    }
}

/// Microseconds since 1970 by this machine's clock.
pub(crate) fn now_us() -> u64 {
    #[cfg(feature = "testing")]
    if let Some(now_us) = crate::testing::simulated_now_us() {
        return now_us;
    }
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        })
}
