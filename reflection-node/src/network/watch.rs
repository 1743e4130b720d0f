// SPDX-License-Identifier: GPL-3.0-or-later
//! Watches what the endpoint stands on: this machine's addresses, and the relay.
//!
//! A relay that cannot be reached, or whose certificate is not trusted, is not told by the
//! transport: it is reported here when it has not answered in time. And the transport waits up to
//! half a minute before it tries a lost relay again, whatever happens to the network (measured
//! with iroh 1.4); a new endpoint is there in a quarter of a second. So the network is asked to
//! be built again where nothing is lost by it: no peer is connected.
//!
//! Peers are dialled at once when there are new addresses, because the pauses between dials have
//! grown by then; also those who are connected, where an address that they may know is gone.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use iroh::{Endpoint, Watcher};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::peers::{Message, PeersHandle};
use crate::events::Event;
use crate::shared::Shared;

/// How long a relay may take to answer before that is told.
const RELAY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long after addresses have come back the relay may take before the endpoint is built anew.
const RETURN_TIMEOUT: Duration = Duration::from_secs(2);
/// The same for a relay that was lost while the addresses stayed.
const LOSS_TIMEOUT: Duration = Duration::from_secs(4);

/// What is known of the network from one endpoint to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    /// Whether a relay of this configuration has ever answered.
    has_relay_answered: bool,
    /// Whether others were told that there is a network.
    is_up: bool,
    /// Endpoints built in a row because of a relay.
    rebuilds: u32,
}

/// What the network should do because of what was seen.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Report,
    Rebuild,
}

/// The decisions, without clock and network.
#[derive(Debug)]
struct Judge {
    history: History,
    has_relays: bool,
    is_relay_connected: bool,
    /// When the relay is to be reported, and when the endpoint is to be built anew.
    report_due: Option<Instant>,
    rebuild_due: Option<Instant>,
}

impl Judge {
    fn new(history: History, has_relays: bool, now: Instant) -> Self {
        let mut judge = Self {
            history,
            has_relays,
            is_relay_connected: false,
            report_due: (has_relays && history.rebuilds == 0).then(|| now + RELAY_TIMEOUT),
            rebuild_due: None,
        };
        if history.has_relay_answered {
            judge.expect_relay(now, LOSS_TIMEOUT);
        }
        judge
    }

    fn expect_relay(&mut self, now: Instant, timeout: Duration) {
        if self.has_relays && !self.is_relay_connected {
            // Each attempt waits longer, so that a relay that stays away costs little.
            let pause = timeout * 2_u32.pow(self.history.rebuilds.min(4));
            self.rebuild_due = Some(now + pause);
        }
    }

    /// The machine has addresses that it did not have.
    fn returned(&mut self, now: Instant) {
        self.history.rebuilds = 0;
        if self.history.has_relay_answered {
            self.expect_relay(now, RETURN_TIMEOUT);
        }
    }

    fn relay(&mut self, is_connected: bool, now: Instant) {
        let was_connected = std::mem::replace(&mut self.is_relay_connected, is_connected);
        if is_connected {
            self.history.has_relay_answered = true;
            self.history.rebuilds = 0;
            self.report_due = None;
            self.rebuild_due = None;
        } else if was_connected {
            self.report_due = Some(now + RELAY_TIMEOUT);
            self.expect_relay(now, LOSS_TIMEOUT);
        }
    }

    fn due(&self) -> Option<Instant> {
        self.report_due.into_iter().chain(self.rebuild_due).min()
    }

    fn step(&mut self, now: Instant, has_connections: bool) -> Step {
        if self.report_due.is_some_and(|due| due <= now) {
            self.report_due = None;
            return Step::Report;
        }
        if self.rebuild_due.is_some_and(|due| due <= now) {
            self.rebuild_due = None;
            if has_connections || !self.history.is_up {
                self.expect_relay(now, LOSS_TIMEOUT);
                return Step::Nothing;
            }
            self.history.rebuilds += 1;
            return Step::Rebuild;
        }
        Step::Nothing
    }
}

