// SPDX-License-Identifier: GPL-3.0-or-later
//! When changes were made, as far as that can be believed.
//!
//! A change carries a time within the body, which its author may have made up. The header of the
//! operation carries another, by which the operation is ordered and shown elsewhere. A change is
//! shown at its own time only where both agree; else at the header's; never in the future.

use std::collections::{BTreeMap, HashMap};

use reflection_node::operation::Kind;
use reflection_node::pipeline::Delivered;

/// How far a change's time may be from its operation's, in seconds: what was typed may have
/// waited for a disk that was full.
const APART_MAX_S: i64 = 24 * 60 * 60;
/// Operations of one author within this time are remembered together, in seconds.
pub(super) const TOGETHER_MAX_S: i64 = 60 * 60;

/// When an operation says that it was made, in seconds since 1970.
pub(super) fn time_s(operation: &Delivered) -> i64 {
    i64::try_from(operation.time_us / 1_000_000).unwrap_or(i64::MAX)
}

/// What the headers of some operations in a row say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
struct Told {
    #[n(0)]
    earliest_s: i64,
    #[n(1)]
    latest_s: i64,
    /// Whether the changes may be older by any time.
    #[n(2)]
    is_compaction: bool,
}

impl Told {
    fn joined(self, other: Self) -> Option<Self> {
        let joined = Self {
            earliest_s: self.earliest_s.min(other.earliest_s),
            latest_s: self.latest_s.max(other.latest_s),
            is_compaction: self.is_compaction,
        };
        let is_short = joined.latest_s.saturating_sub(joined.earliest_s) <= TOGETHER_MAX_S;
        (is_short && self.is_compaction == other.is_compaction).then_some(joined)
    }

    fn is_plausible(self, time_s: i64) -> bool {
        time_s <= self.latest_s.saturating_add(APART_MAX_S)
            && (self.is_compaction && time_s > 0
                || time_s >= self.earliest_s.saturating_sub(APART_MAX_S))
    }
}

/// The times of the operations in which changes came.
#[derive(Clone, Debug, Default, minicbor::Encode, minicbor::Decode)]
pub(super) struct Times {
    /// By CRDT peer and the counter after the last change.
    #[n(0)]
    told: HashMap<u64, BTreeMap<i32, Told>>,
}

impl Times {
    /// Takes note of changes that came in operations, all by the same author.
    pub(super) fn came<'a>(
        &mut self,
        operations: &[&Delivered],
        changes: impl Iterator<Item = (&'a u64, &'a (i32, i32))>,
    ) {
        let all = || operations.iter().map(|operation| time_s(operation));
        let (Some(earliest_s), Some(latest_s)) = (all().min(), all().max()) else {
            return;
        };
        let told = Told {
            earliest_s,
            latest_s,
            is_compaction: operations
                .iter()
                .any(|operation| operation.kind == Kind::Compaction),
        };
        for (&peer, &(start, end)) in changes {
            let known = self.told.entry(peer).or_default();
            let joined = known.get(&start).and_then(|before| before.joined(told));
            if joined.is_some() {
                known.remove(&start);
            }
            known.insert(end, joined.unwrap_or(told));
        }
    }

    /// When a change was made, in seconds since 1970, if it says `time_s` and it is `now_s` now.
    pub(super) fn believed(&self, peer: u64, counter: i32, time_s: i64, now_s: i64) -> i64 {
        let told = self
            .told
            .get(&peer)
            .and_then(|known| known.range(counter.saturating_add(1)..).next());
        let time_s = match told {
            Some((_, told)) if !told.is_plausible(time_s) => told.latest_s,
            _ => time_s,
        };
        time_s.min(now_s)
    }

    /// How many stretches of time are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.told.values().map(BTreeMap::len).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{author, deliver};
    use super::*;

    const DAY_S: i64 = APART_MAX_S;
    const NOON_S: i64 = 1_700_000_000;

    fn operation(kind: Kind, time_s: i64) -> Delivered {
        let mut operation = deliver(author(1), Vec::new());
        operation.kind = kind;
        operation.time_us = u64::try_from(time_s).unwrap() * 1_000_000;
        operation
    }

    fn came(times: &mut Times, operation: &Delivered, start: i32, end: i32) {
        times.came(&[operation], std::iter::once((&7, &(start, end))));
    }

    #[test]
    fn a_change_is_believed_near_its_operation_only_and_never_from_the_future() {
        let mut times = Times::default();
        came(&mut times, &operation(Kind::Edit, NOON_S), 0, 5);
        came(&mut times, &operation(Kind::Edit, NOON_S + 60), 5, 9);
        came(
            &mut times,
            &operation(Kind::Edit, NOON_S + 9 * DAY_S),
            9,
            10,
        );
        assert_eq!(
            times.kept(),
            2,
            "what was told within an hour is kept together"
        );
        let believed = |counter, time_s| times.believed(7, counter, time_s, NOON_S + 8 * DAY_S);
        assert_eq!(believed(0, NOON_S - DAY_S), NOON_S - DAY_S);
        assert_eq!(believed(8, NOON_S - DAY_S - 1), NOON_S + 60);
        assert_eq!(believed(0, 0), NOON_S + 60);
        assert_eq!(believed(0, i64::MIN), NOON_S + 60);
        assert_eq!(believed(4, i64::MAX), NOON_S + 60);
        assert_eq!(believed(9, NOON_S + 9 * DAY_S), NOON_S + 8 * DAY_S);
        // Of what was made here nothing was told.
        assert_eq!(times.believed(8, 0, NOON_S, NOON_S), NOON_S);
        assert_eq!(times.believed(8, 0, NOON_S + 1, NOON_S), NOON_S);
    }

    #[test]
    fn what_was_compacted_may_be_old_but_not_new() {
        let mut times = Times::default();
        came(&mut times, &operation(Kind::Compaction, NOON_S), 0, 5);
        let believed = |time_s| times.believed(7, 0, time_s, i64::MAX);
        assert_eq!(believed(NOON_S - 900 * DAY_S), NOON_S - 900 * DAY_S);
        assert_eq!(believed(NOON_S + 2 * DAY_S), NOON_S);
        assert_eq!(believed(0), NOON_S);
    }
}
