// SPDX-License-Identifier: GPL-3.0-or-later
//! One installation: its files, and what runs while its process does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, fs};

use super::Sabotage;
use super::application::{Trap, Trapped};
use super::files::Files;
use super::jobs::Outcome;
use crate::access::{DocumentKeys, TopicId};
use crate::identity::{AuthorId, AuthorKey};
use crate::network::Held;
use crate::operation::{Kind, OperationId};
use crate::pipeline::{
    Application as _, Commits, Delivered, Processor, WaitingRoom, open_operation, read_all,
};
use crate::store::documents::{self, DocumentRow};
use crate::store::operations::{self, Position};
use crate::store::{
    Committer, Job, check_author, compaction, forks, open_connection, prepare, storage,
};

/// Pages that a database may have when its disk is not full: no bound.
const PAGES_MAX: u32 = u32::MAX - 1;

/// Somebody at a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seat {
    pub(super) who: usize,
    pub(super) document: usize,
}

impl fmt::Display for Seat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at document {}", self.who, self.document)
    }
}

/// What lives as long as a process.
pub(super) struct Running {
    pub(super) committer: Committer<Processor>,
    pub(super) commits: Arc<Commits>,
    /// Work for the next transactions.
    pub(super) jobs: Vec<Job<Processor>>,
    pub(super) is_commit_due: bool,
    pub(super) is_apply_due: bool,
    /// The documents of this process.
    pub(super) open: BTreeMap<usize, Open>,
    pub(super) outcomes: Arc<Mutex<Vec<Outcome>>>,
    trap: Arc<Mutex<Trap>>,
}

/// A document in a process.
pub(super) struct Open {
    pub(super) row: DocumentRow,
    pub(super) incarnation: u64,
    /// How often stored operations had been replaced when the person last began with them.
    generation: i64,
    /// Up to where the person has been given what was accepted.
    position: Position,
    /// Bodies of which one is being published, the others waiting for it.
    pub(super) publishing: VecDeque<Vec<u8>>,
    pub(super) is_publishing: bool,
}

/// An operation that is stored.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    position: Position,
    pub(super) document: usize,
    pub(super) author: AuthorId,
    pub(super) sequence: u64,
    pub(super) id: OperationId,
    pub(super) is_compaction: bool,
}

/// What somebody has to do with a document.
pub(super) struct Part<P> {
    pub(super) keys: DocumentKeys,
    pub(super) person: P,
    /// Whether the document has been joined.
    pub(super) is_joined: bool,
}

/// One installation.
pub(super) struct Installation<P> {
    pub(super) key: AuthorKey,
    pub(super) id: AuthorId,
    /// The documents that it takes part in, or will.
    pub(super) parts: BTreeMap<usize, Part<P>>,
    /// Counts the processes that ran on these files.
    pub(super) run: u32,
    pub(super) running: Option<Running>,
    pub(super) is_disk_full: bool,
    /// What this process has seen in the store.
    operations: Vec<Placed>,
    /// Bytes of the write-ahead log that a power cut leaves.
    synced_bytes: u64,
    files: Files,
    has_backup: bool,
}

impl<P: super::Person> Installation<P> {
    pub(super) fn new(
        who: usize,
        key: AuthorKey,
        parts: BTreeMap<usize, Part<P>>,
        folder: &Path,
    ) -> Self {
        Self {
            id: key.id(),
            key,
            parts,
            run: 0,
            running: None,
            is_disk_full: false,
            operations: Vec::new(),
            synced_bytes: 0,
            files: Files {
                folder: folder.to_owned(),
                who,
                crashes: 0,
            },
            has_backup: false,
        }
    }

    /// The keys of a document that it takes part in.
    pub(super) fn keys(&self, document: usize) -> &DocumentKeys {
        &self.parts[&document].keys
    }

    /// A document in the running process.
    pub(super) fn open(&self, document: usize) -> Option<&Open> {
        self.running.as_ref()?.open.get(&document)
    }

    /// The documents that were joined.
    pub(super) fn joined(&self) -> impl Iterator<Item = usize> {
        let joined = self.parts.iter().filter(|(_, part)| part.is_joined);
        joined.map(|(document, _)| *document)
    }

    pub(super) fn has_joined(&self, document: usize) -> bool {
        self.parts.get(&document).is_some_and(|part| part.is_joined)
    }

