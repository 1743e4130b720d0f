// SPDX-License-Identifier: GPL-3.0-or-later
//! Two sessions that talk, each over a store that is a map.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use std::collections::BTreeMap;
use std::time::Duration;

use super::questions::FETCHES_MAX;
use super::*;
use crate::access::DocumentSecret;
use crate::identity::AuthorKey;
use crate::operation::{Kind, NewHeader, OperationId};

/// One side: a session over a store that is a map.
struct Side {
    session: Session,
    /// The time of the session.
    now: Duration,
    operations: BTreeMap<(AuthorId, u64), Operation>,
    operations_received: usize,
    /// Headers that were asked for.
    answers: Vec<Vec<u8>>,
}

impl Side {
    fn heights(operations: &BTreeMap<(AuthorId, u64), Operation>) -> Arc<Heights> {
        let mut heights = Heights::default();
        for operation in operations.values() {
            let head = Head {
                next: operation.header().sequence + 1,
                id: operation.id(),
                base: 0,
            };
            heights.raise(operation.author(), head);
        }
        Arc::new(heights)
    }

    fn store(&mut self, operation: Operation) {
        self.now += Duration::from_secs(1);
        self.operations
            .insert((operation.author(), operation.header().sequence), operation);
        let heights = Self::heights(&self.operations);
        self.session.committed(Arc::clone(&heights), heights);
        assert!(self.session.is_reviewed());
    }

    /// Frames that this side sends until it has nothing more to say.
    fn speak(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            self.session.weigh(self.now);
            if let Some(frame) = self.session.next_frame() {
                frames.push(frame);
                continue;
            }
            assert!(self.session.is_reviewed());
            let requests = self.session.next_requests();
            if requests.is_empty() {
                return frames;
            }
            let is_answer = requests.iter().any(|request| request.is_answer);
            let found = requests
                .iter()
                .flat_map(|request| {
                    (request.from..request.from + request.count)
                        .map(|sequence| self.operations[&(request.author, sequence)].clone())
                })
                .collect();
            frames.extend(if is_answer {
                self.session.answered(found)
            } else {
                self.session.supplied(found)
            });
        }
    }

    fn listen(&mut self, frames: Vec<Frame>) -> Result<(), SessionError> {
        for frame in frames {
            let received = self.session.receive(frame)?;
            if let Received::Branch { header, .. } | Received::Header(header) = &received {
                self.answers.push(header.clone());
            }
            if let Received::Operation { header, body } = received {
                let operation = Operation::decode(header, body).unwrap();
                self.session.heard(&operation)?;
                self.operations_received += 1;
                if !self.session.weed_out(&operation) {
                    self.store(operation);
                }
            }
            assert!(self.session.is_reviewed());
        }
        Ok(())
    }
}

struct World {
    keys: DocumentKeys,
    alice_key: AuthorKey,
    bob_key: AuthorKey,
}

impl World {
    fn new() -> Self {
        Self {
            keys: DocumentKeys::for_writing(DocumentSecret::generate()),
            alice_key: AuthorKey::generate(),
            bob_key: AuthorKey::generate(),
        }
    }

    fn operation(&self, key: &AuthorKey, sequence: u64) -> Operation {
        self.signed(key, sequence, Kind::Edit)
    }

    /// An operation that opens a log anew.
    fn opening(&self, key: &AuthorKey, sequence: u64) -> Operation {
        self.signed(key, sequence, Kind::Compaction)
    }

    fn signed(&self, key: &AuthorKey, sequence: u64, kind: Kind) -> Operation {
        let new = NewHeader {
            topic: self.keys.topic(),
            sequence,
            backlink: (sequence > 0).then_some(OperationId::from_bytes([0; 32])),
            time_us: 0,
            kind,
            incarnation: 0,
            write_proof: None,
        };
        Operation::sign(key, new, vec![0; 8])
    }

