// SPDX-License-Identifier: GPL-3.0-or-later
//! The one place where events of the node reach the main context.
//!
//! The node works on threads of its own and hands its events over through a bounded channel. Here
//! they are taken out of it, one after the other, on the thread that owns the objects. Nothing
//! else crosses between the two but the futures that objects await.

use std::rc::Rc;

use reflection_node::{Event, Events};

/// Most events that are handled before the main loop gets to do something else, such as drawing.
const EVENTS_IN_A_ROW_MAX: usize = 64;

/// Calls `receive` on this thread's main context for each event until the node is shut down or
/// the task is aborted.
pub fn follow(mut events: Events, receive: Rc<dyn Fn(Event)>) -> glib::JoinHandle<()> {
    glib::spawn_future_local(async move {
        let mut in_a_row = 0;
        while let Some(event) = events.next().await {
            receive(event);
            in_a_row += 1;
            if in_a_row >= EVENTS_IN_A_ROW_MAX {
                in_a_row = 0;
                glib::timeout_future_with_priority(
                    glib::Priority::DEFAULT_IDLE,
                    std::time::Duration::ZERO,
                )
                .await;
            }
        }
    })
}
