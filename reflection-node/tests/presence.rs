// SPDX-License-Identifier: GPL-3.0-or-later
//! People who meet in a document: nodes on the loopback interface, and what each is told.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::Duration;

use reflection_node::access::{Access, TopicId};
use reflection_node::identity::{AuthorId, AuthorKey};
use reflection_node::operation::Kind;
use reflection_node::store::DataFolder;
use reflection_node::testing::Indifferent;
use reflection_node::{Event, Events, Mode, NetworkConfig, Node, PRESENCE_BYTES_MAX, Person};

/// What takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(15);

struct Peer {
    node: Node,
    events: Events,
    folder: std::sync::Arc<tempfile::TempDir>,
    key: AuthorKey,
}

impl Drop for Peer {
    /// A node that a story leaves running ends with the test's process: its runtime cannot be
    /// dropped by a task.
    fn drop(&mut self) {
        std::mem::forget(self.node.clone());
    }
}

impl Peer {
    async fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap().into(), AuthorKey::generate()).await
    }

    async fn at(folder: std::sync::Arc<tempfile::TempDir>, key: AuthorKey) -> Self {
        let network = NetworkConfig {
            mode: Some(Mode::Local),
            bind: vec!["127.0.0.1:0".parse().unwrap()],
            mdns: false,
            ..NetworkConfig::default()
        };
        let data = DataFolder::open(folder.path()).unwrap();
        let node = Node::start(data, key.clone(), network, Box::new(Indifferent))
            .await
            .unwrap();
        Self {
            events: node.events(),
            node,
            folder,
            key,
        }
    }

    fn id(&self) -> AuthorId {
        self.node.id()
    }

    async fn restart(self) -> Self {
        self.node.shutdown(Duration::from_secs(1)).await;
        Self::at(self.folder.clone(), self.key.clone()).await
    }

    /// Joins the document of somebody who is reachable.
    async fn join(&self, other: &Self, topic: &TopicId, access: Access) {
        let code = other.node.code(topic, access, true).await.unwrap();
        self.node.join(&code).await.unwrap();
    }

    /// Waits for an event.
    async fn hears(&mut self, what: impl Fn(&Event) -> bool) {
        let heard = async {
            while let Some(event) = self.events.next().await {
                if what(&event) {
                    return;
                }
            }
            panic!("the node has ended");
        };
        tokio::time::timeout(PATIENCE, heard)
            .await
            .expect("an event in time");
    }

    async fn person(&self, topic: &TopicId, who: AuthorId) -> Option<Person> {
        let people = self.node.people(topic).await.unwrap();
        people.into_iter().find(|person| person.author == who)
    }

    /// Waits until somebody is as wanted; looks again at each event.
    async fn sees(&mut self, topic: &TopicId, who: AuthorId, is: impl Fn(&Person) -> bool) {
        let seen = async {
            loop {
                if self
                    .person(topic, who)
                    .await
                    .is_some_and(|person| is(&person))
                {
                    return;
                }
                self.events.next().await.expect("the node runs");
            }
        };
        tokio::time::timeout(PATIENCE, seen)
            .await
            .expect("to see somebody in time");
    }

    async fn writes(&self, topic: &TopicId) {
        let incarnation = self.node.incarnation(topic).unwrap();
        self.node
            .publish(topic, Kind::Edit, incarnation, b"x".to_vec())
            .await
            .unwrap();
    }
}

/// Two people with a document that both have.
async fn pair() -> (Peer, Peer, TopicId) {
    let (alice, bob) = (Peer::new().await, Peer::new().await);
    let topic = alice.node.create().await.unwrap();
    bob.join(&alice, &topic, Access::Write).await;
    (alice, bob, topic)
}

#[tokio::test]
async fn people_appear_speak_and_leave() {
    let (mut alice, mut bob, topic) = pair().await;
    let hers = alice.node.enter(&topic).await.unwrap();
    let his = bob.node.enter(&topic).await.unwrap();
    let (alice_id, bob_id) = (alice.id(), bob.id());
    alice
        .hears(|event| matches!(event, Event::AuthorOnline { author, .. } if *author == bob_id))
        .await;
    alice.sees(&topic, bob_id, |person| person.is_here).await;
    bob.sees(&topic, alice_id, |person| person.is_here).await;
    hers.say(b"caret at 7".to_vec()).unwrap();
    bob.sees(&topic, alice_id, |person| person.said == b"caret at 7")
        .await;
    his.leave();
    alice
        .sees(&topic, bob_id, |person| {
            !person.is_here && person.is_reachable
        })
        .await;
    let person = alice.person(&topic, bob_id).await.unwrap();
    assert!(person.said.is_empty(), "who is gone has no cursor");
    assert!(person.last_seen_us.is_some());
}

