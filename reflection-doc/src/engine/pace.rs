// SPDX-License-Identifier: GPL-3.0-or-later
//! When changes are to be made an operation, and when those of others are taken over.
//!
//! The first keystroke after a pause goes at once; while typing goes on, changes are joined into
//! one operation every [`PACE`]: each operation costs a signature, a write to the disk and some
//! 250 bytes, however little it says.
//!
//! What others write is taken over at once after a pause, and while more of it comes once for each
//! picture that a screen shows: nobody sees more, and merging costs much the same for one keystroke
//! as for hundreds.

use std::time::{Duration, Instant};

/// How far apart operations are while somebody types.
pub const PACE: Duration = Duration::from_millis(100);

/// How far apart operations of others are taken over while more of them come.
pub const FRAME: Duration = Duration::from_millis(16);
/// So many at once are as good as all that would come within a frame: who catches up does not wait.
const FRAME_OPERATIONS: usize = 500;

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

/// Decides when the next operations of others are taken over. Has no clock of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Intake {
    /// When the last ones were, unless they were many.
    few: Option<Instant>,
}

impl Intake {
    /// So many operations are being taken over.
    pub fn takes(&mut self, count: usize, now: Instant) {
        self.few = (count < FRAME_OPERATIONS).then_some(now);
    }

    /// How long until the next ones are to be.
    pub fn rest(&self, now: Instant) -> Duration {
        self.few.map_or(Duration::ZERO, |few| {
            (few + FRAME).saturating_duration_since(now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_within_a_frame_is_taken_over_together_unless_there_is_much_of_it() {
        let start = Instant::now();
        let mut intake = Intake::default();
        assert_eq!(intake.rest(start), Duration::ZERO);
        intake.takes(1, start);
        let soon = start + Duration::from_millis(6);
        assert_eq!(intake.rest(soon), Duration::from_millis(10));
        // What took longer than a frame was rest enough.
        let late = start + Duration::from_millis(40);
        assert_eq!(intake.rest(late), Duration::ZERO);
        intake.takes(1_000, late);
        assert_eq!(intake.rest(late), Duration::ZERO);
        intake.takes(FRAME_OPERATIONS - 1, late);
        assert_eq!(intake.rest(late), FRAME);
    }

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
