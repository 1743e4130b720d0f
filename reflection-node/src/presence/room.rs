// SPDX-License-Identifier: GPL-3.0-or-later
//! The people in one document, as one of them knows it. No I/O: time and messages are handed in,
//! what is to be said is handed out.
//!
//! Invariants: whoever has not been heard for [`GONE_AFTER`] is not here; a message counts once
//! and only if it is newer than all of its author's before; a last-seen time never lies in the
//! future and never goes back; what is kept of others is bounded.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, Instant};

use super::message::{Message, PRESENCE_BYTES_MAX, Refusal, SEEN_PER_MESSAGE_MAX, Said};
use crate::identity::AuthorId;

/// How often somebody who is here says so.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);
/// Who has not been heard for this long is gone: four heartbeats, and well under the thirty
/// seconds after which nobody may still be shown.
pub(crate) const GONE_AFTER: Duration = Duration::from_secs(20);
/// Least time between two messages that say something new.
const PAUSE: Duration = Duration::from_millis(50);
/// By so much that time grows with each person here: everybody hears everybody.
const PAUSE_PER_PERSON: Duration = Duration::from_millis(5);
/// Least time between the last message and one for those who have just come.
const ANSWER_PAUSE: Duration = Duration::from_millis(500);
/// How far an author's clock may be ahead of ours.
const FUTURE_MAX_US: u64 = 5 * 60 * 1_000_000;
/// How old a message may be by our clock, which is how far an author's clock may be behind.
const AGE_MAX_US: u64 = 10 * 60 * 1_000_000;
/// A last-seen time that is later by less than this is no news.
const SEEN_NEWS_US: u64 = 60 * 1_000_000;
/// Most people of whom something is kept in memory.
const PEOPLE_MAX: usize = 512;
/// Most people whose last-seen time is kept.
pub(crate) const PARTICIPANTS_MAX: usize = 1024;
/// Most messages that are looked at in a second.
pub(crate) const MESSAGES_PER_SECOND_MAX: u32 = 2_000;

/// Both clocks: one that only goes forwards and one that others share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) wall_us: u64,
}

impl Now {
    /// The time.
    pub(crate) fn read() -> Self {
        Self {
            instant: Instant::now(),
            wall_us: crate::shared::now_us(),
        }
    }
}

/// What a message or the passing of time has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Somebody opened the document.
    Came(AuthorId),
    /// Somebody closed it or is not heard any more.
    Went(AuthorId),
    /// What somebody says about themselves is another.
    Said(AuthorId),
    /// Others have seen somebody later than we have.
    Seen(AuthorId),
}

/// What is known of somebody who was heard.
struct Heard {
    /// The time in the last message.
    time_us: u64,
    at: Instant,
    is_here: bool,
    body: Vec<u8>,
}

struct Seen {
    us: u64,
    /// Not stored yet.
    is_new: bool,
}

/// See the module.
pub(crate) struct Room {
    own: AuthorId,
    /// Handles that show this device as here, and such that do not.
    pub(super) entered: usize,
    pub(super) following: usize,
    body: Vec<u8>,
    /// Time in our last message, and when it was said.
    last_us: u64,
    last_said: Option<Instant>,
    last_beat: Option<Instant>,
    /// When to say something before the next heartbeat.
    wish: Option<Instant>,
    owes_leaving: bool,
    heard: BTreeMap<AuthorId, Heard>,
    seen: BTreeMap<AuthorId, Seen>,
    /// Whose last-seen time was told last.
    told: Option<AuthorId>,
    refused: u64,
    /// The second that is being counted, and the messages in it.
    counted: (Instant, u32),
}

/// The bytes are more than a program may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is said in a document may have {PRESENCE_BYTES_MAX} bytes, not {0}")]
pub struct TooMuchSaid(pub usize);

