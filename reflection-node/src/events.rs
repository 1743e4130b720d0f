// SPDX-License-Identifier: GPL-3.0-or-later
//! What the node tells: one enum, any number of listeners.
//!
//! Events are news, not data: whoever misses some because it was slow is told how many, and finds
//! the truth in the store and in [`crate::Node::status`].

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::network::Mode;

/// Events kept for a listener that does not fetch them; older ones are dropped then.
const LISTENER_EVENTS_MAX: usize = 1024;

/// How a peer is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Straight to an address.
    Direct(SocketAddr),
    /// Through a relay, named by its URL.
    Relayed(String),
    /// The connection has not chosen yet.
    Unknown,
}

/// How a peer became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It announced itself on the local network.
    LocalNetwork,
    /// A code named it.
    Code,
    /// It was named in the configuration.
    Configured,
    /// It was met before.
    AddressBook,
    /// A bootstrap node introduced it.
    Bootstrap,
    /// It connected to us.
    Incoming,
}

/// One exchange of a document with a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncCounts {
    /// Operations received that were new here.
    pub operations_in: u64,
    /// Operations sent.
    pub operations_out: u64,
    /// Bytes received, with framing.
    pub bytes_in: u64,
    /// Bytes sent, with framing.
    pub bytes_out: u64,
}

impl SyncCounts {
    /// Adds what another exchange took.
    pub(crate) fn add(&mut self, other: &Self) {
        self.operations_in += other.operations_in;
        self.operations_out += other.operations_out;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}

/// Something happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer became known.
    PeerFound {
        /// Which.
        peer: AuthorId,
        /// How.
        found: Found,
    },
    /// A connection stands.
    Connected {
        /// With whom.
        peer: AuthorId,
        /// How it runs.
        route: Route,
        /// Round-trip time, milliseconds.
        rtt_ms: u64,
    },
    /// A connection goes another way now.
    RouteChanged {
        /// With whom.
        peer: AuthorId,
        /// How it runs.
        route: Route,
        /// Round-trip time, milliseconds.
        rtt_ms: u64,
    },
    /// A connection ended.
    Disconnected {
        /// With whom.
        peer: AuthorId,
        /// How it ran last.
        route: Route,
        /// Round-trip time, milliseconds.
        rtt_ms: u64,
        /// Why.
        reason: String,
    },
    /// A document began to be exchanged with a peer that proved to know it.
    SyncStarted {
        /// With whom.
        peer: AuthorId,
        /// Which document.
        topic: TopicId,
    },
    /// What both sides had at the beginning has been exchanged, or could not be.
    SyncFinished {
        /// With whom.
        peer: AuthorId,
        /// Which document.
        topic: TopicId,
        /// What went over the wire.
        counts: SyncCounts,
        /// How long it took, milliseconds.
        duration_ms: u64,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// A document was created or joined here.
    DocumentAdded {
        /// Which.
        topic: TopicId,
    },
    /// A document was removed from this device.
    DocumentDeleted {
        /// Which.
        topic: TopicId,
    },
    /// Operations of somebody else were accepted.
    DocumentChanged {
        /// Which document.
        topic: TopicId,
        /// Whose.
        author: AuthorId,
        /// How many.
        operations: u64,
    },
    /// Somebody came to a document or left, or has all of it now or not any more.
    DocumentStatus {
        /// Which document.
        topic: TopicId,
    },
    /// Somebody came online in a document: they opened it, or their device connected.
    AuthorOnline {
        /// In which document.
        topic: TopicId,
        /// Who.
        author: AuthorId,
    },
    /// Somebody has neither the document open nor their device connected any more.
    AuthorOffline {
        /// In which document.
        topic: TopicId,
        /// Who.
        author: AuthorId,
    },
    /// Somebody opened or closed a document, says something else about themselves, or was seen by
    /// others later than was known.
    PresenceChanged {
        /// In which document.
        topic: TopicId,
        /// Who.
        author: AuthorId,
    },
    /// A peer became a neighbour in the overlay of an open document.
    NeighborUp {
        /// Of which document.
        topic: TopicId,
        /// Which peer.
        peer: AuthorId,
    },
    /// A peer is no neighbour any more.
    NeighborDown {
        /// Of which document.
        topic: TopicId,
        /// Which peer.
        peer: AuthorId,
    },
    /// An operation was refused.
    OperationRefused {
        /// For which document.
        topic: TopicId,
        /// Who signed it.
        author: AuthorId,
        /// Why.
        reason: String,
    },
    /// An author's log goes on in two ways.
    Fork {
        /// In which document.
        topic: TopicId,
        /// Whose log.
        author: AuthorId,
        /// From which place on.
        sequence: u64,
    },
    /// This machine has addresses on a network, where it had none or others.
    NetworkUp {
        /// All that others may reach it at.
        addresses: Vec<SocketAddr>,
    },
    /// This machine has no address on any network any more.
    NetworkDown,
    /// Something does not work that nobody else tells of.
    Error {
        /// What, as a sentence.
        message: String,
    },
    /// A replica has confirmed more of a document.
    ReplicaProgress {
        /// Which replica.
        replica: AuthorId,
        /// Which document.
        topic: TopicId,
        /// Operations that it has confirmed to keep.
        acknowledged: u64,
        /// Operations that are here and that it has not confirmed.
        pending: u64,
    },
    /// A replica takes nothing, or takes something again.
    ReplicaTrouble {
        /// Which replica.
        replica: AuthorId,
        /// Why it takes nothing; `None` where it does.
        reason: Option<String>,
    },
    /// The connection mode changed, or its network is there at last after an error.
    ModeChanged {
        /// To what.
        mode: Mode,
    },
    /// The disk refuses what must be kept.
    StorageTrouble {
        /// What it said.
        message: String,
    },
    /// This listener was too slow and missed so many events.
    Missed {
        /// How many.
        events: u64,
    },
}

struct Listener {
    events: async_channel::Sender<Event>,
    missed: u64,
}

/// Hands every event to every listener.
pub(crate) struct EventHub {
    listeners: Mutex<Vec<Listener>>,
    /// For whoever asks first to be told from the beginning.
    first: Mutex<Option<Events>>,
}

impl Default for EventHub {
    fn default() -> Self {
        let hub = Self {
            listeners: Mutex::default(),
            first: Mutex::default(),
        };
        let first = hub.subscribe();
        *hub.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(first);
        hub
    }
}

impl EventHub {
    /// What happened since the start for the first one who asks, then what happens from now on.
    pub(crate) fn subscribe_from_start(&self) -> Events {
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        first.unwrap_or_else(|| self.subscribe())
    }

