// SPDX-License-Identifier: GPL-3.0-or-later
//! The application of an installation, with a trap in it in which the process dies, and with the
//! mistakes that are made on purpose.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::Sabotage;
use super::files::Files;
use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::pipeline::{
    Application, Branches, Compactor, Delivered, Delivery, Joined, Processed, Refusal,
};
use crate::store::StoreError;

/// Where the process dies inside a transaction.
#[derive(Default)]
pub(super) enum Trap {
    #[default]
    Off,
    /// When so many more operations have begun or ended to be processed.
    Armed { steps: usize, files: Files },
    /// It died; the files as they were then are in place.
    Sprung,
}

/// The application, with the trap around it.
pub(super) struct Trapped {
    pub(super) application: Box<dyn Application>,
    pub(super) trap: Arc<Mutex<Trap>>,
    pub(super) sabotage: Option<Sabotage>,
}

impl Trapped {
    fn step(&self) {
        let mut trap = self.trap.lock().unwrap_or_else(PoisonError::into_inner);
        if let Trap::Armed { steps, files } = &mut *trap {
            if *steps == 0 {
                files.copy_to_next();
                *trap = Trap::Sprung;
            } else {
                *steps -= 1;
            }
        }
    }
}

impl Application for Trapped {
    fn prepare(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.application.prepare(connection)
    }

    fn process(
        &mut self,
        connection: &Connection,
        delivery: &Delivery<'_>,
    ) -> Result<Processed, Refusal> {
        self.step();
        let is_twice = self.sabotage == Some(Sabotage::ProcessTwice);
        if is_twice && delivery.operation.header().sequence == 1 {
            let _ = self.application.process(connection, delivery);
        }
        let processed = self.application.process(connection, delivery);
        self.step();
        processed
    }

    fn added(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
        self.application.added(connection, topic)
    }

    fn deleted(&mut self, connection: &Connection, topic: &TopicId) -> Result<(), StoreError> {
        self.application.deleted(connection, topic)
    }

    fn compactor(&self) -> Option<Arc<dyn Compactor>> {
        Some(Arc::new(Careless {
            compactor: self.application.compactor()?,
            sabotage: self.sabotage,
        }))
    }
}

/// What the application knows about whole logs, with the mistakes that are made on purpose.
struct Careless {
    compactor: Arc<dyn Compactor>,
    sabotage: Option<Sabotage>,
}

impl Compactor for Careless {
    fn compact(
        &self,
        topic: &TopicId,
        author: &AuthorId,
        operations: &[Delivered],
    ) -> Option<Vec<u8>> {
        let is_incomplete = self.sabotage == Some(Sabotage::CompactIncompletely);
        let newest = operations.iter().rposition(|one| one.author == *author)?;
        let kept = if is_incomplete {
            [&operations[..newest], &operations[newest + 1..]].concat()
        } else {
            operations.to_vec()
        };
        self.compactor.compact(topic, author, &kept)
    }

    fn mend(&self, branches: &Branches<'_>) -> Option<Joined> {
        let mut branches = *branches;
        if self.sabotage == Some(Sabotage::LoseBranch) {
            branches.theirs = &branches.theirs[..1];
        }
        self.compactor.mend(&branches)
    }
}
