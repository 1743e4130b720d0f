// SPDX-License-Identifier: GPL-3.0-or-later
//! Which logs a session still has something to do about.
//!
//! Whatever is known of a log on either side, what follows from it is worked out again for that log
//! alone ([`Session::review`]), whenever something of it has changed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Request, Session, State};
use crate::identity::AuthorId;
use crate::sync::frame::{Frame, HEADS_PER_FRAME_MAX};
use crate::sync::heights::Head;

/// How long a peer is not told again what of others' logs is here.
const NEWS_PAUSE: Duration = Duration::from_secs(1);
/// Most operations asked of the store at once.
const REQUEST_OPERATIONS_MAX: u64 = 256;

/// Authors of whose logs something is left to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OpenLogs {
    /// Operations are here that the peer lacks.
    pub(super) unsent: BTreeSet<AuthorId>,
    /// The peer has not been told what is on the disk here, and will not see it by itself.
    pub(super) untold: BTreeSet<AuthorId>,
    /// The peer has not told to have all that is committed here, or was not told so in turn.
    pub(super) unconfirmed: BTreeSet<AuthorId>,
}

fn keep(authors: &mut BTreeSet<AuthorId>, author: &AuthorId, is_in: bool) {
    if is_in {
        authors.insert(*author);
    } else {
        authors.remove(author);
    }
}

impl Session {
    /// Something that is known of a log has changed.
    pub(super) fn review(&mut self, author: &AuthorId) {
        let (told, sent) = (self.told.next(author), self.sent.next(author));
        let head = self.ours.get(author);
        let is_declined = head.is_some_and(|head| self.is_declined(author, head));
        let is_unsent = head.is_some_and(|head| sent.max(head.base) < head.next) && !is_declined;
        let is_confirmed = head.is_none_or(|head| {
            is_declined || (told >= head.next && self.theirs.agrees_with(author, head))
        });
        // What is sent speaks for itself. A log may have been replaced by another one of the same height.
        let is_pushed = self.is_pushed(author);
        let is_untold = self.durable.get(author).is_some_and(|durable| {
            let known = self.told.get(author);
            let is_known = known.is_some_and(|known| known.id == durable.id);
            (sent >= durable.next || !is_pushed) && durable.next >= told && !is_known
        });
        keep(&mut self.open.unsent, author, is_unsent);
        if is_unsent {
            self.pushes.look_again();
        }
        keep(&mut self.open.untold, author, is_untold);
        keep(&mut self.open.unconfirmed, author, !is_confirmed);
    }

    /// What is known of all logs has changed.
    pub(super) fn review_all(&mut self) {
        self.open = OpenLogs::default();
        let authors = self.ours.iter().chain(self.durable.iter());
        let authors: Vec<AuthorId> = authors.map(|(author, _)| *author).collect();
        for author in &authors {
            self.review(author);
        }
    }
    /// Heads that grew since we last told: of the peer's own log at once, which its author waits
    /// for, of the others' now and then.
    pub(super) fn news(&mut self) -> Option<Frame> {
        let (remote, is_time) = (self.remote(), self.next_news <= self.now);
        let authors = self.open.untold.iter();
        let authors = authors.filter(|author| is_time || **author == remote);
        let heads: Vec<(AuthorId, Head)> = authors
            .take(HEADS_PER_FRAME_MAX)
            .filter_map(|author| Some((*author, *self.durable.get(author)?)))
            .collect();
        if heads.is_empty() {
            return None;
        }
        for (author, head) in &heads {
            self.told.hear(*author, *head);
            self.review(author);
        }
        if is_time && !self.has_news_of_others() {
            self.next_news = self.now + NEWS_PAUSE;
        }
        Some(Frame::Heads { heads, last: true })
    }

    fn has_news_of_others(&self) -> bool {
        let remote = self.remote();
        self.open.untold.iter().any(|author| *author != remote)
    }

    /// Whether there is something to read from the store.
    pub(super) fn has_requests(&self) -> bool {
        let is_asked = self.answers.front();
        self.state == State::Live
            && (is_asked.is_some_and(|answer| answer.from < answer.until)
                || !self.open.unsent.is_empty())
    }

    /// Decides which operations of others the peer is sent now, and which it may get elsewhere.
    /// To be called before anything is sent; `now` is the time of the session.
    pub(crate) fn weigh(&mut self, now: Duration) {
        self.now = now;
        if !self.is_done_sent || !self.pushes.begin(now) {
            return;
        }
        for author in self.pushes.lazy_among(&self.open.unsent) {
            let base = self.ours.get(&author).map_or(0, |head| head.base);
            let place = self.sent.next(&author).max(base);
            if self.pushes.weigh(author, place, now) {
                self.review(&author);
            }
        }
    }

    /// When [`Session::weigh`] is to be called though nothing has happened.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        let has_news = self.state == State::Live && self.has_news_of_others();
        let news = (has_news && self.now < self.next_news).then_some(self.next_news);
        self.pushes.due().into_iter().chain(news).min()
    }

    /// Whether what is unsent of a log is sent now; so is all that was here at the beginning.
    fn is_pushed(&self, author: &AuthorId) -> bool {
        !self.is_done_sent || *author == self.own() || !self.pushes.is_lazy(author)
    }

    /// Operations that the peer lacks and that are committed here: of as many logs as fit, because
    /// each look into the store takes its time; or what it has asked for of one log.
    pub(crate) fn next_requests(&self) -> Vec<Request> {
        if self.state != State::Live {
            return Vec::new();
        }
        if let Some(answer) = self.answers.front()
            && answer.from < answer.until
        {
            return vec![Request {
                author: answer.author,
                from: answer.from,
                count: (answer.until - answer.from).min(REQUEST_OPERATIONS_MAX),
                is_answer: true,
            }];
        }
        let (mut requests, mut room) = (Vec::new(), REQUEST_OPERATIONS_MAX);
        let unsent = self.open.unsent.iter();
        for author in unsent.filter(|author| self.is_pushed(author)) {
            let Some(head) = self.ours.get(author) else {
                continue;
            };
            let from = self.sent.next(author).max(head.base);
            let count = head.next.saturating_sub(from).min(room);
            if count == 0 {
                break;
            }
            room -= count;
            requests.push(Request {
                author: *author,
                from,
                count,
                is_answer: false,
            });
        }
        requests
    }

    /// Whether what is known to be open is what really is.
    #[cfg(test)]
    pub(super) fn is_reviewed(&mut self) -> bool {
        let known = self.open.clone();
        self.review_all();
        known == self.open
    }
}
