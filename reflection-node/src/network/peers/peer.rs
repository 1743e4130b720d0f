// SPDX-License-Identifier: GPL-3.0-or-later
//! One peer in the table, and the pauses between dials to it.

use std::time::Duration;

use iroh::endpoint::Connection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Boot;
use crate::events::Found;

pub(super) const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// The same for a peer that is missed: it was connected a while ago, and a network that loses
/// packets in silence does not say when it is whole again.
const MISSED_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long somebody who was connected is missed.
const MISSED_FOR: Duration = Duration::from_hours(1);

pub(super) enum State {
    Idle { due: Instant },
    Dialing { cancel: CancellationToken },
    Connected(Connected),
}

pub(super) struct Connected {
    pub(super) connection: Connection,
    pub(super) boot: Boot,
    pub(super) is_dialer: bool,
    pub(super) since: Instant,
    pub(super) keep: CancellationToken,
}

pub(super) struct Peer {
    pub(super) state: State,
    pub(super) pause: Duration,
    /// Neither reached nor failed to be reached since it was added or documents changed.
    pub(super) is_fresh: bool,
    /// When the last connection ended that had something in common.
    pub(super) missed_since: Option<Instant>,
    /// How it became known first; known from nothing but its own connection if
    /// [`Found::Incoming`].
    pub(super) found: Found,
    /// Forgotten when its connection ends.
    pub(super) is_left: bool,
}

impl Peer {
    pub(super) fn new(found: Found) -> Self {
        Self {
            state: State::Idle {
                due: Instant::now(),
            },
            pause: PAUSE_MIN,
            is_fresh: true,
            missed_since: None,
            found,
            is_left: false,
        }
    }

    /// To be dialled now.
    pub(super) fn wake(&mut self) {
        self.state = State::Idle {
            due: Instant::now(),
        };
        self.pause = PAUSE_MIN;
        self.is_fresh = true;
    }

    /// To be dialled again after a pause that grows, with some chance in it so that peers that
    /// lost each other do not dial in step.
    pub(super) fn rest(&mut self) {
        let is_missed = self
            .missed_since
            .is_some_and(|since| since.elapsed() < MISSED_FOR);
        let longest = if is_missed {
            MISSED_PAUSE_MAX
        } else {
            PAUSE_MAX
        };
        let [chance] = crate::random::array::<1>();
        let pause = self.pause.min(longest);
        self.state = State::Idle {
            due: Instant::now() + pause.mul_f64(0.75 + f64::from(chance) / 512.0),
        };
        self.pause = (pause * 2).min(longest);
    }
}