    pub(crate) fn subscribe(&self) -> Events {
        let (events, receiver) = async_channel::bounded(LISTENER_EVENTS_MAX);
        self.lock().push(Listener { events, missed: 0 });
        Events { receiver }
    }

    pub(crate) fn emit(&self, event: &Event) {
        self.lock().retain_mut(|listener| listener.take(event));
    }

    /// Ends all listeners.
    pub(crate) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Listener>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// `false` once nobody listens any more.
    fn take(&mut self, event: &Event) -> bool {
        if self.missed > 0 {
            // Told before the next event that fits.
            match self.events.try_send(Event::Missed {
                events: self.missed,
            }) {
                Ok(()) => self.missed = 0,
                Err(error) if error.is_closed() => return false,
                Err(_) => {}
            }
        }
        match self.events.try_send(event.clone()) {
            Ok(()) => true,
            Err(error) if error.is_closed() => false,
            Err(_) => {
                self.missed += 1;
                true
            }
        }
    }
}

/// A listener's end.
#[derive(Debug)]
pub struct Events {
    receiver: async_channel::Receiver<Event>,
}

impl Events {
    /// The next event; `None` once the node has been shut down.
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await.ok()
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.receiver.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_slow_listener_is_told_how_much_it_missed() {
        let hub = EventHub::default();
        let events = hub.subscribe_from_start();
        let event = Event::StorageTrouble {
            message: "full".into(),
        };
        for _ in 0..LISTENER_EVENTS_MAX + 5 {
            hub.emit(&event);
        }
        for _ in 0..LISTENER_EVENTS_MAX {
            events.receiver.try_recv().unwrap();
        }
        hub.emit(&event);
        assert!(matches!(
            events.receiver.try_recv().unwrap(),
            Event::Missed { events: 5 }
        ));
        assert!(matches!(
            events.receiver.try_recv().unwrap(),
            Event::StorageTrouble { .. }
        ));
    }
}
