// SPDX-License-Identifier: GPL-3.0-or-later
//! Stories of the tables.
#![allow(clippy::unwrap_used)]

use rusqlite::{Connection, params};
use zeroize::Zeroizing;

use super::assigner::{Heard, Task};
use super::assignments::{self, AssignmentState};
use super::quota::{self, Room};
use super::{ReplicaOffer, Shortage, Ticket, hosting};
use crate::access::{Access, DocumentKeys, DocumentSecret, Hint, TopicId};
use crate::identity::{AuthorId, AuthorKey};
use crate::store::documents::{self, DocumentRow};
use crate::store::{peers, prepare};

const PLENTY: u64 = 1 << 40;

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    prepare(&connection).unwrap();
    connection
}

fn ticket(secret: u8) -> Ticket {
    let hint = Hint {
        endpoint: AuthorId::from_bytes([7; 32]),
        addresses: vec!["192.0.2.1:4433".parse().unwrap()],
        relay: None,
    };
    Ticket::new(Zeroizing::new([secret; 32]), hint)
}

fn document(connection: &Connection) -> TopicId {
    let keys = DocumentKeys::for_writing(DocumentSecret::generate());
    documents::add(connection, &keys, false, 1).unwrap();
    keys.topic()
}

/// A replica that keeps a document.
fn assigned() -> (Connection, AuthorId, TopicId) {
    let connection = database();
    let (ticket, topic) = (ticket(1), document(&connection));
    let replica = ticket.replica();
    assignments::add_replica(&connection, &ticket, "attic").unwrap();
    assignments::assign(&connection, &replica, &topic).unwrap();
    let is_as_believed = true;
    assert!(!hears(&connection, &Heard::Proved { is_as_believed }));
    assert!(!hears(&connection, &Heard::Taken(topic)));
    (connection, replica, topic)
}

/// The replica says something; gives whether nothing is left to be said to it.
fn hears(connection: &Connection, heard: &Heard) -> bool {
    assignments::heard(connection, &ticket(1).replica(), heard, 5).unwrap()
}

fn state(connection: &Connection, replica: &AuthorId, topic: &TopicId) -> Option<AssignmentState> {
    assignments::one(connection, replica, topic)
        .unwrap()
        .map(|assignment| assignment.state)
}

fn is_in_address_book(connection: &Connection, peer: &AuthorId) -> bool {
    let known = peers::all(connection).unwrap();
    known.iter().any(|hint| hint.endpoint == *peer)
}

#[test]
fn a_withdrawn_document_stays_as_a_tombstone_until_it_is_dropped() {
    let (connection, replica, topic) = assigned();
    let row = documents::find(&connection, &topic).unwrap().unwrap().row;
    let confirmed = peers::Confirmed { own: 3, held: 3 };
    peers::confirm(&connection, row, &replica, confirmed).unwrap();
    assert!(!assignments::forget_peer(&connection, &replica).unwrap());
    assert!(!assignments::withdraw(&connection, &replica, Some(&[topic])).unwrap());
    assert_eq!(
        state(&connection, &replica, &topic),
        Some(AssignmentState::Withdrawn)
    );
    // What it confirmed is no copy any more, and nobody dials it for a tombstone.
    assert_eq!(peers::copies(&connection, row, &replica).unwrap(), 0);
    assert!(assignments::forget_peer(&connection, &replica).unwrap());
    assert!(!is_in_address_book(&connection, &replica));
    // An answer to what was told before does not bring it back.
    assert!(!hears(&connection, &Heard::Taken(topic)));
    assert_eq!(
        state(&connection, &replica, &topic),
        Some(AssignmentState::Withdrawn)
    );
    assert!(hears(&connection, &Heard::Dropped(topic)));
    assert!(assignments::all(&connection).unwrap().is_empty());
}

#[test]
fn what_a_replica_was_never_told_needs_no_tombstone() {
    let connection = database();
    let topic = document(&connection);
    assignments::add_replica(&connection, &ticket(1), "").unwrap();
    let replica = ticket(1).replica();
    assignments::assign(&connection, &replica, &topic).unwrap();
    assert!(assignments::withdraw(&connection, &replica, None).unwrap());
    assert!(assignments::all(&connection).unwrap().is_empty());
}

#[test]
fn deleting_a_document_withdraws_it_everywhere() {
    let (connection, replica, topic) = assigned();
    documents::delete(&connection, &topic).unwrap();
    assert_eq!(
        state(&connection, &replica, &topic),
        Some(AssignmentState::Withdrawn)
    );
    let due = assignments::due(&connection, &replica, 9).unwrap();
    assert_eq!(due.len(), 1);
    assert!(matches!(due[0], Task::Withdraw(it) if it == topic));
}

#[test]
fn another_ticket_tells_everything_anew() {
    let (connection, replica, topic) = assigned();
    assignments::add_replica(&connection, &ticket(1), "").unwrap();
    assert_eq!(
        state(&connection, &replica, &topic),
        Some(AssignmentState::Taken)
    );
    assignments::add_replica(&connection, &ticket(2), "").unwrap();
    assert_eq!(
        state(&connection, &replica, &topic),
        Some(AssignmentState::Waiting)
    );
    let known = assignments::all(&connection).unwrap();
    assert_eq!(known[0].name, "attic");
}

