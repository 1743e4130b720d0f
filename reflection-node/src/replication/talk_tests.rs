// SPDX-License-Identifier: GPL-3.0-or-later
//! Talks between somebody who assigns documents and a replica, in schedules that a seed rules.
//!
//! Both sides are the real machines with the real tables; talks are cut with frames under way, what
//! was noted without waiting for the disk is lost in a crash, and the replica goes back to what it
//! kept before. In the end it keeps exactly what it was assigned, and both know it.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, VecDeque};

use rusqlite::Connection;

use super::assigner::{Assigner, Heard, Task, digest};
use super::assignments::{self, AssignmentState};
use super::frame::{Frame, TOPICS_PER_FRAME_MAX};
use super::host::{Host, Wanted};
use super::proof::Ends;
use super::{Ticket, hosting};
use crate::access::{DocumentKeys, DocumentSecret, Hint, TopicId};
use crate::identity::{AuthorId, AuthorKey};
use crate::pipeline::{Processor, WaitingRoom};
use crate::store::{documents, prepare};
use crate::sync::proof::Salts;
use crate::testing::{Indifferent, Random};

const SCHEDULES: u64 = 300;
const STEPS: usize = 200;
const DOCUMENTS: usize = 6;
/// Steps after which a talk that is left alone has to have come to rest.
const CALM_STEPS_MAX: usize = 10_000;

/// A talk that is going on, with the frames under way to each side.
struct Talk {
    assigner: Assigner,
    host: Host,
    grant: Option<i64>,
    to_replica: VecDeque<Frame>,
    to_assigner: VecDeque<Frame>,
}

