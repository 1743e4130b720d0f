// SPDX-License-Identifier: GPL-3.0-or-later
//! The way of what is typed to the disk.
//!
//! One task per open text takes the changes when the pace says so and waits until the node has
//! them on the disk. It is never cancelled in the middle: whoever wants everything saved asks it
//! to hurry and waits for its answer.

use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future;
use gio::subclass::prelude::*;
use reflection_node::pipeline::PublishError;

use super::properties::Document;
use super::session::Session;
use super::{SaveState, Trouble};

/// First pause after a failed attempt; doubled by each further one.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// Longest pause between attempts.
const RETRY_MAX: Duration = Duration::from_secs(15);

impl Session {
    /// Something was typed, or somebody is waiting.
    pub(super) fn wake(&self) {
        // Full means that it is awake already; closed, that the session has ended.
        let _ = self.wake.try_send(());
    }

    pub(super) fn has_unsaved(&self) -> bool {
        self.in_flight.get() > 0 || self.engine.borrow().has_changes()
    }

    /// Waits until everything is on the disk, or until an attempt has failed.
    pub(super) async fn flush(&self) -> bool {
        if !self.has_unsaved() {
            return true;
        }
        let (tell, told) = async_channel::bounded(1);
        self.waiting.borrow_mut().push(tell);
        self.is_urgent.set(true);
        self.wake();
        told.recv().await.unwrap_or(false)
    }

    pub(super) fn tell_waiting(&self, is_saved: bool) {
        self.is_urgent.set(false);
        for waiting in self.waiting.take() {
            // Whoever has given up waiting does not need the answer.
            let _ = waiting.try_send(is_saved);
        }
    }

    /// Sleeps, but not through an urgent wish.
    async fn pause(&self, woken: &async_channel::Receiver<()>, duration: Duration) {
        let until = Instant::now() + duration;
        while !self.is_urgent.get() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let wake = pin!(woken.recv());
            match future::select(glib::timeout_future(left), wake).await {
                future::Either::Left(_) | future::Either::Right((Err(_), _)) => return,
                future::Either::Right((Ok(()), _)) => {}
            }
        }
    }
}

/// Saves what is typed until the session ends.
pub(super) async fn save(
    document: glib::WeakRef<super::Document>,
    session: Rc<Session>,
    woken: async_channel::Receiver<()>,
) {
    let mut retry = RETRY_MIN;
    while woken.recv().await.is_ok() {
        while session.has_unsaved() {
            let due = session.pace.borrow().due(Instant::now());
            session.pause(&woken, due.unwrap_or_default()).await;
            let outcome = save_once(&session).await;
            let Some(document) = document.upgrade() else {
                return;
            };
            document.imp().show_outcome(&session, &outcome);
            drop(document);
            if outcome.is_ok() {
                retry = RETRY_MIN;
            } else {
                session.pause(&woken, retry).await;
                retry = (retry * 2).min(RETRY_MAX);
            }
        }
        session.tell_waiting(true);
    }
}

/// Takes the changes and waits for the disk. What could not be written goes back.
async fn save_once(session: &Session) -> Result<(), PublishError> {
    let bodies = session.engine.borrow_mut().take_changes();
    session.pace.borrow_mut().sent(Instant::now());
    if bodies.is_empty() {
        return Ok(());
    }
    session.in_flight.set(bodies.len());
    let publisher = session.publisher.borrow().clone();
    let outcome = publisher.publish(bodies).await;
    session.in_flight.set(0);
    outcome.map(|_| ()).map_err(|failure| {
        session
            .engine
            .borrow_mut()
            .restore_changes(failure.unpublished);
        failure.error
    })
}

impl Document {
    fn show_outcome(&self, session: &Session, outcome: &Result<(), PublishError>) {
        match outcome {
            Ok(()) => {
                if matches!(self.obj().trouble(), Trouble::NotSaved | Trouble::DiskFull) {
                    self.set_trouble(Trouble::Nothing);
                }
                let is_saved = !session.has_unsaved();
                self.set_save_state(if is_saved {
                    SaveState::Saved
                } else {
                    SaveState::Saving
                });
                self.show_text_facts();
            }
            // The text is being replaced; what was typed is made again upon the new one.
            Err(PublishError::OldIncarnation) => self.set_save_state(SaveState::Saving),
            Err(error) => {
                let is_full = matches!(error, PublishError::Store(error) if error.is_disk_full());
                self.set_trouble(if is_full {
                    Trouble::DiskFull
                } else {
                    Trouble::NotSaved
                });
                self.set_save_state(SaveState::Failing);
                session.tell_waiting(false);
            }
        }
    }
}