impl Room {
    pub(crate) fn new(own: AuthorId, now: Now) -> Self {
        Self {
            own,
            entered: 0,
            following: 0,
            body: Vec::new(),
            last_us: 0,
            last_said: None,
            last_beat: None,
            wish: None,
            owes_leaving: false,
            heard: BTreeMap::new(),
            seen: BTreeMap::new(),
            told: None,
            refused: 0,
            counted: (now.instant, 0),
        }
    }

    /// Whether this device shows itself.
    pub(crate) fn is_entered(&self) -> bool {
        self.entered > 0
    }

    /// Whether anybody here is interested in the document.
    pub(crate) fn is_wanted(&self) -> bool {
        self.entered + self.following > 0
    }

    /// Takes note of a handle that shows this device as here.
    pub(crate) fn enter(&mut self, now: Now) {
        self.entered += 1;
        self.owes_leaving = false;
        if self.entered == 1 {
            self.wish = Some(now.instant);
        }
    }

    /// Takes note that such a handle is gone.
    pub(crate) fn leave(&mut self) {
        self.entered = self.entered.saturating_sub(1);
        if self.entered == 0 {
            self.body.clear();
            self.wish = None;
            // Only who was heard can be missed.
            self.owes_leaving = self.last_said.is_some();
        }
    }

    /// Replaces what is said about this device. The last of several in a short time is what the
    /// others hear.
    pub(crate) fn say(&mut self, body: Vec<u8>, now: Now) -> Result<(), TooMuchSaid> {
        if body.len() > PRESENCE_BYTES_MAX {
            return Err(TooMuchSaid(body.len()));
        }
        if self.is_entered() && body != self.body {
            self.body = body;
            let pause = PAUSE + PAUSE_PER_PERSON * u32::try_from(self.here()).unwrap_or(u32::MAX);
            self.wish_in(pause, now);
        }
        Ok(())
    }

    /// Somebody may have come who has not heard us yet.
    pub(crate) fn greet(&mut self, now: Now) {
        if self.is_entered() {
            self.wish_in(ANSWER_PAUSE, now);
        }
    }

    fn wish_in(&mut self, pause: Duration, now: Now) {
        let at = self
            .last_said
            .map_or(now.instant, |said| (said + pause).max(now.instant));
        self.wish = Some(self.wish.map_or(at, |wish| wish.min(at)));
    }

    /// How many others are here.
    fn here(&self) -> usize {
        self.heard.values().filter(|heard| heard.is_here).count()
    }

    /// When there is something to say or somebody to be counted as gone.
    pub(crate) fn due(&self) -> Option<Instant> {
        let expiry = self
            .heard
            .values()
            .filter(|heard| heard.is_here)
            .map(|heard| heard.at + GONE_AFTER)
            .min();
        [self.due_to_speak(), expiry].into_iter().flatten().min()
    }

    fn due_to_speak(&self) -> Option<Instant> {
        if self.owes_leaving {
            return self.last_said;
        }
        if !self.is_entered() {
            return None;
        }
        let beat = self.last_said.map(|said| said + HEARTBEAT);
        [self.wish, beat].into_iter().flatten().min()
    }

    /// What is to be said now, if anything; it counts as said.
    pub(crate) fn next(&mut self, now: Now, digest: [u8; 32]) -> Option<Message> {
        if self.due_to_speak().is_none_or(|due| due > now.instant) {
            return None;
        }
        if self.owes_leaving {
            return self.farewell(now);
        }
        self.wish = None;
        self.last_said = Some(now.instant);
        // Others take only what is newer, also where the clock was set back.
        self.last_us = now.wall_us.max(self.last_us + 1);
        Some(Message {
            author: self.own,
            time_us: self.last_us,
            said: Said::Here {
                body: self.body.clone(),
                digest,
                seen: self.rumours(now),
            },
        })
    }

