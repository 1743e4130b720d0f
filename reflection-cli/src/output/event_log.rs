// SPDX-License-Identifier: GPL-3.0-or-later
//! The last events of this process, and those who listen to what comes.

use std::cell::RefCell;
use std::collections::VecDeque;

use serde_json::Value;

/// Events that are kept.
const KEPT_MAX: usize = 512;
/// Events that wait for a listener; one that does not fetch them is let go.
const WAITING_MAX: usize = 1024;

/// See the module. Lives on the one thread that tells events and serves callers.
#[derive(Default)]
pub(crate) struct EventLog {
    kept: RefCell<VecDeque<Value>>,
    listeners: RefCell<Vec<async_channel::Sender<Value>>>,
}

impl EventLog {
    /// Keeps an event and hands it on.
    pub(crate) fn push(&self, event: &Value) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        self.listeners
            .borrow_mut()
            .retain(|listener| listener.try_send(event.clone()).is_ok());
    }

    /// What is kept, and all that comes after.
    pub(crate) fn listen(&self) -> (Vec<Value>, async_channel::Receiver<Value>) {
        let (sender, receiver) = async_channel::bounded(WAITING_MAX);
        self.listeners.borrow_mut().push(sender);
        (self.kept.borrow().iter().cloned().collect(), receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_events_are_kept_and_those_that_come_are_heard() {
        let log = EventLog::default();
        for number in 0..KEPT_MAX + 3 {
            log.push(&json!(number));
        }
        let (kept, coming) = log.listen();
        assert_eq!(kept.len(), KEPT_MAX);
        assert_eq!(kept.first(), Some(&json!(3)));
        log.push(&json!("news"));
        assert_eq!(coming.try_recv(), Ok(json!("news")));
    }

    #[test]
    fn who_does_not_listen_is_let_go() {
        let log = EventLog::default();
        let (_, coming) = log.listen();
        for number in 0..=WAITING_MAX {
            log.push(&json!(number));
        }
        assert!(log.listeners.borrow().is_empty());
        assert!(coming.is_closed());
    }
}