/// An assigner and a replica.
struct Scene {
    random: Random,
    ours: Connection,
    theirs: Connection,
    processor: Processor,
    assigner: AuthorId,
    ticket: Ticket,
    documents: Vec<DocumentKeys>,
    /// What was assigned and not withdrawn since.
    wanted: BTreeSet<TopicId>,
    talk: Option<Talk>,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let [ours, theirs] = [(), ()].map(|()| {
            let connection = Connection::open_in_memory().unwrap();
            prepare(&connection).unwrap();
            connection
        });
        let replica = AuthorKey::from_bytes(&random.array());
        let grant = hosting::grant(&theirs, 1).unwrap();
        let hint = Hint {
            endpoint: replica.id(),
            addresses: Vec::new(),
            relay: None,
        };
        let secrets = (0..DOCUMENTS).map(|_| DocumentSecret::from_bytes(random.array()));
        let documents: Vec<_> = secrets.map(DocumentKeys::for_writing).collect();
        for keys in &documents {
            documents::add(&ours, keys, false, 1).unwrap();
        }
        let ticket = Ticket::new(grant.secret, hint);
        Self {
            assigner: AuthorKey::from_bytes(&random.array()).id(),
            random,
            ours,
            theirs,
            processor: Processor {
                key: replica,
                application: Box::new(Indifferent),
                early: WaitingRoom::default(),
            },
            ticket,
            documents,
            wanted: BTreeSet::new(),
            talk: None,
        }
    }

    fn replica(&self) -> AuthorId {
        self.ticket.replica()
    }

    fn someone_decides(&mut self) {
        let replica = self.replica();
        let topic = self.documents[self.random.below(DOCUMENTS)].topic();
        if self.random.percent(60) {
            assignments::add_replica(&self.ours, &self.ticket, "").unwrap();
            assignments::assign(&self.ours, &replica, &topic).unwrap();
            self.wanted.insert(topic);
        } else {
            assignments::withdraw(&self.ours, &replica, Some(&[topic])).unwrap();
            self.wanted.remove(&topic);
        }
    }

    /// The replica goes back to how it was before it took a document.
    fn replica_forgets_something(&mut self) {
        let topic = self.documents[self.random.below(DOCUMENTS)].topic();
        hosting::drop_held(&self.theirs, &mut self.processor, &self.assigner, &topic).unwrap();
        self.talk = None;
    }

    /// What the two are to say to each other goes on by one step. `false` where there is nothing.
    fn talks(&mut self) -> bool {
        let Some(talk) = &mut self.talk else {
            return self.begins();
        };
        let (replica, assigner) = (self.ticket.replica(), self.assigner);
        let mut due = Vec::new();
        if talk.assigner.has_room() {
            due = assignments::due(&self.ours, &replica, 4).unwrap();
            due.retain(|due| !talk.assigner.is_in_flight(&due.topic()));
        }
        let can = [
            !talk.to_replica.is_empty(),
            !talk.to_assigner.is_empty(),
            !due.is_empty(),
        ];
        let can: Vec<usize> = (0..can.len()).filter(|branch| can[*branch]).collect();
        if can.is_empty() {
            return false;
        }
        match can[self.random.below(can.len())] {
            0 => {
                let frame = talk.to_replica.pop_front().unwrap();
                self.replica_hears(frame, assigner);
            }
            1 => {
                let frame = talk.to_assigner.pop_front().unwrap();
                self.assigner_hears(frame);
            }
            _ => {
                let next: Task = due.swap_remove(0);
                let frame = talk.assigner.tell(next);
                talk.to_replica.push_back(over_the_wire(&frame));
            }
        }
        true
    }

    fn begins(&mut self) -> bool {
        let replica = self.replica();
        let Some(secret) = assignments::secret(&self.ours, &replica).unwrap() else {
            return false;
        };
        let ends = Ends {
            assigner: self.assigner,
            replica,
            salts: Salts {
                dialer: self.random.array(),
                listener: self.random.array(),
            },
        };
        let believed = assignments::taken(&self.ours, &replica).unwrap();
        let (assigner, first) = Assigner::begin(secret, ends, believed);
        self.talk = Some(Talk {
            assigner,
            host: Host::new(ends, hosting::grants(&self.theirs).unwrap()),
            grant: None,
            to_replica: VecDeque::from([over_the_wire(&first)]),
            to_assigner: VecDeque::new(),
        });
        true
    }

    fn replica_hears(&mut self, frame: Frame, assigner: AuthorId) {
        let Some(talk) = &mut self.talk else { return };
        let (theirs, processor) = (&self.theirs, &mut self.processor);
        let answers = match talk.host.receive(frame).unwrap() {
            Wanted::Welcome(grant) => {
                talk.grant = Some(grant);
                let held = hosting::held(theirs, grant, &assigner).unwrap();
                vec![talk.host.welcome(digest(&held)).unwrap()]
            }
            Wanted::List => {
                let held = hosting::held(theirs, talk.grant.unwrap(), &assigner).unwrap();
                assert!(held.len() <= TOPICS_PER_FRAME_MAX);
                let topics = held.into_iter().collect();
                vec![Frame::Held { topics, last: true }]
            }
            Wanted::Assign(keys) => {
                let (grant, topic) = (talk.grant.unwrap(), keys.topic());
                hosting::host(theirs, processor, grant, &assigner, &keys, 1).unwrap();
                vec![Frame::Taken { topic }]
            }
            Wanted::Withdraw(topic) => {
                hosting::drop_held(theirs, processor, &assigner, &topic).unwrap();
                vec![Frame::Dropped { topic }]
            }
        };
        talk.to_assigner.extend(answers.iter().map(over_the_wire));
    }

    fn assigner_hears(&mut self, frame: Frame) {
        let replica = self.replica();
        let Some(talk) = &mut self.talk else { return };
        let (heard, answer) = talk.assigner.receive(frame).unwrap();
        talk.to_replica.extend(answer.as_ref().map(over_the_wire));
        let is_over = assignments::heard(&self.ours, &replica, &heard, 2).unwrap();
        if is_over {
            self.talk = None;
        }
    }

    /// The assigner dies between hearing something and having it on its disk, if it is something
    /// that it does not wait for the disk with.
    fn assigner_crashes(&mut self) {
        if let Some(talk) = &mut self.talk
            && let Some(frame) = talk.to_assigner.pop_front()
        {
            let (heard, _) = talk.assigner.receive(frame).unwrap();
            if let Heard::Dropped(_) = heard {
                assignments::heard(&self.ours, &self.ticket.replica(), &heard, 2).unwrap();
            }
        }
        self.talk = None;
    }

    /// Everything is mended, and they are left alone.
    fn comes_to_rest(&mut self) {
        self.talk = None;
        for _ in 0..CALM_STEPS_MAX {
            if !self.talks() {
                return;
            }
        }
        panic!("the talk does not come to rest");
    }

    fn keeps(&self) -> BTreeSet<TopicId> {
        let kept = documents::all(&self.theirs).unwrap();
        kept.iter().map(|document| document.keys.topic()).collect()
    }
}

/// A frame as it arrives.
fn over_the_wire(frame: &Frame) -> Frame {
    Frame::decode(&frame.encode()[4..]).unwrap()
}

#[test]
fn a_replica_keeps_exactly_what_it_was_assigned_whatever_fails() {
    for seed in 0..SCHEDULES {
        let mut scene = Scene::new(seed);
        for _ in 0..STEPS {
            match scene.random.below(20) {
                0..3 => scene.someone_decides(),
                3 => scene.talk = None,
                4 => scene.assigner_crashes(),
                5 if scene.random.percent(30) => scene.replica_forgets_something(),
                _ => {
                    scene.talks();
                }
            }
        }
        scene.comes_to_rest();
        assert_eq!(scene.keeps(), scene.wanted, "seed {seed}");
        let known = assignments::all(&scene.ours).unwrap();
        let assignments = known.iter().flat_map(|replica| &replica.assignments);
        let taken: BTreeSet<TopicId> = assignments
            .inspect(|one| assert_eq!(one.state, AssignmentState::Taken, "seed {seed}"))
            .map(|one| one.topic)
            .collect();
        assert_eq!(taken, scene.wanted, "seed {seed}");
    }
}
