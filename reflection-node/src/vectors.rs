// SPDX-License-Identifier: GPL-3.0-or-later
//! The test vectors of docs/format.md, made from fixed inputs by the code that speaks the formats.
//!
//! What is sealed is sealed here by the cipher itself, as the text describes it, and opened by the
//! program: the two know nothing of each other.
#![allow(clippy::unwrap_used)]

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::access::{
    Access, BodyContext, Code, DocumentKeys, DocumentSecret, Hint, decrypt_body, decrypt_presence,
};
use crate::discovery::rendezvous_token;
use crate::hex::encode;
use crate::identity::AuthorKey;
use crate::operation::{Kind, NewHeader, Operation};
use crate::presence::{Message, Said};
use crate::replication::{Ends, Ticket};
use crate::sync::heights::{Head, Heights};
use crate::sync::proof::{Salts, Transcript, token};
use crate::sync::summary::mark;

const FORMAT: &str = include_str!("../../docs/format.md");
const HEADING: &str = "## Test vectors";

/// A body and its nonce.
const BODY: &[u8] = b"a body";
const NONCE: [u8; 24] = [0xa0; 24];
const TIME_US: u64 = 1_700_000_000_000_000;
const DAY: u64 = 20_000;
const SALTS: Salts = Salts {
    dialer: [0x60; 16],
    listener: [0x70; 16],
};

/// 32 bytes that count up.
fn counting(first: u8) -> [u8; 32] {
    std::array::from_fn(|index| first + u8::try_from(index).unwrap())
}

fn keys() -> DocumentKeys {
    DocumentKeys::for_writing(DocumentSecret::from_bytes(counting(0)))
}

fn alice() -> AuthorKey {
    AuthorKey::from_bytes(&counting(0x20))
}

fn bob() -> AuthorKey {
    AuthorKey::from_bytes(&counting(0x40))
}

fn hint() -> Hint {
    Hint {
        endpoint: bob().id(),
        addresses: vec!["192.0.2.1:4433".parse().unwrap()],
        relay: Some("https://relay.example".parse().unwrap()),
    }
}

fn seal(associated: &[u8], plain: &[u8]) -> Vec<u8> {
    let key = keys().read_key().unwrap();
    let payload = Payload {
        msg: plain,
        aad: associated,
    };
    let sealed = XChaCha20Poly1305::new((&*key).into())
        .encrypt(&XNonce::from(NONCE), payload)
        .unwrap();
    [&NONCE[..], &sealed].concat()
}

fn operation() -> Operation {
    let (keys, alice) = (keys(), alice());
    let associated = [
        b"app.reflection body v1".as_slice(),
        keys.topic().as_bytes(),
        alice.id().as_bytes(),
        &0_u64.to_be_bytes(),
    ]
    .concat();
    let new = NewHeader {
        topic: keys.topic(),
        sequence: 0,
        backlink: None,
        time_us: TIME_US,
        kind: Kind::Edit,
        incarnation: 0,
        write_proof: keys.prove_write(&alice.id()),
    };
    Operation::sign(&alice, new, seal(&associated, BODY))
}

fn message() -> Message {
    Message {
        author: alice().id(),
        time_us: TIME_US,
        said: Said::Here {
            body: b"Alice".to_vec(),
            digest: heights().digest(),
            seen: vec![(bob().id(), TIME_US - 1)],
        },
    }
}

/// The message of [`message`], sealed with the fixed nonce.
fn sealed_message() -> Vec<u8> {
    let keys = keys();
    let sealed = message().seal(&keys, &alice()).unwrap();
    let plain = decrypt_presence(&keys, &sealed).unwrap();
    let associated = [
        b"app.reflection presence v1".as_slice(),
        keys.topic().as_bytes(),
    ]
    .concat();
    seal(&associated, &plain)
}

