// SPDX-License-Identifier: GPL-3.0-or-later
//! A history that is one row of edits, each upon the one before, and the text after any of them.
//!
//! The CRDT makes the text of an older version by looking at everything since, which takes tens of
//! milliseconds in a long history. Where nobody wrote at the same time as somebody else, positions
//! are those of the text as it was, so edits are played from the nearest text that was kept.
//! Invariant: what is kept is bounded, however long the history is.

use std::ops::Range;

use loro::{ContainerTrait, ID, IdSpan, JsonChange, JsonOpContent, JsonTextOp, LoroDoc, LoroText};

/// Texts on the way that are kept, at most.
const TEXTS_MAX: usize = 32;
/// Characters of them all, at most; the first, which is empty, and one more are kept in any case.
const TEXTS_CHARS_MAX: usize = 2 * 1024 * 1024;

/// One operation of the CRDT on the text.
#[derive(Clone, Copy, Debug)]
struct Edit {
    /// How many counters come before it in the whole row.
    counters: u64,
    at: u32,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Where its letters begin among all that were inserted, and how many they are.
    Insert(u32, u32),
    /// How many letters from `at` on.
    Delete(u32),
    /// How many letters, the first of them at `at` and each next one before it.
    Erase(u32),
}

/// A stretch of changes by one peer.
#[derive(Debug)]
struct Stretch {
    peer: u64,
    counters: Range<i32>,
    /// Counters before it in the whole row.
    before: u64,
}

/// The whole row.
#[derive(Debug)]
pub(super) struct Replay {
    stretches: Vec<Stretch>,
    edits: Vec<Edit>,
    inserted: Vec<char>,
    /// Texts by how many counters they hold, the shortest history first.
    texts: Vec<(u64, Vec<char>)>,
    /// Where the last text that was asked for stopped, since the next one is often near.
    last: (u64, Letters),
    /// How many edits have been played for texts that were asked for.
    #[cfg(test)]
    played: usize,
}

impl Replay {
    /// Reads a history. `None` where people wrote at the same time, or something else than letters
    /// was put into the text.
    pub(super) fn read(doc: &LoroDoc, text: &LoroText) -> Option<Self> {
        let mut replay = Self {
            stretches: row(doc)?,
            edits: Vec::new(),
            inserted: Vec::new(),
            texts: Vec::new(),
            last: (0, Letters::default()),
            #[cfg(test)]
            played: 0,
        };
        let container = text.id();
        for index in 0..replay.stretches.len() {
            let Stretch {
                peer,
                counters,
                before,
            } = &replay.stretches[index];
            let (peer, counters, before) = (*peer, counters.clone(), *before);
            let span = IdSpan::new(peer, counters.start, counters.end);
            for change in doc.export_json_in_id_span(span) {
                let of_text = |op: &&loro::JsonOp| op.container == container;
                let first = before + u64::try_from(change.id.counter - counters.start).ok()?;
                replay.take(&change, first, of_text)?;
            }
        }
        replay.keep_texts();
        Some(replay)
    }

    /// Takes the edits of a change, of which `first` counters come before.
    fn take(
        &mut self,
        change: &JsonChange,
        first: u64,
        is_wanted: impl Fn(&&loro::JsonOp) -> bool,
    ) -> Option<()> {
        for op in change.ops.iter().filter(is_wanted) {
            let JsonOpContent::Text(content) = &op.content else {
                return None;
            };
            let counters = first + u64::try_from(op.counter - change.id.counter).ok()?;
            let (at, what) = match content {
                JsonTextOp::Insert { pos, text } => {
                    let from = u32::try_from(self.inserted.len()).ok()?;
                    self.inserted.extend(text.chars());
                    let count = u32::try_from(self.inserted.len()).ok()? - from;
                    (*pos, What::Insert(from, count))
                }
                JsonTextOp::Delete { pos, len, .. } if *len < 0 => {
                    (u32::try_from(*pos).ok()?, What::Erase(len.unsigned_abs()))
                }
                JsonTextOp::Delete { pos, len, .. } => {
                    (u32::try_from(*pos).ok()?, What::Delete(len.unsigned_abs()))
                }
                _ => return None,
            };
            self.edits.push(Edit { counters, at, what });
        }
        Some(())
    }

    /// Plays all edits once and keeps texts on the way.
    fn keep_texts(&mut self) {
        let mut letters = Letters::default();
        let mut next = 0;
        self.texts.push((0, Vec::new()));
        let longest = self.inserted.len().max(1);
        let count = (TEXTS_CHARS_MAX / longest).clamp(1, TEXTS_MAX);
        let step = self.edits.len().div_ceil(count).max(1);
        for edit in &self.edits {
            if next == step {
                next = 0;
                self.texts.push((edit.counters, letters.all().collect()));
            }
            next += 1;
            letters.play(edit, &self.inserted, u64::MAX);
        }
        let end = self.stretches.last().map_or(0, Stretch::end);
        self.last = (end, letters);
    }

    /// How many edits there are, how many were played for texts, and characters that are kept.
    #[cfg(test)]
    pub(super) fn work(&self) -> (usize, usize, usize) {
        let kept = self.texts.iter().map(|(_, text)| text.len());
        (self.edits.len(), self.played, kept.sum())
    }

    /// How many counters a change and everything before it take. `None` where it is not known.
    pub(super) fn counters_until(&self, id: ID) -> Option<u64> {
        let stretch = self
            .stretches
            .iter()
            .find(|stretch| stretch.peer == id.peer && stretch.counters.contains(&id.counter))?;
        let offset = u64::try_from(id.counter - stretch.counters.start).ok()?;
        Some(stretch.before + offset + 1)
    }

