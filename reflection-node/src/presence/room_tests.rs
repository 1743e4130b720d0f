// SPDX-License-Identifier: GPL-3.0-or-later
//! Stories of people who come, speak and go, on a clock that the tests turn.
#![allow(clippy::unwrap_used)]

use super::*;

const START_US: u64 = 1_700_000_000_000_000;

/// A clock.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
    passed: Duration,
}

impl Clock {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            passed: Duration::ZERO,
        }
    }

    fn now(&self) -> Now {
        Now {
            instant: self.start + self.passed,
            wall_us: START_US + u64::try_from(self.passed.as_micros()).unwrap(),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.passed += time;
    }
}

fn author(number: u16) -> AuthorId {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    AuthorId::from_bytes(bytes)
}

const ALICE: u16 = 1;
const BOB: u16 = 2;
const CAROL: u16 = 3;

fn entered(who: u16, clock: &Clock) -> Room {
    let mut room = Room::new(author(who), clock.now());
    room.enter(clock.now());
    room
}

/// All that a room says now reaches the other.
fn deliver(from: &mut Room, to: &mut Room, clock: &Clock) -> Vec<Change> {
    let mut changes = Vec::new();
    while let Some(message) = from.next(clock.now(), [0; 32]) {
        changes.extend(to.receive(message, clock.now(), |_| true).unwrap());
    }
    changes
}

fn body_of(room: &Room, who: u16) -> Option<Vec<u8>> {
    room.present()
        .find(|(author_, _)| *author_ == author(who))
        .map(|(_, body)| body.to_vec())
}

fn here(who: u16, time_us: u64) -> Message {
    Message {
        author: author(who),
        time_us,
        said: Said::Here {
            body: Vec::new(),
            digest: [0; 32],
            seen: Vec::new(),
        },
    }
}

#[test]
fn who_enters_is_seen_at_once_and_answered() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    assert!(
        bob.next(clock.now(), [0; 32]).is_some(),
        "nobody hears this"
    );
    clock.pass(Duration::from_secs(2));
    assert_eq!(
        deliver(&mut alice, &mut bob, &clock),
        [Change::Came(author(ALICE))]
    );
    assert_eq!(
        deliver(&mut bob, &mut alice, &clock),
        [Change::Came(author(BOB))]
    );
}

#[test]
fn who_leaves_is_gone_at_once() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    deliver(&mut alice, &mut bob, &clock);
    clock.pass(Duration::from_millis(10));
    alice.leave();
    assert_eq!(
        deliver(&mut alice, &mut bob, &clock),
        [Change::Went(author(ALICE))]
    );
    assert!(bob.seen().any(|(who, _)| who == author(ALICE)));
    assert!(alice.due().is_none(), "whoever left is silent");
}

#[test]
fn whose_network_ends_is_gone_without_a_word() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    deliver(&mut alice, &mut bob, &clock);
    assert!(!bob.lose(&author(CAROL)), "nobody else is touched");
    assert!(bob.is_here(&author(ALICE)));
    assert!(bob.lose(&author(ALICE)));
    assert!(!bob.is_here(&author(ALICE)));
    assert!(!bob.lose(&author(ALICE)), "she goes once");
    clock.pass(HEARTBEAT);
    assert_eq!(
        deliver(&mut alice, &mut bob, &clock),
        [Change::Came(author(ALICE))],
        "and may come again"
    );
}

#[test]
fn several_handles_are_one_presence() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    alice.enter(clock.now());
    deliver(&mut alice, &mut bob, &clock);
    clock.pass(Duration::from_secs(1));
    alice.leave();
    assert!(deliver(&mut alice, &mut bob, &clock).is_empty());
    alice.leave();
    assert_eq!(
        deliver(&mut alice, &mut bob, &clock),
        [Change::Went(author(ALICE))]
    );
}