    fn log(&self, key: &AuthorKey, length: u64) -> BTreeMap<(AuthorId, u64), Operation> {
        (0..length)
            .map(|sequence| ((key.id(), sequence), self.operation(key, sequence)))
            .collect()
    }

    fn pair(
        &self,
        at_alice: BTreeMap<(AuthorId, u64), Operation>,
        at_bob: BTreeMap<(AuthorId, u64), Operation>,
    ) -> (Side, Side) {
        let (alice, bob) = (self.alice_key.id(), self.bob_key.id());
        let opener = Session::open(
            self.keys.clone(),
            alice,
            bob,
            [0; 16],
            [1; 32],
            Side::heights(&at_alice),
        );
        let responder = Session::answer(
            self.keys.clone(),
            bob,
            alice,
            [1; 32],
            [2; 32],
            Side::heights(&at_bob),
        );
        let mut opener = Side {
            session: opener,
            now: Duration::ZERO,
            operations: at_alice,
            operations_received: 0,
            answers: Vec::new(),
        };
        let responder = Side {
            session: responder,
            now: Duration::ZERO,
            operations: at_bob,
            operations_received: 0,
            answers: Vec::new(),
        };
        assert!(matches!(
            opener.session.next_frame(),
            Some(Frame::Open { .. })
        ));
        (opener, responder)
    }
}

fn talk(alice: &mut Side, bob: &mut Side) {
    for _ in 0..20 {
        let said = bob.speak();
        let answered = alice.speak();
        if said.is_empty() && answered.is_empty() {
            return;
        }
        alice.listen(said).unwrap();
        bob.listen(answered).unwrap();
    }
    panic!("the sessions do not come to rest");
}

fn assert_equal(alice: &Side, bob: &Side) {
    assert_eq!(
        alice.operations.keys().collect::<Vec<_>>(),
        bob.operations.keys().collect::<Vec<_>>()
    );
    assert!(alice.session.is_exchanged() && bob.session.is_exchanged());
    assert!(alice.session.is_in_step() && bob.session.is_in_step());
}

#[test]
fn both_sides_get_what_they_lack_and_nothing_twice() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(
        world.log(&world.alice_key, 700),
        world.log(&world.bob_key, 3),
    );
    talk(&mut alice, &mut bob);
    assert_equal(&alice, &bob);
    assert_eq!(
        (alice.operations_received, bob.operations_received),
        (3, 700)
    );
}

#[test]
fn what_several_have_written_is_read_at_once() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(BTreeMap::new(), BTreeMap::new());
    talk(&mut alice, &mut bob);
    let others: Vec<AuthorKey> = (0..5).map(|_| AuthorKey::generate()).collect();
    for key in &others {
        alice.store(world.operation(key, 0));
        alice.store(world.operation(key, 1));
    }
    let requests = alice.session.next_requests();
    assert_eq!(requests.len(), others.len());
    assert!(requests.iter().all(|request| request.count == 2));
    talk(&mut alice, &mut bob);
    assert_equal(&alice, &bob);
    // What does not fit into one look waits for the next.
    for (key, sequence) in others
        .iter()
        .flat_map(|key| (2..102).map(move |at| (key, at)))
    {
        alice.store(world.operation(key, sequence));
    }
    let requests = alice.session.next_requests();
    assert_eq!(
        requests.iter().map(|request| request.count).sum::<u64>(),
        256
    );
    talk(&mut alice, &mut bob);
    assert_equal(&alice, &bob);
}

#[test]
fn a_peer_is_told_of_what_it_sent_only_when_the_disk_has_it() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(world.log(&world.alice_key, 1), BTreeMap::new());
    talk(&mut alice, &mut bob);
    assert_equal(&alice, &bob);

    alice.store(world.operation(&world.alice_key, 1));
    let said = alice.speak();
    let durable = Side::heights(&bob.operations);
    bob.listen(said).unwrap();
    let committed = Side::heights(&bob.operations);
    // Committed, and the disk has not been waited for.
    bob.session.committed(Arc::clone(&committed), durable);
    assert_eq!(bob.speak(), []);
    assert!(!alice.session.is_in_step() && !bob.session.is_in_step());
    assert_eq!(alice.session.confirmed(&world.alice_key.id()), 1);

    bob.session.committed(Arc::clone(&committed), committed);
    let said = bob.speak();
    assert!(matches!(said[..], [Frame::Heads { .. }]));
    alice.listen(said).unwrap();
    assert_equal(&alice, &bob);
}

