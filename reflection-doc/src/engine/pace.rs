// SPDX-License-Identifier: GPL-3.0-or-later
//! When changes are to be made an operation.
//!
//! The first keystroke after a pause goes at once; while typing goes on, changes are joined into
//! one operation every [`PACE`]: each operation costs a signature, a write to the disk and some
//! 250 bytes, however little it says.

use std::time::{Duration, Instant};

/// How far apart operations are while somebody types.
pub const PACE: Duration = Duration::from_millis(100);

/// Decides when changes are due. Told of edits and of operations; has no clock of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    sent: Option<Instant>,
    is_edited: bool,
}

impl Pace {
    /// Something was edited.
    pub fn edited(&mut self) {
        self.is_edited = true;
    }

    /// All changes so far were made an operation.
    pub fn sent(&mut self, now: Instant) {
        self.sent = Some(now);
        self.is_edited = false;
    }

    /// How long until changes are due: zero if they are now, `None` if there are none.
    pub fn due(&self, now: Instant) -> Option<Duration> {
        self.is_edited.then(|| match self.sent {
            Some(sent) => (sent + PACE).saturating_duration_since(now),
            None => Duration::ZERO,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_keystroke_goes_at_once_and_later_ones_are_joined() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.due(start), None);
        pace.edited();
        assert_eq!(pace.due(start), Some(Duration::ZERO));
        pace.sent(start);
        assert_eq!(pace.due(start), None);
        let soon = start + Duration::from_millis(30);
        pace.edited();
        assert_eq!(pace.due(soon), Some(Duration::from_millis(70)));
        let later = start + Duration::from_secs(5);
        assert_eq!(pace.due(later), Some(Duration::ZERO));
    }
}
