// SPDX-License-Identifier: GPL-3.0-or-later
//! Names of versions.
//!
//! A version is named by its newest changes: everything they build upon belongs to it. The name
//! is the same on every machine and for ever, whatever else arrives.

use std::str::FromStr;

use loro::{Frontiers, ID};

/// Newest changes that a version may have; as many people would have to write at once.
const HEADS_MAX: usize = 256;
/// Of the CRDT peer id and the counter in a name, in hexadecimal digits.
const PEER_DIGITS: usize = 16;

/// The text as it stood after certain changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// CRDT peer and counter of the newest changes, in order.
    heads: Vec<(u64, i32)>,
}

/// What was given is no name of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the name of a version")]
pub struct NotAVersion;

impl Version {
    pub(super) fn new(frontiers: &Frontiers) -> Self {
        let mut heads: Vec<_> = frontiers.iter().map(|id| (id.peer, id.counter)).collect();
        heads.sort_unstable();
        Self { heads }
    }

    #[cfg(test)]
    pub(super) fn after(peer: u64, counter: i32) -> Self {
        Self {
            heads: vec![(peer, counter)],
        }
    }

    /// CRDT peer and counter of the newest changes.
    pub(super) fn heads(&self) -> impl Iterator<Item = (u64, i32)> {
        self.heads.iter().copied()
    }

    pub(super) fn frontiers(&self) -> Frontiers {
        self.heads
            .iter()
            .map(|&(peer, counter)| ID::new(peer, counter))
            .collect::<Vec<_>>()
            .into()
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.heads.is_empty() {
            return write!(formatter, "0");
        }
        for (index, (peer, counter)) in self.heads.iter().enumerate() {
            let join = if index > 0 { "-" } else { "" };
            write!(formatter, "{join}{peer:016x}{counter:x}")?;
        }
        Ok(())
    }
}

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(name: &str) -> Result<Self, NotAVersion> {
        if name == "0" {
            return Ok(Self::default());
        }
        let mut heads = Vec::new();
        for head in name.split('-') {
            let (peer, counter) = head.split_at_checked(PEER_DIGITS).ok_or(NotAVersion)?;
            let is_plain = head.bytes().all(|digit| digit.is_ascii_hexdigit());
            if !is_plain || heads.len() == HEADS_MAX {
                return Err(NotAVersion);
            }
            let peer = u64::from_str_radix(peer, 16).map_err(|_| NotAVersion)?;
            let counter = i32::from_str_radix(counter, 16).map_err(|_| NotAVersion)?;
            heads.push((peer, counter));
        }
        heads.sort_unstable();
        heads.dedup();
        Ok(Self { heads })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back() {
        for heads in [
            vec![],
            vec![(1, 0)],
            vec![(1, 77), (u64::MAX - 1, i32::MAX)],
        ] {
            let version = Version { heads };
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        assert_eq!(Version::after(10, 31).to_string(), "000000000000000a1f");
        for name in [
            "",
            "-",
            "1",
            "000000000000000a",
            "000000000000000a-1",
            "ä00000000000000001",
            "000000000000000a+1",
            "000000000000000affffffff",
        ] {
            assert_eq!(name.parse::<Version>(), Err(NotAVersion), "{name}");
        }
    }
}