#[test]
fn equal_sides_finish_with_digests_alone() {
    let world = World::new();
    let log = world.log(&world.alice_key, 5);
    let (mut alice, mut bob) = world.pair(log.clone(), log);
    let challenge = bob.speak();
    alice.listen(challenge).unwrap();
    let said = alice.speak();
    assert!(matches!(
        said[..],
        [Frame::Proof { .. }, Frame::Digest { .. }]
    ));
    bob.listen(said).unwrap();
    let said = bob.speak();
    assert!(matches!(said[..], [Frame::Digest { .. }, Frame::Done]));
    alice.listen(said).unwrap();
    talk(&mut alice, &mut bob);
    assert_equal(&alice, &bob);
}

#[test]
fn two_empty_documents_are_equal() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(BTreeMap::new(), BTreeMap::new());
    talk(&mut alice, &mut bob);
    assert_equal(&alice, &bob);
}

#[test]
fn later_operations_are_pushed_and_confirmed() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(BTreeMap::new(), BTreeMap::new());
    talk(&mut alice, &mut bob);
    alice.store(world.operation(&world.alice_key, 0));
    assert!(!alice.session.is_in_step());
    let pushed = alice.speak();
    assert!(matches!(pushed[..], [Frame::Operation { .. }]));
    bob.listen(pushed).unwrap();
    let confirmed = bob.speak();
    assert!(matches!(confirmed[..], [Frame::Heads { .. }]));
    alice.listen(confirmed).unwrap();
    assert_equal(&alice, &bob);
}

#[test]
fn what_both_get_from_its_author_neither_sends_to_the_other() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(BTreeMap::new(), BTreeMap::new());
    talk(&mut alice, &mut bob);
    let author = AuthorKey::generate();
    // Alice is always a little faster, and Bob has it by then.
    for sequence in 0..5 {
        alice.store(world.operation(&author, sequence));
        let said = alice.speak();
        bob.store(world.operation(&author, sequence));
        bob.listen(said).unwrap();
        talk(&mut alice, &mut bob);
        assert_equal(&alice, &bob);
    }
    assert_eq!(bob.operations_received, 1, "he asked her not to");
    assert_eq!(alice.operations_received, 0);

    // Alice alone still gets it: she waits for Bob to do so, and then sends it at once each time.
    alice.store(world.operation(&author, 5));
    talk(&mut alice, &mut bob);
    assert_eq!(bob.operations_received, 1);
    assert!(!alice.session.is_in_step());
    while bob.operations_received == 1 {
        alice.now = alice
            .session
            .next_look()
            .expect("it is looked at once more");
        talk(&mut alice, &mut bob);
    }
    assert_equal(&alice, &bob);
    alice.store(world.operation(&author, 6));
    talk(&mut alice, &mut bob);
    assert_equal(&alice, &bob);
    assert_eq!((alice.operations_received, bob.operations_received), (0, 3));
}