#[tokio::test]
async fn who_ends_the_program_is_offline_at_once() {
    let (mut alice, bob, topic) = pair().await;
    let _hers = alice.node.enter(&topic).await.unwrap();
    let _his = bob.node.enter(&topic).await.unwrap();
    let bob_id = bob.id();
    alice.sees(&topic, bob_id, |person| person.is_here).await;
    bob.node.shutdown(Duration::from_secs(1)).await;
    alice
        .hears(|event| matches!(event, Event::AuthorOffline { author, .. } if *author == bob_id))
        .await;
    let person = alice.person(&topic, bob_id).await.unwrap();
    assert!(!person.is_online());
}

#[tokio::test]
async fn when_somebody_was_seen_survives_a_restart() {
    let (mut alice, bob, topic) = pair().await;
    let hers = alice.node.enter(&topic).await.unwrap();
    let _his = bob.node.enter(&topic).await.unwrap();
    let bob_id = bob.id();
    alice.sees(&topic, bob_id, |person| person.is_here).await;
    bob.node.shutdown(Duration::from_secs(1)).await;
    alice.sees(&topic, bob_id, |person| !person.is_here).await;
    let before = alice.person(&topic, bob_id).await.unwrap().last_seen_us;
    drop(hers);
    let alice = alice.restart().await;
    let after = alice.person(&topic, bob_id).await.unwrap();
    assert!(!after.is_online());
    assert!(after.last_seen_us >= before, "{after:?}");
}

#[tokio::test]
async fn of_people_never_met_it_is_told_when_they_were_seen() {
    let (mut alice, mut bob, topic) = pair().await;
    let (alice_id, bob_id) = (alice.id(), bob.id());
    bob.writes(&topic).await;
    alice
        .hears(|event| matches!(event, Event::DocumentChanged { .. }))
        .await;
    let hers = alice.node.enter(&topic).await.unwrap();
    let his = bob.node.enter(&topic).await.unwrap();
    alice.sees(&topic, bob_id, |person| person.is_here).await;
    bob.sees(&topic, alice_id, |person| person.is_here).await;
    drop(his);
    bob.node.shutdown(Duration::from_secs(1)).await;
    alice
        .sees(&topic, bob_id, |person| !person.is_online())
        .await;
    // Carol comes when Bob is gone.
    let mut carol = Peer::new().await;
    carol.join(&alice, &topic, Access::Read).await;
    let _carols = carol.node.enter(&topic).await.unwrap();
    carol
        .sees(&topic, bob_id, |person| {
            !person.is_online() && person.last_seen_us.is_some()
        })
        .await;
    drop(hers);
}

#[tokio::test]
async fn who_says_nothing_is_seen_by_their_device() {
    let (mut alice, bob, topic) = pair().await;
    let bob_id = bob.id();
    let hers = alice.node.enter(&topic).await.unwrap();
    // Bob writes without having the document open, as a program does that runs in the background.
    bob.writes(&topic).await;
    alice
        .hears(|event| matches!(event, Event::DocumentChanged { .. }))
        .await;
    bob.node.shutdown(Duration::from_secs(1)).await;
    alice
        .sees(&topic, bob_id, |person| !person.is_online())
        .await;
    let mut carol = Peer::new().await;
    carol.join(&alice, &topic, Access::Read).await;
    let _carols = carol.node.enter(&topic).await.unwrap();
    carol
        .sees(&topic, bob_id, |person| person.last_seen_us.is_some())
        .await;
    drop(hers);
}

#[tokio::test]
async fn who_looks_at_something_else_and_comes_back_is_seen_again() {
    let (mut alice, mut bob, topic) = pair().await;
    let (alice_id, bob_id) = (alice.id(), bob.id());
    let other = alice.node.create().await.unwrap();
    bob.join(&alice, &other, Access::Write).await;
    let _his = bob.node.enter(&topic).await.unwrap();
    for _ in 0..3 {
        let hers = alice.node.enter(&topic).await.unwrap();
        alice.sees(&topic, bob_id, |person| person.is_here).await;
        bob.sees(&topic, alice_id, |person| person.is_here).await;
        hers.say(b"caret at 7".to_vec()).unwrap();
        bob.sees(&topic, alice_id, |person| person.said == b"caret at 7")
            .await;
        let elsewhere = alice.node.enter(&other).await.unwrap();
        hers.leave();
        bob.sees(&topic, alice_id, |person| !person.is_here).await;
        elsewhere.leave();
        alice
            .hears(|event| matches!(event, Event::NeighborDown { peer, .. } if *peer == bob_id))
            .await;
    }
}

