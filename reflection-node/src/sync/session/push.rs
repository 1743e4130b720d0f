// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether what others wrote is sent on at once, or the peer gets it from somebody else.
//!
//! Where everybody is connected with everybody, each would send each operation to all others, who
//! have it already. So logs are pushed as in epidemic broadcast trees (Leitão, Pereira, Rodrigues:
//! *Epidemic Broadcast Trees*, 2007): eagerly at first. A peer that has got something elsewhere
//! before says so with `Prune`, and from then on the log is pushed lazily: the peer is told by
//! `Heads` what there is, which it does in turn, and is sent what it has not told to have after a
//! while. In that case its other source is gone, and the push is eager again.
//!
//! One's own operations are always sent at once, and so is what was there at the beginning of a
//! session.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::identity::AuthorId;
use crate::sync::heights::AUTHORS_MAX;

/// How long a peer has to tell that it got something elsewhere: longer than heads are held back.
const LAZY_WAIT: Duration = Duration::from_secs(3);
/// After so many operations that were here already the peer is told again.
const DUPLICATES_MAX: u32 = 16;

/// How a log is pushed that is not pushed eagerly. Times are those of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lazy {
    /// The peer is not known to lack anything.
    Resting,
    /// It lacks the operation at `place`, but may get it elsewhere until then.
    Waiting { place: u64, until: Duration },
}

/// How the logs of others are pushed to one peer, and by it.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    /// The others are pushed eagerly.
    lazy: BTreeMap<AuthorId, Lazy>,
    /// What the peer has pushed and was here already.
    duplicates: BTreeMap<AuthorId, u32>,
    /// Logs that the peer is yet to be asked to push lazily.
    pruning: BTreeSet<AuthorId>,
    /// Whether something has changed since what is unsent was weighed.
    is_weighed: bool,
    /// When the first lazy push is to be weighed again.
    due: Option<Duration>,
}

impl Pushes {
    /// Something of a log has become unsent, or how much is.
    pub(super) fn look_again(&mut self) {
        self.is_weighed = false;
    }

    /// Whether there is something to be weighed; all of it is expected to be.
    pub(super) fn begin(&mut self, now: Duration) -> bool {
        if self.is_weighed && self.due.is_none_or(|due| now < due) {
            return false;
        }
        self.is_weighed = true;
        self.due = None;
        true
    }

    /// When something is to be weighed again though nothing has happened.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// The peer gets a log from somebody else.
    pub(super) fn prune(&mut self, author: AuthorId) {
        if self.lazy.len() < AUTHORS_MAX {
            self.lazy.entry(author).or_insert(Lazy::Resting);
        }
    }

    /// Whether what there is of a log is not sent now.
    pub(super) fn is_lazy(&self, author: &AuthorId) -> bool {
        self.lazy.contains_key(author)
    }

    /// Those of some logs that are not pushed eagerly; looks at as few as it can.
    pub(super) fn lazy_among(&self, logs: &BTreeSet<AuthorId>) -> Vec<AuthorId> {
        if self.lazy.len() < logs.len() {
            let lazy = self.lazy.keys();
            lazy.filter(|author| logs.contains(author))
                .copied()
                .collect()
        } else {
            let logs = logs.iter();
            logs.filter(|author| self.is_lazy(author))
                .copied()
                .collect()
        }
    }

    /// Weighs whether the operation of `author` at `place`, the first one that the peer is not known
    /// to have, is to be sent now. Gives whether the log was lazy and is not any more.
    pub(super) fn weigh(&mut self, author: AuthorId, place: u64, now: Duration) -> bool {
        let Some(&lazy) = self.lazy.get(&author) else {
            return false;
        };
        let until = match lazy {
            Lazy::Waiting {
                place: first,
                until,
            } if first == place => until,
            Lazy::Waiting { .. } | Lazy::Resting => now + LAZY_WAIT,
        };
        if until <= now {
            return self.lazy.remove(&author).is_some();
        }
        self.lazy.insert(author, Lazy::Waiting { place, until });
        self.due = Some(self.due.map_or(until, |due| due.min(until)));
        false
    }

    /// The peer has pushed something that was here already.
    pub(super) fn duplicate(&mut self, author: AuthorId) {
        let count = self.duplicates.entry(author).or_default();
        if count.is_multiple_of(DUPLICATES_MAX) {
            self.pruning.insert(author);
        }
        *count = count.wrapping_add(1);
    }

    /// A log that the peer is to push lazily, once.
    pub(super) fn next_pruned(&mut self) -> Option<AuthorId> {
        self.pruning.pop_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHOR: AuthorId = AuthorId::from_bytes([3; 32]);

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Weighs what is at `place`; gives whether it is sent.
    fn is_sent(pushes: &mut Pushes, place: u64, now: Duration) -> bool {
        pushes.look_again();
        assert!(pushes.begin(now));
        pushes.weigh(AUTHOR, place, now);
        !pushes.is_lazy(&AUTHOR)
    }

    #[test]
    fn who_gets_it_elsewhere_is_not_sent_it() {
        let mut pushes = Pushes::default();
        assert!(is_sent(&mut pushes, 0, seconds(0)), "nothing is known yet");
        pushes.prune(AUTHOR);
        for place in 1..100 {
            let now = seconds(place);
            assert!(!is_sent(&mut pushes, place, now));
            assert_eq!(pushes.due(), Some(now + LAZY_WAIT));
            assert!(!pushes.begin(now + LAZY_WAIT / 2));
        }
    }

    #[test]
    fn who_loses_its_source_is_sent_everything_after_one_wait() {
        let mut pushes = Pushes::default();
        pushes.prune(AUTHOR);
        assert!(!is_sent(&mut pushes, 5, seconds(10)));
        // More of the log changes nothing about its first place.
        assert!(!is_sent(&mut pushes, 5, seconds(11)));
        assert!(is_sent(&mut pushes, 5, seconds(10) + LAZY_WAIT));
        assert_eq!(pushes.due(), None);
        assert!(is_sent(&mut pushes, 6, seconds(14)));
    }

    #[test]
    fn a_peer_that_goes_on_is_told_again_but_not_each_time() {
        let mut pushes = Pushes::default();
        let mut told = 0;
        for _ in 0..=DUPLICATES_MAX {
            pushes.duplicate(AUTHOR);
            told += u32::from(pushes.next_pruned().is_some());
        }
        assert_eq!(told, 2);
    }
}