#[test]
fn heads_of_others_are_told_now_and_then_and_the_peers_own_at_once() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(BTreeMap::new(), BTreeMap::new());
    talk(&mut alice, &mut bob);
    let author = AuthorKey::generate();
    let now = alice.now;
    let mut heads = 0;
    for sequence in 0..10 {
        alice.store(world.operation(&author, sequence));
        alice.now = now;
        bob.store(world.operation(&author, sequence));
        let said = bob.speak();
        alice.listen(said).unwrap();
        heads += alice
            .speak()
            .iter()
            .filter(|frame| matches!(frame, Frame::Heads { .. }))
            .count();
    }
    assert!(heads <= 1, "{heads}");
    bob.store(world.operation(&world.bob_key, 0));
    let said = bob.speak();
    alice.listen(said).unwrap();
    alice.now = now;
    let said = alice.speak();
    assert!(matches!(&said[..], [Frame::Heads { heads, .. }] if heads[0].0 == world.bob_key.id()));
    bob.listen(said).unwrap();
    talk(&mut alice, &mut bob);
    alice.now = alice.session.next_look().unwrap();
    talk(&mut alice, &mut bob);
    assert_equal(&alice, &bob);
}

#[test]
fn without_the_sync_key_nothing_is_told() {
    let world = World::new();
    let (mut alice, _) = world.pair(world.log(&world.alice_key, 3), BTreeMap::new());
    let refused = alice.session.receive(Frame::Challenge {
        nonce: [2; 32],
        proof: [0; 32],
    });
    assert_eq!(refused, Err(SessionError::BadProof));
    assert!(alice.session.next_frame().is_none());
    let (_, mut bob) = world.pair(BTreeMap::new(), world.log(&world.bob_key, 3));
    assert!(matches!(
        bob.session.next_frame(),
        Some(Frame::Challenge { .. })
    ));
    assert_eq!(
        bob.session.receive(Frame::Proof { proof: [0; 32] }),
        Err(SessionError::BadProof)
    );
    assert!(bob.session.next_frame().is_none());
}

#[test]
fn a_frame_in_a_wrong_state_ends_the_session() {
    let world = World::new();
    let frames = [
        Frame::Hello {
            salt: [0; 16],
            boot: [0; 16],
        },
        Frame::Offer { tokens: vec![] },
        Frame::Match { tokens: vec![] },
        Frame::Open {
            token: [0; 16],
            nonce: [0; 32],
        },
        Frame::Proof { proof: [0; 32] },
        Frame::Digest { digest: [0; 32] },
        Frame::Heads {
            heads: vec![],
            last: true,
        },
        Frame::Operation {
            header: vec![],
            body: vec![],
        },
        Frame::Done,
        Frame::Declined { logs: vec![] },
        Frame::Fork {
            one: vec![],
            other: vec![],
        },
        Frame::Fetch {
            author: AuthorId::from_bytes([1; 32]),
            from: 0,
            whole: true,
        },
        Frame::Branch {
            last: true,
            header: vec![],
            body: vec![],
        },
    ];
    for frame in frames {
        let (mut alice, _) = world.pair(BTreeMap::new(), BTreeMap::new());
        assert_eq!(alice.session.receive(frame), Err(SessionError::Unexpected));
    }
}

#[test]
fn what_was_refused_is_not_sent_until_the_log_opens_anew_above_it() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(
        world.log(&world.alice_key, 5),
        world.log(&world.alice_key, 2),
    );
    bob.session.decline(world.alice_key.id(), 2);
    talk(&mut alice, &mut bob);
    assert_eq!(bob.operations_received, 0);
    assert!(alice.session.is_exchanged() && bob.session.is_exchanged());
    assert!(
        alice.session.is_in_step(),
        "what Bob refuses he will never have"
    );
    alice.operations.clear();
    let opening = world.operation(&world.alice_key, 6);
    let head = Head {
        next: 7,
        id: opening.id(),
        base: 6,
    };
    alice.operations.insert((world.alice_key.id(), 6), opening);
    let ours = [(world.alice_key.id(), head)].into_iter().collect();
    let ours = Arc::new(ours);
    alice.session.committed(Arc::clone(&ours), ours);
    talk(&mut alice, &mut bob);
    assert_eq!(bob.operations_received, 1);
    assert!(alice.session.is_in_step());
}