#[tokio::test]
async fn two_people_meet_again_after_each_outage() {
    let (mut alice, mut bob, topic) = pair().await;
    let _hers = alice.node.enter(&topic).await.unwrap();
    let his = bob.node.enter(&topic).await.unwrap();
    let (alice_id, bob_id) = (alice.id(), bob.id());
    for round in 0..3_u8 {
        alice.sees(&topic, bob_id, |person| person.is_here).await;
        bob.sees(&topic, alice_id, |person| person.is_here).await;
        his.say(vec![round]).unwrap();
        alice
            .sees(&topic, bob_id, |person| person.said == [round])
            .await;
        bob.node.set_mode(Mode::Offline).await.unwrap();
        alice
            .sees(&topic, bob_id, |person| !person.is_online())
            .await;
        assert!(!bob.person(&topic, alice_id).await.unwrap().is_online());
        bob.node.set_mode(Mode::Local).await.unwrap();
    }
}

#[tokio::test]
async fn four_people_hear_each_other_through_one() {
    let mut hub = Peer::new().await;
    let topic = hub.node.create().await.unwrap();
    let _hubs = hub.node.enter(&topic).await.unwrap();
    let mut others = Vec::new();
    for number in 0..3_u8 {
        let peer = Peer::new().await;
        peer.join(&hub, &topic, Access::Write).await;
        let presence = peer.node.enter(&topic).await.unwrap();
        presence.say(vec![number]).unwrap();
        others.push((peer, presence));
    }
    let ids: Vec<AuthorId> = others.iter().map(|(peer, _)| peer.id()).collect();
    for (number, id) in ids.iter().enumerate() {
        let said = u8::try_from(number).unwrap();
        hub.sees(&topic, *id, |person| person.said == [said]).await;
        for (peer, _) in others.iter_mut().filter(|(peer, _)| peer.id() != *id) {
            peer.sees(&topic, *id, |person| person.said == [said]).await;
        }
    }
}

#[tokio::test]
async fn too_much_is_refused_and_presence_goes_on() {
    let (mut alice, mut bob, topic) = pair().await;
    let hers = alice.node.enter(&topic).await.unwrap();
    let _his = bob.node.enter(&topic).await.unwrap();
    let (alice_id, bob_id) = (alice.id(), bob.id());
    alice.sees(&topic, bob_id, |person| person.is_here).await;
    assert!(hers.say(vec![0; PRESENCE_BYTES_MAX + 1]).is_err());
    hers.say(vec![1; PRESENCE_BYTES_MAX]).unwrap();
    bob.sees(&topic, alice_id, |person| {
        person.said == [1; PRESENCE_BYTES_MAX]
    })
    .await;
    hers.say(vec![2]).unwrap();
    bob.sees(&topic, alice_id, |person| person.said == [2])
        .await;
    assert_eq!(bob.node.presence_refused(&topic), 0);
}

#[tokio::test]
async fn who_follows_sees_without_being_shown() {
    let (mut alice, mut bob, topic) = pair().await;
    let _hers = alice.node.enter(&topic).await.unwrap();
    let _his = bob.node.follow(&topic).await.unwrap();
    let (alice_id, bob_id) = (alice.id(), bob.id());
    bob.sees(&topic, alice_id, |person| person.is_here).await;
    let person = alice.person(&topic, bob_id).await.unwrap();
    assert!(!person.is_here && person.is_reachable);
    alice
        .hears(|event| matches!(event, Event::NeighborUp { peer, .. } if *peer == bob_id))
        .await;
}

#[tokio::test]
async fn a_document_that_is_only_kept_is_not_entered() {
    let alice = Peer::new().await;
    let topic = alice.node.create().await.unwrap();
    let replica = Peer::new().await;
    replica.join(&alice, &topic, Access::Replica).await;
    assert!(replica.node.enter(&topic).await.is_err());
}

#[tokio::test]
async fn deleting_a_document_ends_presence_in_it() {
    let (mut alice, mut bob, topic) = pair().await;
    let _hers = alice.node.enter(&topic).await.unwrap();
    let his = bob.node.enter(&topic).await.unwrap();
    let (alice_id, bob_id) = (alice.id(), bob.id());
    bob.sees(&topic, alice_id, |person| person.is_here).await;
    bob.node.delete(&topic).await.unwrap();
    his.say(vec![1]).unwrap();
    drop(his);
    alice
        .sees(&topic, bob_id, |person| !person.is_reachable)
        .await;
    assert!(bob.node.people(&topic).await.is_err());
}