#[test]
fn a_ghost_is_gone_within_thirty_seconds_and_nobody_earlier() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    deliver(&mut alice, &mut bob, &clock);
    // Alice's machine loses its power. Bob looks whenever his room asks him to.
    clock.pass(Duration::from_secs(19));
    assert!(bob.expire(clock.now()).is_empty());
    clock.pass(Duration::from_secs(1));
    assert!(bob.due().unwrap() <= clock.now().instant);
    assert_eq!(bob.expire(clock.now()), [Change::Went(author(ALICE))]);
    assert!(GONE_AFTER < Duration::from_secs(30));
}

#[test]
fn heartbeats_keep_a_silent_person_here() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    deliver(&mut alice, &mut bob, &clock);
    for _ in 0..600 {
        clock.pass(Duration::from_secs(1));
        deliver(&mut alice, &mut bob, &clock);
        assert!(bob.expire(clock.now()).is_empty());
    }
}

#[test]
fn of_many_cursors_the_last_arrives_and_few_are_sent() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    deliver(&mut alice, &mut bob, &clock);
    let mut sent = 0;
    for step in 0..1_000_u32 {
        clock.pass(Duration::from_millis(1));
        alice.say(step.to_be_bytes().to_vec(), clock.now()).unwrap();
        if let Some(message) = alice.next(clock.now(), [0; 32]) {
            sent += 1;
            bob.receive(message, clock.now(), |_| true).unwrap();
        }
    }
    assert!((15..=20).contains(&sent), "{sent} messages in a second");
    clock.pass(Duration::from_millis(100));
    deliver(&mut alice, &mut bob, &clock);
    assert_eq!(
        body_of(&bob, ALICE).unwrap(),
        999_u32.to_be_bytes().to_vec()
    );
}

#[test]
fn the_more_people_the_less_often_each_speaks() {
    let clock = Clock::new();
    let mut alice = entered(ALICE, &clock);
    alice.next(clock.now(), [0; 32]);
    for who in 10..110 {
        alice
            .receive(here(who, START_US + 1), clock.now(), |_| true)
            .unwrap();
    }
    alice.wish = None;
    alice.say(b"caret".to_vec(), clock.now()).unwrap();
    let wait = alice.due().unwrap() - clock.now().instant;
    assert!(wait >= Duration::from_millis(500), "{wait:?}");
}

#[test]
fn too_much_is_not_said() {
    let clock = Clock::new();
    let mut alice = entered(ALICE, &clock);
    let much = vec![0; PRESENCE_BYTES_MAX + 1];
    assert_eq!(
        alice.say(much, clock.now()),
        Err(TooMuchSaid(PRESENCE_BYTES_MAX + 1))
    );
}

#[test]
fn what_was_heard_before_is_not_heard_again() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    let first = alice.next(clock.now(), [0; 32]).unwrap();
    bob.receive(first.clone(), clock.now(), |_| true).unwrap();
    clock.pass(Duration::from_millis(1));
    alice.leave();
    deliver(&mut alice, &mut bob, &clock);
    let again = bob.receive(first, clock.now(), |_| true);
    assert_eq!(again, Err(Refusal::Replayed));
    assert!(!bob.is_here(&author(ALICE)));
}

#[test]
fn old_messages_and_those_from_the_future_are_refused() {
    let clock = Clock::new();
    let mut bob = entered(BOB, &clock);
    let yesterday = START_US - 86_400 * 1_000_000;
    assert_eq!(
        bob.receive(here(ALICE, yesterday), clock.now(), |_| true),
        Err(Refusal::Stale)
    );
    assert_eq!(
        bob.receive(
            here(ALICE, START_US + FUTURE_MAX_US + 1),
            clock.now(),
            |_| true
        ),
        Err(Refusal::Future)
    );
    // A clock that is some minutes wrong hides nobody.
    assert!(
        bob.receive(here(ALICE, START_US - AGE_MAX_US / 2), clock.now(), |_| {
            true
        })
        .is_ok()
    );
}

#[test]
fn a_clock_set_back_does_not_silence_its_owner() {
    let clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    deliver(&mut alice, &mut bob, &clock);
    let mut later = clock;
    later.pass(Duration::from_secs(5));
    let back = Now {
        wall_us: START_US - 60_000_000,
        ..later.now()
    };
    let message = alice.next(back, [0; 32]).unwrap();
    assert!(bob.receive(message, later.now(), |_| true).is_ok());
}