/// Watches until cancelled; `rebuild` is called at most once, with what the next endpoint should
/// know.
pub(super) async fn run(
    shared: Arc<Shared>,
    endpoint: Endpoint,
    has_relays: bool,
    peers: PeersHandle,
    history: watch::Sender<History>,
    rebuild: CancellationToken,
    cancel: CancellationToken,
) {
    let connections = peers.watch_connections();
    let mut judge = Judge::new(*history.borrow(), has_relays, Instant::now());
    let mut addresses = endpoint.watch_addr().stream();
    let mut relays = endpoint.home_relay_status().stream();
    let mut known: BTreeSet<SocketAddr> = BTreeSet::new();
    // The addresses that connections were made from, also while there are none.
    let mut last: BTreeSet<SocketAddr> = BTreeSet::new();
    let mut relay_said = String::new();
    loop {
        let due = judge.due();
        tokio::select! {
            () = cancel.cancelled() => return,
            Some(address) = addresses.next() => {
                let present = outside(address.ip_addrs());
                let is_more = present.difference(&known).next().is_some();
                if present.is_empty() && judge.history.is_up {
                    judge.history.is_up = false;
                    shared.events.emit(&Event::NetworkDown);
                } else if is_more {
                    judge.history.is_up = true;
                    judge.returned(Instant::now());
                    peers.send(Message::Returned).await;
                    if last.difference(&present).next().is_some() {
                        peers.send(Message::Moved).await;
                    }
                    let addresses = present.iter().copied().collect();
                    shared.events.emit(&Event::NetworkUp { addresses });
                }
                if !present.is_empty() {
                    last.clone_from(&present);
                }
                known = present;
            }
            Some(relays) = relays.next() => {
                if let Some(error) = relays.iter().find_map(|relay| relay.last_error()) {
                    relay_said = format!("{error:#}");
                }
                let is_connected = relays.iter().any(iroh::endpoint::RelayStatus::is_connected);
                judge.relay(is_connected, Instant::now());
            }
            () = sleep_until(due) => match judge.step(Instant::now(), *connections.borrow() > 0) {
                Step::Nothing => {}
                Step::Report => {
                    let message = match relay_said.as_str() {
                        // The transport does not say which; the difference is in its log alone.
                        "" => "no relay can be reached: nothing answers there, or its certificate \
                               is not trusted"
                            .to_owned(),
                        said => format!("no relay can be reached: {said}"),
                    };
                    shared.events.emit(&Event::Error { message });
                }
                Step::Rebuild => {
                    history.send_replace(judge.history);
                    rebuild.cancel();
                    return;
                }
            }
        }
        history.send_replace(judge.history);
    }
}

/// Addresses by which other machines can mean this one.
fn outside<'a>(addresses: impl Iterator<Item = &'a SocketAddr>) -> BTreeSet<SocketAddr> {
    addresses
        .filter(|address| !address.ip().is_loopback() && !address.ip().is_unspecified())
        .copied()
        .collect()
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_relay_that_never_answers_is_told_once_and_the_network_left_alone() {
        let start = Instant::now();
        let mut judge = Judge::new(History::default(), true, start);
        judge.history.is_up = true;
        judge.returned(start);
        assert_eq!(judge.step(after(start, 9), false), Step::Nothing);
        assert_eq!(judge.step(after(start, 10), false), Step::Report);
        assert_eq!(judge.due(), None);
    }

    #[test]
    fn a_relay_that_is_not_back_two_seconds_after_the_addresses_gets_a_new_endpoint() {
        let start = Instant::now();
        let mut judge = Judge::new(History::default(), true, start);
        judge.history.is_up = true;
        judge.relay(true, start);
        judge.relay(false, after(start, 60));
        judge.returned(after(start, 100));
        // The loss was told long before.
        assert_eq!(judge.step(after(start, 100), false), Step::Report);
        assert_eq!(judge.step(after(start, 101), false), Step::Nothing);
        assert_eq!(judge.step(after(start, 102), false), Step::Rebuild);
    }

    #[test]
    fn connections_that_stand_are_not_given_up_for_a_relay() {
        let start = Instant::now();
        let mut judge = Judge::new(History::default(), true, start);
        judge.history.is_up = true;
        judge.relay(true, start);
        judge.relay(false, start);
        assert_eq!(judge.step(after(start, 5), true), Step::Nothing);
        assert_eq!(judge.step(after(start, 9), false), Step::Rebuild);
    }

    #[test]
    fn a_relay_that_stays_away_is_tried_less_and_less_often() {
        let start = Instant::now();
        let mut history = History {
            has_relay_answered: true,
            is_up: true,
            rebuilds: 0,
        };
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let mut judge = Judge::new(history, true, start);
            judge.report_due = None;
            let due = judge.due().unwrap_or(start);
            pauses.push((due - start).as_secs());
            assert_eq!(judge.step(due, false), Step::Rebuild);
            history = judge.history;
        }
        assert_eq!(pauses, [4, 8, 16, 32, 64, 64, 64]);
    }

    #[test]
    fn without_relays_there_is_nothing_to_wait_for() {
        let start = Instant::now();
        let mut judge = Judge::new(History::default(), false, start);
        judge.returned(start);
        assert_eq!(judge.due(), None);
    }
}