    /// The last word before the network is left: the handles stay, and when the network is back
    /// this device says again that it is here.
    pub(crate) fn farewell(&mut self, now: Now) -> Option<Message> {
        let is_owed = self.owes_leaving || (self.is_entered() && self.last_said.is_some());
        if !is_owed {
            return None;
        }
        self.owes_leaving = false;
        self.last_said = None;
        self.wish = self.is_entered().then_some(now.instant);
        self.last_us = now.wall_us.max(self.last_us + 1);
        Some(Message {
            author: self.own,
            time_us: self.last_us,
            said: Said::Leaving,
        })
    }

    /// Last-seen times of people who are not here, some in each heartbeat and all in turn.
    fn rumours(&mut self, now: Now) -> Vec<(AuthorId, u64)> {
        let is_beat = self
            .last_beat
            .is_none_or(|beat| beat + HEARTBEAT <= now.instant);
        if !is_beat {
            return Vec::new();
        }
        self.last_beat = Some(now.instant);
        let from = self.told.map_or(Bound::Unbounded, Bound::Excluded);
        let upto = self
            .told
            .map(|told| (Bound::Unbounded, Bound::Included(told)));
        let after = self.seen.range((from, Bound::Unbounded));
        let before = upto.into_iter().flat_map(|range| self.seen.range(range));
        let is_absent = |author: &AuthorId| !self.is_here(author);
        let rumours: Vec<(AuthorId, u64)> = after
            .chain(before)
            .filter(|(author, _)| is_absent(author))
            .take(SEEN_PER_MESSAGE_MAX)
            .map(|(author, seen)| (*author, seen.us))
            .collect();
        self.told = rumours.last().map(|(author, _)| *author);
        rumours
    }

    /// Whether one more message may be looked at in this second.
    pub(crate) fn admits(&mut self, now: Now) -> bool {
        if now.instant.duration_since(self.counted.0) >= Duration::from_secs(1) {
            self.counted = (now.instant, 0);
        }
        self.counted.1 += 1;
        self.counted.1 <= MESSAGES_PER_SECOND_MAX
    }

    /// Counts a message that was not taken.
    pub(crate) fn refuse(&mut self) {
        self.refused += 1;
    }

    /// Messages that were not taken.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes a message whose author is proved. Last-seen times are believed of people for whom
    /// `is_author` holds: nobody can be invented.
    pub(crate) fn receive(
        &mut self,
        message: Message,
        now: Now,
        is_author: impl Fn(&AuthorId) -> bool,
    ) -> Result<Vec<Change>, Refusal> {
        let author = message.author;
        self.judge(&message, now)?;
        self.raise_seen(author, now.wall_us);
        let heard = self.heard.entry(author).or_insert(Heard {
            time_us: 0,
            at: now.instant,
            is_here: false,
            body: Vec::new(),
        });
        heard.time_us = message.time_us;
        heard.at = now.instant;
        let was_here = heard.is_here;
        let mut changes = Vec::new();
        match message.said {
            Said::Leaving => {
                heard.is_here = false;
                heard.body.clear();
                if was_here {
                    changes.push(Change::Went(author));
                }
            }
            Said::Here { body, seen, .. } => {
                heard.is_here = true;
                let is_other = heard.body != body;
                heard.body = body;
                if !was_here {
                    changes.push(Change::Came(author));
                    self.greet(now);
                }
                if is_other {
                    changes.push(Change::Said(author));
                }
                for (author, us) in seen {
                    let us = us.min(now.wall_us);
                    if author != self.own && is_author(&author) && self.raise_seen(author, us) {
                        changes.push(Change::Seen(author));
                    }
                }
            }
        }
        Ok(changes)
    }

    fn judge(&mut self, message: &Message, now: Now) -> Result<(), Refusal> {
        if message.author == self.own {
            return Err(Refusal::Own);
        }
        if message.time_us > now.wall_us.saturating_add(FUTURE_MAX_US) {
            return Err(Refusal::Future);
        }
        if message.time_us.saturating_add(AGE_MAX_US) < now.wall_us {
            return Err(Refusal::Stale);
        }
        let last_us = self.heard.get(&message.author).map(|heard| heard.time_us);
        if last_us.is_some_and(|last_us| message.time_us <= last_us) {
            return Err(Refusal::Replayed);
        }
        if last_us.is_none() && self.heard.len() >= PEOPLE_MAX && !self.forget_one() {
            return Err(Refusal::Crowded);
        }
        Ok(())
    }

