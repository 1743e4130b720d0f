// SPDX-License-Identifier: GPL-3.0-or-later
//! What the side that assigns documents says and understands, without I/O.
//!
//! ```text
//! Proving ──Welcome──> Live, or Listing ──Held──> Live
//! ```
//!
//! The driver gives it what is to be told ([`Assigner::tell`]), at most [`IN_FLIGHT_MAX`] at once,
//! and hands it what arrives ([`Assigner::receive`]).

use std::collections::{BTreeMap, BTreeSet};

use super::frame::{Frame, Shortage};
use super::proof::Ends;
use super::ticket::GrantSecret;
use crate::access::{DocumentKeys, TopicId};
use crate::sync::proof::is_equal;

/// Assignments and withdrawals that wait for their answer at once.
pub(super) const IN_FLIGHT_MAX: usize = 32;
/// Most documents that one assigner has at one replica.
pub(super) const ASSIGNMENTS_MAX: usize = 65_536;

/// Why the talk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TalkError {
    #[error("the peer did not prove that it knows the ticket")]
    BadProof,
    #[error("the peer sent a frame that does not belong here")]
    Unexpected,
    #[error("the peer named too many documents")]
    TooMany,
}

/// Something to be told to the replica.
#[derive(Clone, Debug)]
pub(super) enum Task {
    Assign(DocumentKeys),
    Withdraw(TopicId),
}

impl Task {
    pub(super) fn topic(&self) -> TopicId {
        match self {
            Self::Assign(keys) => keys.topic(),
            Self::Withdraw(topic) => *topic,
        }
    }
}

/// What follows from a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    /// The replica proved the ticket. It keeps what we believe it does, or else is to be asked.
    Proved {
        is_as_believed: bool,
    },
    /// Documents that it should keep and does not.
    Lost(Vec<TopicId>),
    Taken(TopicId),
    Refused(TopicId, Shortage),
    Dropped(TopicId),
    Storage(Option<Shortage>),
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Proving,
    Listing { held: BTreeSet<TopicId> },
    Live,
}

/// One talk with a replica.
pub(super) struct Assigner {
    secret: GrantSecret,
    ends: Ends,
    state: State,
    /// What we believe the replica to keep.
    believed: BTreeSet<TopicId>,
    /// Told and not answered yet; `true` for an assignment.
    in_flight: BTreeMap<TopicId, bool>,
}

/// A hash of a set of documents.
pub(super) fn digest<'a>(topics: impl IntoIterator<Item = &'a TopicId>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("app.reflection assignments digest v1");
    for topic in topics {
        hasher.update(topic.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

impl Assigner {
    /// Begins; gives the first frame.
    pub(super) fn begin(
        secret: GrantSecret,
        ends: Ends,
        believed: BTreeSet<TopicId>,
    ) -> (Self, Frame) {
        let proof = ends.assigner_proof(&secret);
        let assigner = Self {
            secret,
            ends,
            state: State::Proving,
            believed,
            in_flight: BTreeMap::new(),
        };
        (assigner, Frame::Prove { proof })
    }

    /// Whether the replica has proved the ticket, and is ready to be told things.
    pub(super) fn is_live(&self) -> bool {
        self.state == State::Live
    }

    /// Whether one more thing can be told.
    pub(super) fn has_room(&self) -> bool {
        self.is_live() && self.in_flight.len() < IN_FLIGHT_MAX
    }

    pub(super) fn is_in_flight(&self, topic: &TopicId) -> bool {
        self.in_flight.contains_key(topic)
    }

    /// The frame for a task; only while there is room for it.
    pub(super) fn tell(&mut self, task: Task) -> Frame {
        match task {
            Task::Assign(keys) => {
                self.in_flight.insert(keys.topic(), true);
                Frame::Assign { keys }
            }
            Task::Withdraw(topic) => {
                self.in_flight.insert(topic, false);
                Frame::Withdraw { topic }
            }
        }
    }

    /// Takes a frame of the replica; also gives a frame to send.
    pub(super) fn receive(&mut self, frame: Frame) -> Result<(Heard, Option<Frame>), TalkError> {
        if self.state == State::Live {
            return Ok((self.answered(&frame)?, None));
        }
        match (&mut self.state, frame) {
            (State::Proving, Frame::Welcome { proof, digest: its }) => {
                if !is_equal(&proof, &self.ends.replica_proof(&self.secret)) {
                    return Err(TalkError::BadProof);
                }
                let is_as_believed = is_equal(&its, &digest(&self.believed));
                if is_as_believed {
                    self.state = State::Live;
                    return Ok((Heard::Proved { is_as_believed }, None));
                }
                self.state = State::Listing {
                    held: BTreeSet::new(),
                };
                Ok((Heard::Proved { is_as_believed }, Some(Frame::List)))
            }
            (State::Listing { held }, Frame::Held { topics, last }) => {
                held.extend(topics);
                if held.len() > ASSIGNMENTS_MAX {
                    return Err(TalkError::TooMany);
                }
                if !last {
                    return Ok((Heard::Nothing, None));
                }
                // What it keeps beyond that may be a copy that a restored folder here has
                // forgotten; it is left alone.
                let lost = self.believed.difference(held).copied().collect();
                self.state = State::Live;
                Ok((Heard::Lost(lost), None))
            }
            (State::Listing { .. }, Frame::Storage { shortage }) => {
                Ok((Heard::Storage(shortage), None))
            }
            _ => Err(TalkError::Unexpected),
        }
    }

    fn answered(&mut self, frame: &Frame) -> Result<Heard, TalkError> {
        match frame {
            Frame::Taken { topic } if self.answers(topic, true) => Ok(Heard::Taken(*topic)),
            Frame::Refused { topic, shortage } if self.answers(topic, true) => {
                Ok(Heard::Refused(*topic, *shortage))
            }
            Frame::Dropped { topic } if self.answers(topic, false) => Ok(Heard::Dropped(*topic)),
            Frame::Storage { shortage } => Ok(Heard::Storage(*shortage)),
            _ => Err(TalkError::Unexpected),
        }
    }

    /// Whether something was told that this is an answer to.
    fn answers(&mut self, topic: &TopicId, is_assignment: bool) -> bool {
        if self.in_flight.get(topic) != Some(&is_assignment) {
            return false;
        }
        self.in_flight.remove(topic);
        true
    }
}