    pub(super) fn find(&self, topic: &TopicId) -> Option<usize> {
        let mut parts = self.parts.iter();
        parts
            .find(|(_, part)| part.keys.topic() == *topic)
            .map(|(document, _)| *document)
    }

    /// The process starts.
    pub(super) fn start(&mut self, now_us: u64, sabotage: Option<Sabotage>) {
        self.run += 1;
        self.operations.clear();
        self.is_disk_full = false;
        let trap = Arc::new(Mutex::new(Trap::Off));
        let any = self.parts.values().next().unwrap();
        let mut application = Trapped {
            application: any.person.application(),
            trap: Arc::clone(&trap),
            sabotage,
        };
        let connection = open_connection(&self.files.database(), true).unwrap();
        prepare(&connection).unwrap();
        application.prepare(&connection).unwrap();
        assert_eq!(check_author(&connection, &self.id).unwrap(), self.id);
        let newest = operations::newest_position(&connection).unwrap();
        self.synced_bytes = self.log_bytes();
        let processor = Processor {
            key: self.key.clone(),
            application: Box::new(application),
            early: WaitingRoom::default(),
        };
        self.running = Some(Running {
            committer: Committer::new(connection, processor),
            commits: Arc::default(),
            jobs: Vec::new(),
            is_commit_due: false,
            is_apply_due: false,
            open: BTreeMap::new(),
            outcomes: Arc::default(),
            trap,
        });
        if let Some(running) = &self.running {
            running.commits.durable(newest);
        }
        let joined: Vec<usize> = self.joined().collect();
        for document in joined {
            self.join(document, now_us);
        }
    }

    /// Takes part in a document, which is in the store from then on.
    pub(super) fn join(&mut self, document: usize, now_us: u64) {
        let (Some(running), Some(part)) = (&mut self.running, self.parts.get_mut(&document)) else {
            return;
        };
        part.is_joined = true;
        let topic = part.keys.topic();
        let connection = &running.committer.connection;
        let stored = if let Some(stored) = documents::find(connection, &topic).unwrap() {
            stored
        } else {
            let added = documents::add(connection, &part.keys, true, now_us).unwrap();
            // Nobody goes back to before a document was joined here.
            self.has_backup = false;
            let application = &mut running.committer.context.application;
            application.added(connection, &topic).unwrap();
            added
        };
        let generation = forks::generation(connection, stored.row).unwrap();
        part.person.start(self.id, &topic, stored.incarnation);
        let open = Open {
            row: stored.row,
            incarnation: stored.incarnation,
            generation,
            position: 0,
            publishing: VecDeque::new(),
            is_publishing: false,
        };
        running.open.insert(document, open);
        while self.apply(document) {}
    }

    fn log_bytes(&self) -> u64 {
        fs::metadata(self.files.log()).map_or(0, |log| log.len())
    }

    /// Gives the person the next operations that were accepted; `false` if there are none.
    pub(super) fn apply(&mut self, document: usize) -> bool {
        let (Some(running), Some(part)) = (&mut self.running, self.parts.get_mut(&document)) else {
            return false;
        };
        let Some(open) = running.open.get_mut(&document) else {
            return false;
        };
        if part.keys.read_key().is_none() {
            return false;
        }
        let connection = &running.committer.connection;
        let generation = forks::generation(connection, open.row).unwrap();
        if generation != open.generation {
            // What is on its way to the disk comes back first.
            if !open.is_publishing {
                open.generation = generation;
                self.begin_again(document);
            }
            return false;
        }
        let found = operations::after(connection, open.row, open.position, 1_000).unwrap();
        let delivered: Vec<Delivered> = found
            .iter()
            .map(|(position, operation)| open_operation(&part.keys, *position, operation).unwrap())
            .collect();
        let Some(last) = delivered.last() else {
            return false;
        };
        open.position = last.position;
        part.person.apply(&delivered);
        true
    }