#[test]
fn the_library_takes_in_what_comes_later_but_not_what_is_kept_for_others() {
    let connection = database();
    let early = document(&connection);
    let hosted = DocumentKeys::for_writing(DocumentSecret::generate());
    let (_, key, public) =
        DocumentKeys::for_replica(*hosted.sync_key(), *hosted.write_public()).to_parts();
    let hosted = DocumentKeys::from_parts(Access::Replica, *key, public);
    documents::add(&connection, &hosted, true, 1).unwrap();
    assignments::add_replica(&connection, &ticket(1), "").unwrap();
    let replica = ticket(1).replica();
    assignments::assign_library(&connection, &replica).unwrap();
    let late = document(&connection);
    assignments::document_added(&connection, &late).unwrap();
    let waiting = Some(AssignmentState::Waiting);
    assert_eq!(state(&connection, &replica, &early), waiting);
    assert_eq!(state(&connection, &replica, &late), waiting);
    assert_eq!(state(&connection, &replica, &hosted.topic()), None);
}

/// A document that is kept for others by a ticket.
fn hosted(connection: &Connection, grant: i64) -> DocumentRow {
    let topic = document(connection);
    let row = documents::find(connection, &topic).unwrap().unwrap().row;
    let assigner = AuthorKey::generate().id();
    connection
        .execute("INSERT INTO replica_hosted VALUES (?1, 0)", [row.0])
        .unwrap();
    connection
        .execute(
            "INSERT INTO replica_held (document, assigner, replica_grant) VALUES (?1, ?2, ?3)",
            params![row.0, assigner.as_bytes().as_slice(), grant],
        )
        .unwrap();
    row
}

fn grows(connection: &Connection, document: DocumentRow, sequence: i64, bytes: usize) {
    connection
        .execute(
            "INSERT OR IGNORE INTO authors (id, key) VALUES (1, x'01')",
            [],
        )
        .unwrap();
    connection
        .execute(
            "INSERT INTO operations (document, author, sequence, state, header, body)
             VALUES (?1, 1, ?2, 0, x'', ?3)",
            params![document.0, sequence, vec![0_u8; bytes]],
        )
        .unwrap();
}

fn offers(connection: &Connection, quota_bytes: u64, ticket_quota_bytes: u64) {
    let offer = ReplicaOffer {
        quota_bytes,
        ticket_quota_bytes,
    };
    quota::write(connection, offer).unwrap();
}

#[test]
fn room_ends_with_the_quota_and_begins_again_when_something_goes() {
    let connection = database();
    offers(&connection, 1_000, PLENTY);
    let grant = hosting::grant(&connection, 1).unwrap().id;
    let (one, two) = (hosted(&connection, grant), hosted(&connection, grant));
    grows(&connection, one, 0, 400);
    grows(&connection, two, 0, 500);
    assert_eq!(quota::shortage(&connection, grant).unwrap(), None);
    let mut room = Room::of(&connection, two).unwrap();
    // The last one may go over; then there is none.
    assert!(room.take(300));
    assert!(room.is_used_up() && !room.take(1));
    grows(&connection, two, 1, 300);
    assert_eq!(
        quota::shortage(&connection, grant).unwrap(),
        Some(Shortage::Quota)
    );
    assert!(!Room::of(&connection, one).unwrap().take(1));
    connection
        .execute("DELETE FROM operations WHERE document = ?1", [one.0])
        .unwrap();
    assert_eq!(quota::shortage(&connection, grant).unwrap(), None);
    assert!(Room::of(&connection, two).unwrap().take(1));
}

#[test]
fn one_ticket_cannot_use_up_what_another_is_given() {
    let connection = database();
    offers(&connection, PLENTY, 1_000);
    let greedy = hosting::grant(&connection, 1).unwrap().id;
    let modest = hosting::grant(&connection, 1).unwrap().id;
    let (one, two) = (hosted(&connection, greedy), hosted(&connection, modest));
    grows(&connection, one, 0, 2_000);
    assert_eq!(
        quota::shortage(&connection, greedy).unwrap(),
        Some(Shortage::TicketQuota)
    );
    assert!(!Room::of(&connection, one).unwrap().take(1));
    assert_eq!(quota::shortage(&connection, modest).unwrap(), None);
    assert!(Room::of(&connection, two).unwrap().take(1));
}

#[test]
fn what_a_person_joined_counts_for_no_quota() {
    let connection = database();
    offers(&connection, 0, 0);
    let grant = hosting::grant(&connection, 1).unwrap().id;
    let row = hosted(&connection, grant);
    assert!(!Room::of(&connection, row).unwrap().take(1));
    hosting::joined(&connection, row).unwrap();
    assert!(Room::of(&connection, row).unwrap().take(1));
}
