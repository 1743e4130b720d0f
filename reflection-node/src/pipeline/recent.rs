// SPDX-License-Identifier: GPL-3.0-or-later
//! Operations that were just committed, for the sessions that send them on.
//!
//! Where many people write, each operation goes to everybody, and to read it from the store for each
//! of them would cost more than to send it. What is not here any more is read from the store; nothing
//! follows from that but time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::access::TopicId;
use crate::identity::AuthorId;
use crate::operation::Operation;
use crate::sync::session::Request;

/// Operations that are kept, and their bytes.
const OPERATIONS_MAX: usize = 1_024;
const BYTES_MAX: usize = 1024 * 1024;
/// Larger ones are not kept: it is the small ones that are many.
const OPERATION_BYTES_MAX: usize = 16 * 1024;

type Place = (TopicId, AuthorId, u64);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recent {
    operations: HashMap<Place, Arc<Operation>>,
    /// The oldest first.
    order: VecDeque<Place>,
    bytes: usize,
}

impl Recent {
    pub(super) fn add(&mut self, topic: TopicId, operation: &Arc<Operation>) {
        let bytes = operation.len_bytes();
        if bytes > OPERATION_BYTES_MAX {
            return;
        }
        let place = (topic, operation.author(), operation.header().sequence);
        if let Some(before) = self.operations.insert(place, Arc::clone(operation)) {
            self.bytes -= before.len_bytes();
        } else {
            self.order.push_back(place);
        }
        self.bytes += bytes;
        while self.operations.len() > OPERATIONS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if let Some(gone) = self.operations.remove(&oldest) {
                self.bytes -= gone.len_bytes();
            }
        }
    }

    /// What is asked for, if all of it is here.
    pub(super) fn find(&self, topic: &TopicId, requests: &[Request]) -> Option<Vec<Operation>> {
        let wanted = requests.iter().flat_map(|request| {
            (request.from..request.from.saturating_add(request.count))
                .map(|sequence| (*topic, request.author, sequence))
        });
        wanted
            .map(|place| self.operations.get(&place).map(|found| (**found).clone()))
            .collect()
    }

    /// The logs of a document are not what they were.
    pub(super) fn forget(&mut self, topic: &TopicId) {
        self.order.retain(|(known, ..)| known != topic);
        let bytes = &mut self.bytes;
        self.operations.retain(|(known, ..), operation| {
            let is_kept = known != topic;
            if !is_kept {
                *bytes -= operation.len_bytes();
            }
            is_kept
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::identity::AuthorKey;
    use crate::operation::{Kind, NewHeader};

    fn operation(key: &AuthorKey, topic: TopicId, sequence: u64, bytes: usize) -> Arc<Operation> {
        let header = NewHeader {
            topic,
            sequence,
            backlink: None,
            time_us: 1,
            kind: Kind::Compaction,
            incarnation: 1,
            write_proof: Some([0; 64]),
        };
        Arc::new(Operation::sign(key, header, vec![0; bytes]))
    }

    fn request(key: &AuthorKey, from: u64, count: u64) -> Request {
        Request {
            author: key.id(),
            from,
            count,
            is_answer: false,
        }
    }

    #[test]
    fn all_that_is_asked_for_is_found_or_nothing() {
        let (key, other) = (AuthorKey::generate(), AuthorKey::generate());
        let [topic, elsewhere] = [1, 2].map(|byte| TopicId::from_bytes([byte; 32]));
        let mut recent = Recent::default();
        for sequence in 3..6 {
            recent.add(topic, &operation(&key, topic, sequence, 40));
        }
        recent.add(topic, &operation(&other, topic, 0, 40));
        let both = [request(&key, 3, 3), request(&other, 0, 1)];
        let found = recent.find(&topic, &both).unwrap();
        let sequences: Vec<u64> = found.iter().map(|one| one.header().sequence).collect();
        assert_eq!(sequences, [3, 4, 5, 0]);
        for (topic, request) in [
            (topic, request(&key, 2, 3)),
            (topic, request(&key, 4, 3)),
            (elsewhere, request(&key, 3, 1)),
        ] {
            assert!(recent.find(&topic, &[request]).is_none());
        }
        recent.add(elsewhere, &operation(&key, elsewhere, 0, 40));
        recent.forget(&topic);
        assert!(recent.find(&topic, &both).is_none());
        assert!(recent.find(&elsewhere, &[request(&key, 0, 1)]).is_some());
    }

    #[test]
    fn a_flood_costs_bounded_memory() {
        let key = AuthorKey::generate();
        let topic = TopicId::from_bytes([1; 32]);
        let mut recent = Recent::default();
        for sequence in 0..1_500 {
            recent.add(topic, &operation(&key, topic, sequence, 40));
        }
        assert_eq!(recent.operations.len(), OPERATIONS_MAX);
        assert!(recent.find(&topic, &[request(&key, 1_400, 100)]).is_some());
        for sequence in 0..200 {
            recent.add(topic, &operation(&key, topic, sequence, 15_000));
        }
        assert!(recent.bytes <= BYTES_MAX && recent.order.len() == recent.operations.len());
        recent.add(topic, &operation(&key, topic, 9_999, 20_000));
        assert!(recent.find(&topic, &[request(&key, 9_999, 1)]).is_none());
        recent.forget(&topic);
        assert_eq!((recent.bytes, recent.order.len()), (0, 0));
    }
}