    /// The text after so many counters.
    pub(super) fn text(&mut self, counters: u64) -> String {
        let kept = self.texts.partition_point(|(kept, _)| *kept <= counters);
        let nearest = &self.texts[kept.saturating_sub(1)];
        if self.last.0 > counters || self.last.0 < nearest.0 {
            self.last = (nearest.0, Letters::new(&nearest.1));
        }
        let (played, letters) = &mut self.last;
        // What was played in part is gone on with.
        let from = self.edits.partition_point(|edit| edit.end() <= *played);
        for edit in &self.edits[from..] {
            if edit.counters >= counters {
                break;
            }
            #[cfg(test)]
            {
                self.played += 1;
            }
            letters.play(
                &edit.without(played.saturating_sub(edit.counters)),
                &self.inserted,
                counters,
            );
        }
        *played = counters;
        letters.all().collect()
    }
}

impl Stretch {
    fn end(&self) -> u64 {
        self.before + u64::from(self.counters.end.abs_diff(self.counters.start))
    }
}

impl Edit {
    fn end(&self) -> u64 {
        let (What::Insert(_, count) | What::Delete(count) | What::Erase(count)) = self.what;
        self.counters + u64::from(count)
    }

    /// What is left of it once its first counters were played.
    fn without(&self, played: u64) -> Self {
        let played = u32::try_from(played).unwrap_or(u32::MAX);
        let (at, what) = match self.what {
            What::Insert(from, count) => {
                let played = played.min(count);
                (
                    self.at + played,
                    What::Insert(from + played, count - played),
                )
            }
            What::Delete(count) => (self.at, What::Delete(count.saturating_sub(played))),
            What::Erase(count) => (
                self.at.saturating_sub(played),
                What::Erase(count.saturating_sub(played)),
            ),
        };
        Self {
            counters: self.counters + u64::from(played),
            at,
            what,
        }
    }
}

/// All changes in the order in which they were made. `None` where two were made upon the same.
fn row(doc: &LoroDoc) -> Option<Vec<Stretch>> {
    let mut changes = Vec::new();
    for (&peer, &end) in doc.oplog_vv().iter() {
        let mut counter = 0;
        while counter < end {
            let change = doc.get_change(ID::new(peer, counter))?;
            let length = i32::try_from(change.len).ok()?.max(1);
            counter = change.id.counter.checked_add(length)?;
            changes.push((change.lamport, change.id, length, change.deps));
        }
    }
    changes.sort_unstable_by_key(|(lamport, id, ..)| (*lamport, id.peer));
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut head: Option<ID> = None;
    for (_, id, length, deps) in changes {
        let is_next = match head {
            None => deps.is_empty(),
            Some(head) => deps.as_single() == Some(head),
        };
        if !is_next {
            return None;
        }
        head = Some(ID::new(id.peer, id.counter + length - 1));
        match stretches.last_mut() {
            Some(last) if last.peer == id.peer && last.counters.end == id.counter => {
                last.counters.end += length;
            }
            _ => stretches.push(Stretch {
                peer: id.peer,
                counters: id.counter..id.counter + length,
                before: stretches.last().map_or(0, Stretch::end),
            }),
        }
    }
    Some(stretches)
}

/// Letters with a gap where the last edit was: edits in a row are near each other.
#[derive(Debug, Default)]
struct Letters {
    letters: Vec<char>,
    /// What stands here is none of them.
    gap: Range<usize>,
}

impl Letters {
    fn new(text: &[char]) -> Self {
        Self {
            letters: text.to_vec(),
            gap: text.len()..text.len(),
        }
    }

    fn all(&self) -> impl Iterator<Item = char> {
        let (before, behind) = (
            &self.letters[..self.gap.start],
            &self.letters[self.gap.end..],
        );
        before.iter().chain(behind).copied()
    }

    /// Moves the gap; beyond the end it stays there.
    fn go(&mut self, at: usize) {
        let Range { start, end } = self.gap;
        let at = at.min(self.letters.len() - self.gap.len());
        if at < start {
            let moved = start - at;
            self.letters.copy_within(at..start, end - moved);
            self.gap = at..end - moved;
        } else {
            let moved = at - start;
            self.letters.copy_within(end..end + moved, start);
            self.gap = at..end + moved;
        }
    }

    /// Puts letters before the gap.
    fn insert(&mut self, letters: &[char]) {
        if self.gap.len() < letters.len() {
            let more = letters.len() + self.letters.len() / 4;
            let (end, length) = (self.gap.end, self.letters.len());
            self.letters.resize(length + more, '\0');
            self.letters.copy_within(end..length, end + more);
            self.gap.end += more;
        }
        let start = self.gap.start;
        self.gap.start += letters.len();
        self.letters[start..self.gap.start].copy_from_slice(letters);
    }

    /// Plays as much of an edit as comes before `end` counters.
    fn play(&mut self, edit: &Edit, inserted: &[char], end: u64) {
        let most = usize::try_from(end - edit.counters).unwrap_or(usize::MAX);
        let at = edit.at as usize;
        match edit.what {
            What::Insert(from, count) => {
                let (from, count) = (from as usize, (count as usize).min(most));
                self.go(at);
                self.insert(&inserted[from..from + count]);
            }
            What::Delete(count) => {
                self.go(at);
                let gone = (count as usize).min(most);
                self.gap.end = (self.gap.end + gone).min(self.letters.len());
            }
            What::Erase(count) => {
                self.go(at + 1);
                let gone = (count as usize).min(most);
                self.gap.start = self.gap.start.saturating_sub(gone);
            }
        }
    }
}
