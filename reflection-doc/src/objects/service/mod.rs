// SPDX-License-Identifier: GPL-3.0-or-later
//! The running library: everything that a front end needs while a data folder is open.

mod connections;
mod files;
mod keeping;
mod people;
mod replicas;
mod shelf;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use gio::prelude::*;
use gio::subclass::prelude::*;
use glib::clone;
use reflection_node::access::{Code, TopicId};
use reflection_node::identity::{AuthorId, AuthorKey};
use reflection_node::pipeline::StreamError;
use reflection_node::store::{DataFolder, StoreError};
use reflection_node::{
    DocumentError, Event, Mode, NetworkConfig, NetworkError, ReplicaError, StartError,
};

use super::tasks::Tasks;
use super::{Document, Documents, SearchResults};
use crate::bridge;
use crate::library::{Library, LibraryError};
pub use connections::{Connection, Connections, KeptCopy};
pub use files::{ExportCounts, FileError};
pub use keeping::Tidied;
pub use replicas::Replica;

/// How long changes to a document are collected before its row is read again.
const REFRESH_DELAY: Duration = Duration::from_millis(150);

/// Why a library could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The node could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The documents could not be listed.
    #[error(transparent)]
    List(#[from] LibraryError),
}

impl OpenError {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Start(StartError::Store(error))
            | Self::List(
                LibraryError::Store(error)
                | LibraryError::Document(DocumentError::Store(error))
                | LibraryError::Stream(StreamError::Store(error)),
            ) => Some(error),
            _ => None,
        }
    }

    /// Whether what is on the disk is not what was once written there.
    pub fn is_damaged(&self) -> bool {
        self.store().is_some_and(StoreError::is_damaged)
    }

    /// Whether there is no room on the disk.
    pub fn is_disk_full(&self) -> bool {
        self.store().is_some_and(StoreError::is_disk_full)
    }
}

/// Why something about a document could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The library is closed.
    #[error("the library is closed")]
    Closed,
    /// Something typed could not be written to the disk first.
    #[error("changes could not be saved")]
    NotSaved,
    /// The library could not do it.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The node could not do it.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The network could not be started.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A replica cannot be used so.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the service was not closed. It goes on running.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// Something typed could not be written to the disk.
    #[error("changes could not be saved")]
    NotSaved,
}

mod imp {
    use super::*;

    #[derive(Default, glib::Properties)]
    #[properties(wrapper_type = super::Service)]
    pub struct Service {
        pub(super) library: OnceCell<Library>,
        /// For making a backup of it.
        pub(super) key: OnceCell<AuthorKey>,
        pub(super) tasks: Tasks,
        /// Documents whose rows are to be read again.
        pub(super) changed: RefCell<HashSet<TopicId>>,
        pub(super) is_refreshing: Cell<bool>,
        /// Documents that went since the program began: what is still being read of one of them
        /// does not bring it back into the list.
        pub(super) gone: RefCell<HashSet<TopicId>>,
        /// All documents of this device.
        #[property(get)]
        documents: RefCell<Documents>,
        /// Whether no connection to anybody is wanted.
        #[property(get)]
        is_offline: Cell<bool>,
        /// How far the network reaches, by its word.
        #[property(get)]
        mode: RefCell<String>,
    }