#[test]
fn last_seen_times_travel_but_are_never_in_the_future_nor_lowered() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    alice.remember([(author(CAROL), START_US - 7_000_000)]);
    deliver(&mut alice, &mut bob, &clock);
    let seen = |room: &Room| room.seen().find(|(who, _)| *who == author(CAROL));
    assert_eq!(seen(&bob), Some((author(CAROL), START_US - 7_000_000)));
    let claim = |us| Message {
        author: author(ALICE),
        time_us: START_US + us,
        said: Said::Here {
            body: Vec::new(),
            digest: [0; 32],
            seen: vec![(author(CAROL), us)],
        },
    };
    clock.pass(Duration::from_secs(1));
    bob.receive(claim(1), clock.now(), |_| true).unwrap();
    assert_eq!(seen(&bob), Some((author(CAROL), START_US - 7_000_000)));
    let mut far = claim(2);
    if let Said::Here { seen, .. } = &mut far.said {
        seen[0].1 = u64::MAX;
    }
    bob.receive(far, clock.now(), |_| true).unwrap();
    assert_eq!(seen(&bob), Some((author(CAROL), clock.now().wall_us)));
}

#[test]
fn nobody_can_be_invented() {
    let clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    alice.remember([(author(CAROL), START_US)]);
    let message = alice.next(clock.now(), [0; 32]).unwrap();
    bob.receive(message, clock.now(), |_| false).unwrap();
    assert!(bob.seen().all(|(who, _)| who == author(ALICE)));
}

#[test]
fn all_last_seen_times_are_told_in_turn() {
    let mut clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    alice.remember((100..150).map(|who| (author(who), START_US - 1)));
    for _ in 0..=50 / SEEN_PER_MESSAGE_MAX {
        deliver(&mut alice, &mut bob, &clock);
        clock.pass(HEARTBEAT);
    }
    assert_eq!(bob.seen().count(), 51);
}

#[test]
fn a_crowd_costs_bounded_memory() {
    let mut clock = Clock::new();
    let mut bob = entered(BOB, &clock);
    let most = u16::try_from(PEOPLE_MAX).unwrap();
    for who in 10..10 + most {
        bob.receive(here(who, START_US), clock.now(), |_| true)
            .unwrap();
    }
    let one_more = bob.receive(here(5_000, START_US), clock.now(), |_| true);
    assert_eq!(one_more, Err(Refusal::Crowded));
    clock.pass(GONE_AFTER);
    bob.expire(clock.now());
    for who in 6_000..8_000 {
        let time_us = clock.now().wall_us;
        bob.receive(here(who, time_us), clock.now(), |_| true).ok();
    }
    assert!(bob.heard.len() <= PEOPLE_MAX);
    assert!(bob.seen.len() <= PARTICIPANTS_MAX);
}

#[test]
fn a_flood_is_not_looked_at() {
    let mut clock = Clock::new();
    let mut bob = entered(BOB, &clock);
    let looked_at = (0..10_000).filter(|_| bob.admits(clock.now())).count();
    assert_eq!(looked_at, MESSAGES_PER_SECOND_MAX as usize);
    clock.pass(Duration::from_secs(1));
    assert!(bob.admits(clock.now()));
}

#[test]
fn what_was_seen_is_stored_once() {
    let clock = Clock::new();
    let (mut alice, mut bob) = (entered(ALICE, &clock), entered(BOB, &clock));
    bob.remember([(author(CAROL), START_US)]);
    deliver(&mut alice, &mut bob, &clock);
    assert_eq!(bob.take_new_seen(), [(author(ALICE), START_US)]);
    assert!(bob.take_new_seen().is_empty());
}

#[test]
fn who_only_follows_says_nothing() {
    let clock = Clock::new();
    let mut silent = Room::new(author(BOB), clock.now());
    silent.following = 1;
    let mut alice = entered(ALICE, &clock);
    assert_eq!(
        deliver(&mut alice, &mut silent, &clock),
        [Change::Came(author(ALICE))]
    );
    assert!(silent.next(clock.now(), [0; 32]).is_none());
}