    /// The person goes on with what is stored now.
    fn begin_again(&mut self, document: usize) {
        let (Some(running), Some(part)) = (&mut self.running, self.parts.get_mut(&document)) else {
            return;
        };
        let Some(open) = running.open.get_mut(&document) else {
            return;
        };
        part.person.give_back(open.publishing.drain(..).collect());
        let topic = part.keys.topic();
        let connection = &running.committer.connection;
        let found = documents::find(connection, &topic).unwrap().unwrap();
        let stored = read_all(connection, open.row, &part.keys).unwrap();
        open.incarnation = found.incarnation;
        open.position = stored.last().map_or(0, |last| last.position);
        part.person
            .begin_again(self.id, &topic, found.incarnation, &stored);
    }

    /// The end of our log, the incarnation of the last operation in it, and the body of one that
    /// says all of it; as the node makes it beside the writing thread.
    pub(super) fn compaction(&self, document: usize) -> Option<(u64, u64, Vec<u8>)> {
        let (running, keys) = (self.running.as_ref()?, self.keys(document));
        let row = self.open(document)?.row;
        let connection = &running.committer.connection;
        let (size, next) = compaction::own_log(connection, row, &self.id).unwrap();
        if size.operations <= 1 {
            return None;
        }
        let stored = read_all(connection, row, keys).unwrap();
        let newest = stored.iter().rfind(|one| one.author == self.id)?;
        let compactor = running.committer.context.application.compactor()?;
        let body = compactor.compact(&keys.topic(), &self.id, &stored)?;
        (newest.sequence + 1 == next).then_some((next, newest.incarnation, body))
    }

    /// What the person says in a document.
    pub(super) fn said(&mut self, document: usize) -> BTreeSet<u64> {
        let part = self.parts.get_mut(&document);
        part.map(|part| part.person.said()).unwrap_or_default()
    }

    /// Keeps a copy of the files as they are now.
    pub(super) fn back_up(&mut self) {
        if self.running.is_some() {
            let backup = self.files.backup();
            fs::create_dir_all(&backup.folder).unwrap();
            if self.has_backup {
                backup.remove();
            }
            self.files.copy_to(&backup);
            self.has_backup = true;
        }
    }

    /// The files become those of the backup, while nothing runs. `false` without one.
    pub(super) fn restore(&mut self) -> bool {
        if self.has_backup {
            self.files.remove();
            self.files = self.files.next();
            self.files.backup().copy_to(&self.files);
            self.synced_bytes = self.log_bytes();
        }
        self.has_backup
    }

    /// Runs what waits in one transaction. `false` if the process died in it.
    pub(super) fn commit(&mut self, jobs: usize, is_unsynced: bool) -> bool {
        let Some(running) = &mut self.running else {
            return true;
        };
        let jobs = jobs.min(running.jobs.len());
        let group: Vec<_> = running.jobs.drain(..jobs).collect();
        let is_durable = group.iter().any(Job::is_durable);
        running.committer.commit(group);
        let is_alive = !matches!(
            *running.trap.lock().unwrap_or_else(PoisonError::into_inner),
            Trap::Sprung
        );
        if is_durable && is_alive && !is_unsynced {
            self.synced_bytes = self.log_bytes();
        }
        is_alive
    }

    /// The process will die in the transaction that processes an operation so many steps on.
    pub(super) fn arm(&mut self, steps: usize) {
        if let Some(running) = &self.running {
            let mut trap = running.trap.lock().unwrap_or_else(PoisonError::into_inner);
            *trap = Trap::Armed {
                steps,
                files: self.files.clone(),
            };
        }
    }

    /// The process does not die in a transaction after all.
    pub(super) fn disarm(&mut self) {
        if let Some(running) = &self.running {
            *running.trap.lock().unwrap_or_else(PoisonError::into_inner) = Trap::Off;
        }
    }

    /// The process ends in order: what is accepted is written, the database is closed.
    pub(super) fn stop(&mut self) {
        self.commit(usize::MAX, false);
        self.running = None;
        self.synced_bytes = self.log_bytes();
    }