    impl Service {
        pub(super) fn show_mode(&self, mode: Mode) {
            let is_offline = mode == Mode::Offline;
            if self.is_offline.replace(is_offline) != is_offline {
                self.obj().notify_is_offline();
            }
            if *self.mode.borrow() != mode.as_str() {
                self.mode.replace(mode.as_str().to_owned());
                self.obj().notify_mode();
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Service {
        const NAME: &'static str = "ReflectionService";
        type Type = super::Service;
    }

    #[glib::derived_properties]
    impl ObjectImpl for Service {
        fn dispose(&self) {
            self.tasks.abort();
        }
    }
}

glib::wrapper! {
    /// The running library.
    pub struct Service(ObjectSubclass<imp::Service>);
}

impl Service {
    /// Opens a data folder: the database, the list of documents and, as far as `config` allows,
    /// the network.
    pub async fn open(
        folder: DataFolder,
        key: AuthorKey,
        config: NetworkConfig,
    ) -> Result<Self, OpenError> {
        let library = Library::open(folder, key.clone(), config).await?;
        let mode = library.node().mode().await;
        let service: Self = glib::Object::new();
        let imp = service.imp();
        // Set once, right after construction; the cell cannot be taken yet.
        let _ = imp.library.set(library.clone());
        let _ = imp.key.set(key);
        imp.show_mode(mode);
        // First listen, then read, so that nothing falls between.
        let receive: Rc<dyn Fn(Event)> = Rc::new(clone!(
            #[weak]
            service,
            move |event| service.receive(&event)
        ));
        imp.tasks
            .keep(bridge::follow(library.node().events(), receive));
        // Who takes part in each is asked when it comes into sight: there may be thousands.
        for summary in library.documents().await? {
            service.documents().show(&library, &summary);
        }
        Ok(service)
    }

    /// The author of this installation.
    pub fn this_author(&self) -> Option<AuthorId> {
        self.imp().library.get().map(|library| library.node().id())
    }

    /// How far the network reaches.
    pub fn network_mode(&self) -> Mode {
        self.mode().parse().unwrap_or_default()
    }

    /// Changes how far the network reaches; documents stay open.
    pub async fn change_mode(&self, mode: Mode) -> Result<(), ServiceError> {
        let library = self.library()?;
        library.node().set_mode(mode).await?;
        self.imp().show_mode(mode);
        Ok(())
    }

    /// A search among all documents, which shows nothing yet.
    pub fn search_results(&self) -> Option<SearchResults> {
        let library = self.library().ok()?;
        Some(SearchResults::new(&library, &self.documents()))
    }

    /// Makes an empty document.
    pub async fn create_document(&self) -> Result<Document, ServiceError> {
        self.create_document_of("").await
    }

    /// Makes a document with a first text.
    pub async fn create_document_of(&self, text: &str) -> Result<Document, ServiceError> {
        let library = self.library()?;
        let topic = library.create(text).await?;
        self.shown(&library, &topic).await
    }

    /// Takes part in the document that a code is for. A document that is here already is given
    /// as it is.
    pub async fn join_document(&self, code: &Code) -> Result<Document, ServiceError> {
        let library = self.library()?;
        let (topic, _) = library.node().join(code).await?;
        self.shown(&library, &topic).await
    }

    /// Saves everything and ends the node, within `deadline`. If something cannot be saved,
    /// nothing is ended; then [`Service::abandon`] is what ends it all the same.
    pub async fn close(&self, deadline: Duration) -> Result<(), CloseError> {
        let begun = Instant::now();
        let documents = self.documents().to_vec();
        let saved = futures_util::future::join_all(documents.iter().map(Document::flush));
        match glib::future_with_timeout(deadline, saved).await {
            Ok(saved) if saved.iter().all(|saved| *saved) => {}
            _ => return Err(CloseError::NotSaved),
        }
        self.abandon(deadline.saturating_sub(begun.elapsed())).await;
        Ok(())
    }

    /// Ends the node within `deadline` without saving first.
    pub async fn abandon(&self, deadline: Duration) {
        if let Ok(library) = self.library() {
            self.imp().tasks.abort();
            library.node().shutdown(deadline).await;
        }
    }

    fn imp_key(&self) -> Option<AuthorKey> {
        self.imp().key.get().cloned()
    }

    /// What is underneath; the objects keep themselves in step with it.
    pub fn library(&self) -> Result<Library, ServiceError> {
        self.imp()
            .library
            .get()
            .cloned()
            .ok_or(ServiceError::Closed)
    }

    /// Sees to it that a document is in the list, whatever the event that says so is doing.
    async fn shown(&self, library: &Library, topic: &TopicId) -> Result<Document, ServiceError> {
        let summary = library.summary(topic).await?;
        self.imp().gone.borrow_mut().remove(topic);
        let document = self.documents().show(library, &summary);
        document.refresh_people();
        Ok(document)
    }

    fn forget(&self, topic: &TopicId) {
        self.imp().gone.borrow_mut().insert(*topic);
        if let Some(document) = self.documents().remove(topic) {
            document.gone();
        }
    }

    fn receive(&self, event: &Event) {
        let known = |topic: &TopicId| self.documents().get(topic);
        match event {
            Event::DocumentAdded { topic } => {
                self.imp().gone.borrow_mut().remove(topic);
                self.refresh_soon(topic);
            }
            Event::DocumentDeleted { topic } => self.forget(topic),
            Event::DocumentChanged { topic, author, .. } => {
                if let Some(document) = known(topic) {
                    document.heard_of(author);
                }
                self.refresh_soon(topic);
            }
            Event::DocumentStatus { topic }
            | Event::AuthorOnline { topic, .. }
            | Event::AuthorOffline { topic, .. } => {
                if let Some(document) = known(topic) {
                    document.refresh_people();
                }
            }
            Event::PresenceChanged { topic, .. } => {
                if let Some(document) = known(topic) {
                    document.presence_changed();
                    document.refresh_people();
                }
            }
            Event::SyncFinished {
                topic, error: None, ..
            } => {
                if let Some(document) = known(topic) {
                    document.compared();
                }
            }
            Event::Missed { .. } => {
                for document in self.documents().to_vec() {
                    if let Some(topic) = document.topic() {
                        self.refresh_soon(&topic);
                    }
                }
            }
            Event::ModeChanged { mode } => self.imp().show_mode(*mode),
            // The others are for the log of the node and for later views.
            _ => {}
        }
    }

    /// Reads a document's row again, once for all changes of a short while.
    fn refresh_soon(&self, topic: &TopicId) {
        let imp = self.imp();
        imp.changed.borrow_mut().insert(*topic);
        if imp.is_refreshing.replace(true) {
            return;
        }
        let service = self.downgrade();
        imp.tasks.spawn(async move {
            loop {
                glib::timeout_future(REFRESH_DELAY).await;
                let Some(service) = service.upgrade() else {
                    return;
                };
                let Ok(library) = service.library() else {
                    return;
                };
                let changed = service.imp().changed.take();
                if changed.is_empty() {
                    service.imp().is_refreshing.set(false);
                    return;
                }
                // An open text knows by itself, and reading all of it again would be in its way.
                let is_open = |topic: &TopicId| {
                    service
                        .documents()
                        .get(topic)
                        .is_some_and(|document| document.is_open())
                };
                for topic in changed.into_iter().filter(|topic| !is_open(topic)) {
                    // Deleted in the meantime, or unreadable: then its row stays as it is.
                    if let Ok(summary) = library.summary(&topic).await
                        && !service.imp().gone.borrow().contains(&topic)
                    {
                        let document = service.documents().show(&library, &summary);
                        // Names may have come with it.
                        document.refresh_people();
                    }
                }
            }
        });
    }
}
