// SPDX-License-Identifier: GPL-3.0-or-later
//! Operations that came before their predecessors, from several peers at once: they wait and are
//! taken in order as soon as what was missing has come.
//!
//! Memory only, and bounded for each log and for all. Where there is no more room the newest of a
//! log is let go: what is older is nearer to being taken, and what is let go is fetched again.

use std::collections::{BTreeMap, HashMap};

use super::Verified;
use crate::identity::AuthorId;
use crate::store::documents::DocumentRow;

/// Most operations of one author in one document that wait.
const LOG_OPERATIONS_MAX: usize = 256;
/// Most bytes of one author in one document that wait.
const LOG_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most bytes that wait altogether.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct WaitingRoom {
    logs: HashMap<(DocumentRow, AuthorId), Log>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Log {
    operations: BTreeMap<u64, Verified>,
    bytes: usize,
}

fn len_bytes(verified: &Verified) -> usize {
    verified.operation.len_bytes() + verified.body.as_ref().map_or(0, Vec::len)
}

impl WaitingRoom {
    /// Has an operation wait. `false` where this or another one of the log had to be let go.
    pub(crate) fn put(&mut self, document: DocumentRow, verified: Verified) -> bool {
        let (sequence, size) = (verified.operation.header().sequence, len_bytes(&verified));
        let key = (document, verified.operation.author());
        let log = self.logs.entry(key).or_default();
        if log.operations.contains_key(&sequence) {
            return true;
        }
        log.operations.insert(sequence, verified);
        log.bytes += size;
        self.bytes += size;
        let mut is_whole = true;
        while log.operations.len() > LOG_OPERATIONS_MAX
            || log.bytes > LOG_BYTES_MAX
            || self.bytes > BYTES_MAX
        {
            let Some((_, newest)) = log.operations.pop_last() else {
                break;
            };
            log.bytes -= len_bytes(&newest);
            self.bytes -= len_bytes(&newest);
            is_whole = false;
        }
        if log.operations.is_empty() {
            self.logs.remove(&key);
        }
        is_whole
    }

    /// The operation that goes on at a place, if it waits. What is older is known by now.
    pub(crate) fn take(
        &mut self,
        document: DocumentRow,
        author: AuthorId,
        sequence: u64,
    ) -> Option<Verified> {
        let log = self.logs.get_mut(&(document, author))?;
        let mut found = None;
        while let Some(first) = log.operations.first_entry()
            && *first.key() <= sequence
        {
            let is_it = *first.key() == sequence;
            let verified = first.remove();
            log.bytes -= len_bytes(&verified);
            self.bytes -= len_bytes(&verified);
            found = is_it.then_some(verified);
        }
        if log.operations.is_empty() {
            self.logs.remove(&(document, author));
        }
        found
    }

    /// Nothing of a log can be taken any more.
    pub(crate) fn forget_log(&mut self, document: DocumentRow, author: AuthorId) {
        if let Some(log) = self.logs.remove(&(document, author)) {
            self.bytes -= log.bytes;
        }
    }

    /// A document is no more.
    pub(crate) fn forget(&mut self, document: DocumentRow) {
        let bytes = &mut self.bytes;
        self.logs.retain(|(of, _), log| {
            let is_kept = *of != document;
            if !is_kept {
                *bytes -= log.bytes;
            }
            is_kept
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::{DocumentKeys, DocumentSecret};
    use crate::identity::AuthorKey;
    use crate::operation::{Kind, NewHeader, Operation, OperationId};

    const DOCUMENT: DocumentRow = DocumentRow(1);

    fn operation(key: &AuthorKey, keys: &DocumentKeys, sequence: u64, size: usize) -> Verified {
        let new = NewHeader {
            topic: keys.topic(),
            sequence,
            backlink: Some(OperationId::from_bytes([1; 32])),
            time_us: 1,
            kind: Kind::Edit,
            incarnation: 0,
            write_proof: None,
        };
        Verified {
            operation: Operation::sign(key, new, vec![7; size]),
            body: None,
        }
    }

    fn someone() -> (AuthorKey, DocumentKeys) {
        let keys = DocumentKeys::for_writing(DocumentSecret::generate());
        (AuthorKey::generate(), keys)
    }

    #[test]
    fn the_oldest_stay_when_there_is_no_room_and_nothing_is_left_behind() {
        let (alice, keys) = someone();
        let mut room = WaitingRoom::default();
        let last = LOG_OPERATIONS_MAX as u64;
        for sequence in (1..=last).rev() {
            assert!(room.put(DOCUMENT, operation(&alice, &keys, sequence, 8)));
        }
        assert!(!room.put(DOCUMENT, operation(&alice, &keys, last + 1, 8)));
        assert!(room.take(DOCUMENT, alice.id(), 0).is_none());
        for sequence in 1..=last {
            assert!(room.take(DOCUMENT, alice.id(), sequence).is_some());
        }
        assert!(room.take(DOCUMENT, alice.id(), last + 1).is_none());
        assert_eq!((room.bytes, room.logs.len()), (0, 0));
    }

    #[test]
    fn bytes_are_bounded_for_a_log_and_for_all() {
        let (alice, keys) = someone();
        let mut room = WaitingRoom::default();
        let size = 700 * 1024;
        let kept = (1..9).filter(|&at| room.put(DOCUMENT, operation(&alice, &keys, at, size)));
        assert_eq!(kept.count(), 2);
        for _ in 0..40 {
            let (someone, _) = someone();
            room.put(DOCUMENT, operation(&someone, &keys, 1, size));
            assert!(room.bytes <= BYTES_MAX);
        }
        room.forget_log(DOCUMENT, alice.id());
        assert!(room.take(DOCUMENT, alice.id(), 1).is_none());
        room.forget(DOCUMENT);
        assert_eq!((room.bytes, room.logs.len()), (0, 0));
    }
}
