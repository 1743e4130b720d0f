// SPDX-License-Identifier: GPL-3.0-or-later
//! Figures of other CRDTs for the same work, from a file that `REFLECTION_PEERS` names: a line for
//! each, with row, trace, CRDT, nanoseconds or bytes. `build-aux/bench` has the program in
//! benches/peers write it.

use std::time::Duration;

use super::measure::shown;

/// What a row did with a trace in another CRDT: nanoseconds or bytes. `None` where nobody has
/// measured it.
pub(crate) fn figure(row: &str, trace: &str, crdt: &str) -> Option<u64> {
    let told = std::fs::read_to_string(std::env::var_os("REFLECTION_PEERS")?).ok()?;
    let wanted = format!("{row} {trace} {crdt} ");
    let line = told.lines().find_map(|line| line.strip_prefix(&wanted))?;
    line.parse().ok()
}

/// The same as a time.
pub(crate) fn time(row: &str, trace: &str, crdt: &str) -> Option<Duration> {
    figure(row, trace, crdt).map(Duration::from_nanos)
}

/// What stands in the table of yrs and automerge, after the bound.
pub(crate) fn times(row: &str, trace: &str) -> String {
    let told = ["yrs", "automerge"].into_iter().filter_map(|crdt| {
        let taken = time(row, trace, crdt)?;
        Some(format!("; {crdt}: {}", shown(taken)))
    });
    told.collect()
}
