// SPDX-License-Identifier: GPL-3.0-or-later
//! What a replica understands and answers, without I/O.
//!
//! The first frame has to prove one of the tickets that were given out. Until then nothing is
//! said, and a proof that fits none ends the talk without a word. After that each request is
//! carried out by the driver and answered before the next one is read.

use super::assigner::TalkError;
use super::frame::Frame;
use super::proof::Ends;
use super::ticket::GrantSecret;
use crate::access::{DocumentKeys, TopicId};
use crate::sync::proof::is_equal;

/// A ticket that was given out.
pub(crate) struct Grant {
    pub(crate) id: i64,
    pub(crate) secret: GrantSecret,
}

/// What a frame asks of the driver.
#[derive(Debug)]
pub(super) enum Wanted {
    /// The proof fits this ticket: to be welcomed.
    Welcome(i64),
    /// The list of what is kept.
    List,
    Assign(DocumentKeys),
    Withdraw(TopicId),
}

/// One talk with an assigner.
pub(super) struct Host {
    ends: Ends,
    grants: Vec<Grant>,
    /// The ticket that was proved.
    proved: Option<Grant>,
    is_listed: bool,
}

impl Host {
    pub(super) fn new(ends: Ends, grants: Vec<Grant>) -> Self {
        Self {
            ends,
            grants,
            proved: None,
            is_listed: false,
        }
    }

    /// Takes a frame of the assigner.
    pub(super) fn receive(&mut self, frame: Frame) -> Result<Wanted, TalkError> {
        match (&self.proved, frame) {
            (None, Frame::Prove { proof }) => self.prove(&proof),
            (Some(_), Frame::List) if !self.is_listed => {
                self.is_listed = true;
                Ok(Wanted::List)
            }
            (Some(_), Frame::Assign { keys }) => Ok(Wanted::Assign(keys)),
            (Some(_), Frame::Withdraw { topic }) => Ok(Wanted::Withdraw(topic)),
            _ => Err(TalkError::Unexpected),
        }
    }

    fn prove(&mut self, proof: &[u8; 32]) -> Result<Wanted, TalkError> {
        // All are compared, so that the time does not tell which one it was.
        let mut found = None;
        for grant in std::mem::take(&mut self.grants) {
            if is_equal(proof, &self.ends.assigner_proof(&grant.secret)) {
                found = Some(grant);
            }
        }
        let grant = found.ok_or(TalkError::BadProof)?;
        let id = grant.id;
        self.proved = Some(grant);
        Ok(Wanted::Welcome(id))
    }

