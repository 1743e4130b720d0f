// SPDX-License-Identifier: GPL-3.0-or-later
//! The asynchronous tasks of one object.

use std::cell::RefCell;
use std::future::Future;

use glib::JoinHandle;

/// Tasks on the main context that end, at the latest, when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Tasks(RefCell<Vec<JoinHandle<()>>>);

impl Tasks {
    /// Starts a task on this thread's main context.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.keep(glib::spawn_future_local(future));
    }

    /// Takes over a task that runs already.
    pub(super) fn keep(&self, task: JoinHandle<()>) {
        let mut tasks = self.0.borrow_mut();
        tasks.retain(|task| !task.source().is_destroyed());
        tasks.push(task);
    }

    /// Ends all of them where they stand.
    pub(super) fn abort(&self) {
        for task in self.0.take() {
            task.abort();
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.abort();
    }
}
