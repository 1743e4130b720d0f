// SPDX-License-Identifier: GPL-3.0-or-later
//! Being in an open document together: saying where one is, and hearing where the others are.
//!
//! Nothing here waits or touches the disk: what is said is kept in memory, and the node sends the
//! last of it often enough.

use std::sync::{Mutex, PoisonError};

use reflection_node::{Node, Presence};

use crate::presence::{About, RemoteCursor, remote_cursors};

/// This device's place in the company of an open document. The others see it leave when this is
/// dropped.
pub struct Company {
    node: Node,
    presence: Presence,
    about: Mutex<About>,
}

impl Company {
    pub(crate) fn new(node: Node, presence: Presence) -> Self {
        Self {
            node,
            presence,
            about: Mutex::default(),
        }
    }

    /// Says the name and the colour that a person chose, an index into the palette.
    pub fn introduce(&self, name: Option<String>, colour: Option<u32>) {
        self.say(|about| {
            about.name = name;
            about.colour = colour;
        });
    }

    /// Says where the selection began and where the caret is, as the engine describes places.
    pub fn say_cursor(&self, anchor: Vec<u8>, caret: Vec<u8>) {
        self.say(|about| about.places = Some((anchor, caret)));
    }

    /// Says that there is no caret in the text, as while another window is in front.
    pub fn hide_cursor(&self) {
        self.say(|about| about.places = None);
    }

    fn say(&self, change: impl FnOnce(&mut About)) {
        let mut about = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut about);
        // Cannot be too much: the encoding is bounded.
        let _ = self.presence.say(about.encode());
    }

    /// Where the others are now. To be asked when the node tells that presence in the document
    /// has changed; `find` looks up a described place in the text.
    pub fn cursors(&self, find: impl FnMut(&[u8]) -> Option<usize>) -> Vec<RemoteCursor> {
        remote_cursors(&self.node.present(&self.presence.topic()), find)
    }
}

impl std::fmt::Debug for Company {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Company({:?})", self.presence)
    }
}