    /// The answer to a proof; `None` before one.
    pub(super) fn welcome(&self, digest: [u8; 32]) -> Option<Frame> {
        let grant = self.proved.as_ref()?;
        Some(Frame::Welcome {
            proof: self.ends.replica_proof(&grant.secret),
            digest,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::super::assigner::{Assigner, Heard, IN_FLIGHT_MAX, Task, digest};
    use super::super::frame::Shortage;
    use super::*;
    use crate::access::DocumentSecret;
    use crate::identity::AuthorKey;
    use crate::sync::proof::Salts;
    use zeroize::Zeroizing;

    fn ends() -> Ends {
        Ends {
            assigner: AuthorKey::generate().id(),
            replica: AuthorKey::generate().id(),
            salts: Salts {
                dialer: [1; 16],
                listener: [2; 16],
            },
        }
    }

    fn grants() -> Vec<Grant> {
        (1..4)
            .map(|id: u8| Grant {
                id: id.into(),
                secret: Zeroizing::new([id; 32]),
            })
            .collect()
    }

    fn document() -> DocumentKeys {
        DocumentKeys::for_writing(DocumentSecret::generate())
    }

    /// An assigner with ticket 2 and a replica, both past their proofs.
    fn acquainted(believed: &[TopicId], held: &[TopicId]) -> (Assigner, Host, Heard) {
        let ends = ends();
        let believed: BTreeSet<TopicId> = believed.iter().copied().collect();
        let held: BTreeSet<TopicId> = held.iter().copied().collect();
        let (mut alice, prove) = Assigner::begin(Zeroizing::new([2; 32]), ends, believed);
        let mut replica = Host::new(ends, grants());
        assert!(matches!(replica.receive(prove), Ok(Wanted::Welcome(2))));
        let welcome = replica.welcome(digest(&held)).unwrap();
        let (heard, answer) = alice.receive(welcome).unwrap();
        if let Some(list) = answer {
            assert!(matches!(replica.receive(list), Ok(Wanted::List)));
        }
        (alice, replica, heard)
    }

    #[test]
    fn a_stranger_without_a_ticket_hears_nothing_and_leaves_nothing() {
        let ends = ends();
        let (_, guess) = Assigner::begin(Zeroizing::new([9; 32]), ends, BTreeSet::new());
        let mut replica = Host::new(ends, grants());
        assert_eq!(replica.receive(guess).unwrap_err(), TalkError::BadProof);
        assert!(replica.welcome([0; 32]).is_none());
        // Nor is there a second guess on that stream, nor anything else before a proof.
        let (_, right) = Assigner::begin(Zeroizing::new([2; 32]), ends, BTreeSet::new());
        assert!(replica.receive(right).is_err());
        for early in [
            Frame::List,
            Frame::Assign { keys: document() },
            Frame::Withdraw {
                topic: document().topic(),
            },
        ] {
            let mut replica = Host::new(ends, grants());
            assert_eq!(replica.receive(early).unwrap_err(), TalkError::Unexpected);
        }
    }

    #[test]
    fn a_proof_does_not_serve_on_another_connection_nor_for_the_other_side() {
        let here = ends();
        let (mut alice, prove) = Assigner::begin(Zeroizing::new([2; 32]), here, BTreeSet::new());
        let mut elsewhere = here;
        elsewhere.salts.listener = [3; 16];
        assert!(
            Host::new(elsewhere, grants())
                .receive(prove.clone())
                .is_err()
        );
        let Frame::Prove { proof } = prove else {
            panic!()
        };
        // A replica that does not know the ticket sends back what it was sent.
        let echo = Frame::Welcome {
            proof,
            digest: digest(&BTreeSet::new()),
        };
        assert_eq!(alice.receive(echo).unwrap_err(), TalkError::BadProof);
        assert!(!alice.has_room());
    }

    #[test]
    fn a_document_is_assigned_and_withdrawn() {
        let (mut alice, mut replica, heard) = acquainted(&[], &[]);
        assert_eq!(
            heard,
            Heard::Proved {
                is_as_believed: true
            }
        );
        let keys = document();
        let topic = keys.topic();
        let Wanted::Assign(handed) = replica.receive(alice.tell(Task::Assign(keys))).unwrap()
        else {
            panic!()
        };
        assert_eq!(handed.topic(), topic);
        assert!(alice.is_in_flight(&topic));
        let taken = alice.receive(Frame::Taken { topic }).unwrap();
        assert_eq!(taken.0, Heard::Taken(topic));
        let withdrawn = replica.receive(alice.tell(Task::Withdraw(topic))).unwrap();
        assert!(matches!(withdrawn, Wanted::Withdraw(it) if it == topic));
        assert_eq!(
            alice.receive(Frame::Dropped { topic }).unwrap().0,
            Heard::Dropped(topic)
        );
    }

    #[test]
    fn an_answer_to_nothing_ends_the_talk() {
        let topic = document().topic();
        for answer in [
            Frame::Taken { topic },
            Frame::Dropped { topic },
            Frame::Refused {
                topic,
                shortage: Shortage::Quota,
            },
            Frame::List,
            Frame::Held {
                topics: vec![],
                last: true,
            },
        ] {
            let (mut alice, _, _) = acquainted(&[], &[]);
            assert_eq!(alice.receive(answer).unwrap_err(), TalkError::Unexpected);
        }
        // A withdrawal is not answered by taking.
        let (mut alice, _, _) = acquainted(&[], &[]);
        alice.tell(Task::Withdraw(topic));
        assert!(alice.receive(Frame::Taken { topic }).is_err());
    }

    #[test]
    fn a_replica_that_lost_documents_is_found_out() {
        let (kept, lost, extra) = (document().topic(), document().topic(), document().topic());
        let (mut alice, mut replica, heard) = acquainted(&[kept, lost], &[kept, extra]);
        assert_eq!(
            heard,
            Heard::Proved {
                is_as_believed: false
            }
        );
        assert!(!alice.has_room());
        let first = Frame::Held {
            topics: vec![kept],
            last: false,
        };
        assert_eq!(alice.receive(first).unwrap().0, Heard::Nothing);
        let second = Frame::Held {
            topics: vec![extra],
            last: true,
        };
        assert_eq!(alice.receive(second).unwrap().0, Heard::Lost(vec![lost]));
        assert!(alice.has_room());
        // The list is given once a connection.
        assert!(replica.receive(Frame::List).is_err());
    }

    #[test]
    fn only_so_much_is_told_at_once() {
        let (mut alice, _, _) = acquainted(&[], &[]);
        for _ in 0..IN_FLIGHT_MAX {
            assert!(alice.has_room());
            alice.tell(Task::Assign(document()));
        }
        assert!(!alice.has_room());
    }
}