    /// The process dies at once; with a power cut, what the disk had not been made to write is
    /// lost but for a part of it that the disk wrote by itself.
    pub(super) fn crash(&mut self, power_cut: Option<usize>) {
        let Some(running) = self.running.take() else {
            return;
        };
        let is_sprung = matches!(
            *running.trap.lock().unwrap_or_else(PoisonError::into_inner),
            Trap::Sprung
        );
        if !is_sprung {
            self.files.copy_to_next();
        }
        drop(running);
        self.files.remove();
        self.files = self.files.next();
        if let Some(percent) = power_cut {
            let unsynced = self.log_bytes().saturating_sub(self.synced_bytes);
            let kept = self.synced_bytes + unsynced * percent as u64 / 100;
            if self.files.log().exists() {
                let log = fs::OpenOptions::new()
                    .write(true)
                    .open(self.files.log())
                    .unwrap();
                log.set_len(kept.min(self.log_bytes())).unwrap();
            }
        }
        self.synced_bytes = self.synced_bytes.min(self.log_bytes());
    }

    /// From now on the database cannot grow by more than a few pages, or as it likes again.
    pub(super) fn set_disk_full(&mut self, pages: Option<u32>) {
        let Some(running) = &self.running else { return };
        let connection = &running.committer.connection;
        let present: u32 = connection
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .unwrap();
        let most = pages.map_or(PAGES_MAX, |pages| present + pages);
        connection
            .query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))
            .unwrap();
        self.is_disk_full = pages.is_some();
    }

    /// Looks at what was stored since the last time, and gives that.
    pub(super) fn look(&mut self) -> &[Placed] {
        let Some(running) = &self.running else {
            return &[];
        };
        let before = self.operations.len();
        let last = self.operations.last().map_or(0, |placed| placed.position);
        let connection = &running.committer.connection;
        let mut statement = connection
            .prepare_cached(
                "SELECT position, header, topic FROM operations
                 JOIN documents ON documents.id = operations.document
                 WHERE position > ?1 ORDER BY position",
            )
            .unwrap();
        let mut rows = statement.query([last]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let bytes: Vec<u8> = row.get(1).unwrap();
            let header = crate::operation::Header::decode(&bytes).unwrap();
            let topic = TopicId::from_bytes(row.get(2).unwrap());
            let mut parts = self.parts.iter();
            let part = parts.find(|(_, part)| part.keys.topic() == topic);
            self.operations.push(Placed {
                position: row.get(0).unwrap(),
                document: *part.unwrap().0,
                author: header.author,
                sequence: header.sequence,
                id: OperationId::from_bytes(*blake3::hash(&bytes).as_bytes()),
                is_compaction: header.kind == Kind::Compaction,
            });
        }
        &self.operations[before..]
    }

    /// All operations of a document that are stored, in the order of their acceptance.
    pub(super) fn operations(&self, document: usize) -> impl Iterator<Item = &Placed> {
        let operations = self.operations.iter();
        operations.filter(move |placed| placed.document == document)
    }

    /// What is in the store now of a document.
    pub(super) fn stored(&self, document: usize) -> BTreeSet<OperationId> {
        let (Some(running), Some(open)) = (&self.running, self.open(document)) else {
            return BTreeSet::new();
        };
        let connection = &running.committer.connection;
        let mut statement = connection
            .prepare_cached("SELECT header FROM operations WHERE document = ?1")
            .unwrap();
        let headers = statement.query_map([open.row.0], |row| row.get::<_, Vec<u8>>(0));
        headers
            .unwrap()
            .map(|header| OperationId::from_bytes(*blake3::hash(&header.unwrap()).as_bytes()))
            .collect()
    }

    /// The ids of those of a document up to some position.
    pub(super) fn held(&self, document: usize, position: Position) -> BTreeSet<OperationId> {
        self.operations(document)
            .filter(|placed| placed.position <= position)
            .map(|placed| placed.id)
            .collect()
    }

    /// Brings onto the disk what is committed, as is waited for before it is said what is held.
    /// `false` where that is not possible.
    pub(super) fn write_everything(&mut self) -> bool {
        let is_written = self
            .running
            .as_ref()
            .is_some_and(|running| storage::write_through(&running.committer.connection).is_ok());
        if is_written {
            self.synced_bytes = self.log_bytes();
        }
        is_written
    }

    /// What the store says of a document.
    pub(super) fn look_up(&self, document: usize) -> Option<Held> {
        let connection = &self.running.as_ref()?.committer.connection;
        let (row, keys) = (self.open(document)?.row, self.keys(document).clone());
        Some(Held {
            topic: keys.topic(),
            row,
            keys,
            heights: operations::heights(connection, row).unwrap(),
            position: operations::newest_position(connection).unwrap(),
        })
    }
}