fn heights() -> Heights {
    let head = Head {
        next: 1,
        id: operation().id(),
        base: 0,
    };
    [(alice().id(), head)].into_iter().collect()
}

fn transcript() -> Transcript {
    Transcript {
        opener: alice().id(),
        responder: bob().id(),
        opener_nonce: [0x80; 32],
        responder_nonce: [0x90; 32],
    }
}

fn ticket() -> Ticket {
    Ticket::new(Zeroizing::new([0xb0; 32]), hint())
}

/// All vectors, in the order of the text.
fn vectors() -> Vec<(&'static str, String)> {
    let (keys, alice, bob) = (keys(), alice(), bob());
    let code = |access, hints| Code::new(&keys, access, hints).unwrap().to_string();
    let operation = operation();
    let ends = Ends {
        assigner: alice.id(),
        replica: bob.id(),
        salts: SALTS,
    };
    vec![
        ("Alice's id", encode(alice.id().as_bytes())),
        ("Bob's id", encode(bob.id().as_bytes())),
        ("write public key", encode(keys.write_public())),
        ("read key", encode(&*keys.read_key().unwrap())),
        ("sync key", encode(keys.sync_key())),
        ("topic", encode(keys.topic().as_bytes())),
        ("overlay", encode(&keys.overlay())),
        ("write code", code(Access::Write, vec![])),
        ("write code with a hint", code(Access::Write, vec![hint()])),
        ("read code", code(Access::Read, vec![])),
        ("replica code", code(Access::Replica, vec![])),
        (
            "write proof",
            encode(&keys.prove_write(&alice.id()).unwrap()),
        ),
        ("sealed body", encode(operation.body())),
        ("header", encode(operation.header_bytes())),
        ("operation id", encode(operation.id().as_bytes())),
        ("match token", encode(&token(&keys, &SALTS, &alice.id()))),
        ("opener's proof", encode(&transcript().opener_proof(&keys))),
        (
            "answering proof",
            encode(&transcript().responder_proof(&keys)),
        ),
        ("heights digest", encode(&heights().digest())),
        (
            "mark",
            encode(&mark(&keys, &SALTS, &alice.id(), &heights())),
        ),
        ("rendezvous token", encode(&rendezvous_token(&keys, DAY))),
        ("presence message", encode(&sealed_message())),
        ("ticket", ticket().to_string()),
        (
            "assigner's proof",
            encode(&ends.assigner_proof(&[0xb0; 32])),
        ),
        ("replica's proof", encode(&ends.replica_proof(&[0xb0; 32]))),
    ]
}

#[test]
fn the_vectors_of_the_format_are_those_that_the_program_makes() {
    let expected: Vec<String> = vectors()
        .into_iter()
        .map(|(name, value)| format!("| {name} | `{value}` |"))
        .collect();
    let (_, section) = FORMAT.split_once(HEADING).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap();
    let written: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .collect();
    assert_eq!(
        written,
        expected,
        "docs/format.md should say:\n{}\n",
        expected.join("\n")
    );
}

#[test]
fn the_vectors_are_understood() {
    let (keys, alice) = (keys(), alice());
    for (name, value) in vectors() {
        if name.contains("code") {
            let code: Code = value.parse().unwrap();
            assert_eq!(code.keys().topic(), keys.topic(), "{name}");
            assert!(code.hints().iter().all(|known| *known == hint()));
        }
    }
    let made = operation();
    let read = Operation::decode(made.header_bytes().to_vec(), made.body().to_vec()).unwrap();
    read.verify(&keys).unwrap();
    let context = BodyContext {
        topic: keys.topic(),
        author: alice.id(),
        sequence: 0,
    };
    assert_eq!(decrypt_body(&keys, &context, read.body()).unwrap(), BODY);
    assert!(Message::open(&keys, &sealed_message()).unwrap() == message());
    let again: Ticket = ticket().to_string().parse().unwrap();
    assert_eq!(again.secret(), ticket().secret());
}