#[test]
fn a_peer_that_refuses_more_logs_than_there_may_be_is_cut_off() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(BTreeMap::new(), BTreeMap::new());
    talk(&mut alice, &mut bob);
    let refused = (0..=AUTHORS_MAX).map(|number| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        (AuthorId::from_bytes(id), 0)
    });
    let logs = refused.collect();
    assert_eq!(
        alice.session.receive(Frame::Declined { logs }),
        Err(SessionError::TooManyAuthors)
    );
}

#[test]
fn a_log_that_is_asked_for_comes_whole_and_a_header_alone() {
    let world = World::new();
    let log = world.log(&world.alice_key, 600);
    let (mut alice, mut bob) = world.pair(log.clone(), log);
    talk(&mut alice, &mut bob);
    bob.session.ask(world.alice_key.id(), 0, true);
    bob.session.ask(world.alice_key.id(), 7, false);
    bob.session.ask(world.bob_key.id(), 0, true);
    talk(&mut alice, &mut bob);
    assert_eq!(bob.answers.len(), 601);
    let asked = &alice.operations[&(world.alice_key.id(), 7)];
    assert_eq!(bob.answers[600], asked.header_bytes());
    assert_equal(&alice, &bob);
}

#[test]
fn an_answer_nobody_asked_for_and_endless_questions_end_the_session() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(BTreeMap::new(), BTreeMap::new());
    talk(&mut alice, &mut bob);
    let answer = Frame::Branch {
        last: false,
        header: vec![],
        body: vec![],
    };
    assert_eq!(alice.session.receive(answer), Err(SessionError::Unexpected));
    let question = Frame::Fetch {
        author: world.bob_key.id(),
        from: 0,
        whole: true,
    };
    let refused = (0..=FETCHES_MAX)
        .map(|_| bob.session.receive(question.clone()))
        .find_map(Result::err);
    assert_eq!(refused, Some(SessionError::TooManyQuestions));
}

#[test]
fn a_log_that_was_replaced_by_another_of_the_same_height_is_told_again() {
    let world = World::new();
    let log = world.log(&world.alice_key, 5);
    let (mut alice, mut bob) = world.pair(log.clone(), log);
    talk(&mut alice, &mut bob);
    let replaced = |side: &mut Side| {
        let head = Head {
            next: 5,
            id: OperationId::from_bytes([9; 32]),
            base: 4,
        };
        let ours: Heights = [(world.alice_key.id(), head)].into_iter().collect();
        let ours = Arc::new(ours);
        side.session.committed(Arc::clone(&ours), ours);
    };
    replaced(&mut alice);
    talk(&mut alice, &mut bob);
    assert!(!alice.session.is_in_step() && !bob.session.is_in_step());
    replaced(&mut bob);
    talk(&mut alice, &mut bob);
    assert!(alice.session.is_in_step() && bob.session.is_in_step());
}

#[test]
fn what_follows_an_opening_is_taken_before_that_is_stored() {
    let world = World::new();
    let (mut alice, mut bob) = world.pair(BTreeMap::new(), BTreeMap::new());
    talk(&mut alice, &mut bob);
    let author = world.alice_key.id();
    let opens = world.opening(&world.alice_key, 5);
    let [early, before, after] =
        [3, 4, 6].map(|sequence| world.operation(&world.alice_key, sequence));
    bob.session.give_up(author, Some(3));
    assert!(!bob.session.is_of_use(&before) && !bob.session.is_of_use(&after));
    assert!(bob.session.is_of_use(&opens));
    bob.session.heard(&opens).unwrap();
    assert!(bob.session.is_of_use(&after) && !bob.session.is_of_use(&before));
    // What is heard late of an earlier place changes nothing about it.
    bob.session.give_up(author, Some(early.header().sequence));
    assert!(bob.session.is_of_use(&after));
    // But the opening itself may be refused, or there may be no room for anything.
    for place in [Some(5), None] {
        bob.session.heard(&opens).unwrap();
        bob.session.give_up(author, place);
        assert!(!bob.session.is_of_use(&after));
    }
    bob.session.recover(&author);
    assert!(bob.session.is_of_use(&after));
}
