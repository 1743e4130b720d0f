// SPDX-License-Identifier: GPL-3.0-or-later
//! Who wrote which part of the text.
//!
//! Runs are kept by CRDT peer in chunks, so that a change in a long text costs no more than a
//! look at the lengths of the chunks and at one of them. They are made when somebody first asks
//! and then follow every change.

use loro::LoroText;

/// Runs in a chunk before it is split.
const CHUNK_RUNS_MAX: usize = 128;

/// Characters in a row by one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) peer: u64,
    pub(super) count: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    count: usize,
    runs: Vec<Run>,
}

/// The runs of the whole text.
#[derive(Debug, Default)]
pub(super) struct Authorship {
    chunks: Vec<Chunk>,
    /// The chunk used last and the characters before it: edits stay in one place for long.
    near: (usize, usize),
}

impl Authorship {
    /// Reads all runs from the CRDT, whose chunks of text are by one peer each.
    pub(super) fn read(text: &LoroText) -> Self {
        let mut counts = Vec::new();
        text.iter(|chunk| {
            counts.push(chunk.chars().count());
            true
        });
        let (mut authorship, mut at) = (Self::default(), 0);
        for count in counts {
            let peer = text.get_editor_at_unicode_pos(at).unwrap_or(u64::MAX);
            authorship.append(Run { peer, count });
            at += count;
        }
        authorship
    }

    fn append(&mut self, run: Run) {
        if run.count == 0 {
            return;
        }
        match self.chunks.last_mut() {
            Some(chunk) if chunk.runs.len() < CHUNK_RUNS_MAX / 2 => {
                chunk.count += run.count;
                match chunk.runs.last_mut() {
                    Some(last) if last.peer == run.peer => last.count += run.count,
                    _ => chunk.runs.push(run),
                }
            }
            _ => self.chunks.push(Chunk {
                count: run.count,
                runs: vec![run],
            }),
        }
    }

    /// The chunk that holds the characters on both sides of `at`, or ends there, and the
    /// characters before it.
    fn find(&mut self, at: usize) -> (usize, usize) {
        let (mut index, mut before) = self.near;
        if before > at || index >= self.chunks.len() {
            (index, before) = (0, 0);
        }
        while let Some(chunk) = self.chunks.get(index) {
            if at <= before + chunk.count {
                break;
            }
            before += chunk.count;
            index += 1;
        }
        self.near = (index, before);
        (index, before)
    }

    pub(super) fn insert(&mut self, at: usize, count: usize, peer: u64) {
        if count == 0 {
            return;
        }
        let (index, before) = self.find(at);
        let Some(chunk) = self.chunks.get_mut(index) else {
            self.append(Run { peer, count });
            return;
        };
        chunk.count += count;
        let mut offset = at - before;
        for place in 0..chunk.runs.len() {
            let run = &mut chunk.runs[place];
            if offset > run.count {
                offset -= run.count;
                continue;
            }
            if run.peer == peer {
                run.count += count;
            } else if offset == run.count {
                match chunk.runs.get_mut(place + 1) {
                    Some(next) if next.peer == peer => next.count += count,
                    _ => chunk.runs.insert(place + 1, Run { peer, count }),
                }
            } else {
                let behind = Run {
                    peer: run.peer,
                    count: run.count - offset,
                };
                run.count = offset;
                chunk.runs.insert(place + 1, behind);
                chunk.runs.insert(place + 1, Run { peer, count });
                if offset == 0 {
                    chunk.runs.remove(place);
                }
            }
            break;
        }
        self.split(index);
    }

    fn split(&mut self, index: usize) {
        let chunk = &mut self.chunks[index];
        if chunk.runs.len() <= CHUNK_RUNS_MAX {
            return;
        }
        let runs = chunk.runs.split_off(chunk.runs.len() / 2);
        let count = runs.iter().map(|run| run.count).sum();
        chunk.count -= count;
        self.chunks.insert(index + 1, Chunk { count, runs });
    }

    pub(super) fn delete(&mut self, at: usize, count: usize) {
        let (mut index, before) = self.find(at);
        let (mut offset, mut left) = (at - before, count);
        while left > 0 && index < self.chunks.len() {
            let chunk = &mut self.chunks[index];
            let gone = left.min(chunk.count - offset);
            cut(&mut chunk.runs, offset, gone);
            chunk.count -= gone;
            left -= gone;
            offset = 0;
            if chunk.count == 0 {
                self.chunks.remove(index);
            } else {
                index += 1;
            }
        }
    }

    /// All runs, one after the other; neighbours are by different peers.
    pub(super) fn runs(&self) -> Vec<Run> {
        let mut all: Vec<Run> = Vec::new();
        for run in self.chunks.iter().flat_map(|chunk| &chunk.runs) {
            match all.last_mut() {
                Some(last) if last.peer == run.peer => last.count += run.count,
                _ => all.push(*run),
            }
        }
        all
    }
}

/// Takes characters out of a list of runs.
fn cut(runs: &mut Vec<Run>, mut offset: usize, mut count: usize) {
    runs.retain_mut(|run| {
        if offset >= run.count {
            offset -= run.count;
            return true;
        }
        let gone = count.min(run.count - offset);
        offset = 0;
        count -= gone;
        run.count -= gone;
        run.count > 0
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_those_of_a_list_of_letters(
            steps in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..9, 0_u64..4), 0..600),
        ) {
            let (mut authorship, mut letters) = (Authorship::default(), Vec::new());
            for (at, count, peer) in steps {
                let at = at.index(letters.len() + 1);
                if peer == 3 {
                    let count = count.min(letters.len() - at);
                    authorship.delete(at, count);
                    letters.drain(at..at + count);
                } else {
                    authorship.insert(at, count, peer);
                    letters.splice(at..at, std::iter::repeat_n(peer, count));
                }
                let runs = authorship.runs();
                let spelt: Vec<u64> = runs
                    .iter()
                    .flat_map(|run| std::iter::repeat_n(run.peer, run.count))
                    .collect();
                prop_assert_eq!(&spelt, &letters);
            }
        }
    }
}