    /// Forgets whoever has been gone for longest. `false` where everybody is here.
    fn forget_one(&mut self) -> bool {
        let gone = self.heard.iter().filter(|(_, heard)| !heard.is_here);
        let longest = gone.min_by_key(|(_, heard)| heard.at);
        match longest.map(|(author, _)| *author) {
            Some(author) => self.heard.remove(&author).is_some(),
            None => false,
        }
    }

    /// Takes note of a later time; whether it is so much later that people should be told.
    fn raise_seen(&mut self, author: AuthorId, us: u64) -> bool {
        if let Some(seen) = self.seen.get_mut(&author) {
            let is_news = us >= seen.us.saturating_add(SEEN_NEWS_US);
            if us > seen.us {
                *seen = Seen { us, is_new: true };
            }
            return is_news;
        }
        if self.seen.len() >= PARTICIPANTS_MAX {
            let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.us);
            match oldest.map(|(author, seen)| (*author, seen.us)) {
                Some((oldest, known)) if known < us => self.seen.remove(&oldest),
                _ => return false,
            };
        }
        self.seen.insert(author, Seen { us, is_new: true });
        true
    }

    /// Takes note of somebody whose device exchanges the document, whether or not a word comes.
    pub(crate) fn meet(&mut self, author: AuthorId, now: Now) {
        if author != self.own {
            self.raise_seen(author, now.wall_us);
        }
    }

    /// Adds what is stored of earlier times.
    pub(crate) fn remember(&mut self, stored: impl IntoIterator<Item = (AuthorId, u64)>) {
        for (author, us) in stored.into_iter().take(PARTICIPANTS_MAX) {
            if self.seen.get(&author).is_none_or(|seen| seen.us < us) {
                self.seen.insert(author, Seen { us, is_new: false });
            }
        }
    }

    /// Last-seen times that are to be stored; they count as stored.
    pub(crate) fn take_new_seen(&mut self) -> Vec<(AuthorId, u64)> {
        let new = self.seen.iter_mut().filter(|(_, seen)| seen.is_new);
        new.map(|(author, seen)| {
            seen.is_new = false;
            (*author, seen.us)
        })
        .collect()
    }

    /// Counts those as gone who have not been heard for too long.
    pub(crate) fn expire(&mut self, now: Now) -> Vec<Change> {
        self.end_where(|_, heard| heard.at + GONE_AFTER <= now.instant)
    }

    /// Nobody can be heard any more.
    pub(crate) fn lose_all(&mut self) -> Vec<Change> {
        self.end_where(|_, _| true)
    }

    /// One of them cannot be heard any more; whether they were here.
    pub(crate) fn lose(&mut self, lost: &AuthorId) -> bool {
        !self.end_where(|author, _| author == lost).is_empty()
    }

    fn end_where(&mut self, is_gone: impl Fn(&AuthorId, &Heard) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for (author, heard) in &mut self.heard {
            if heard.is_here && is_gone(author, heard) {
                heard.is_here = false;
                heard.body.clear();
                changes.push(Change::Went(*author));
            }
        }
        changes
    }

    /// Whether somebody else has the document open.
    pub(crate) fn is_here(&self, author: &AuthorId) -> bool {
        self.heard.get(author).is_some_and(|heard| heard.is_here)
    }

    /// Those who are here, with what they say.
    pub(crate) fn present(&self) -> impl Iterator<Item = (AuthorId, &[u8])> {
        let here = self.heard.iter().filter(|(_, heard)| heard.is_here);
        here.map(|(author, heard)| (*author, heard.body.as_slice()))
    }

    /// When everybody was last seen, microseconds since 1970.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (AuthorId, u64)> {
        self.seen.iter().map(|(author, seen)| (*author, seen.us))
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
