// SPDX-License-Identifier: GPL-3.0-or-later
//! Everything that takes bytes from somebody else apart, for tests that hand it noise and for the
//! targets in fuzz/.

mod mutation;
mod talks;

pub use mutation::{feed, feed_seeds};

use crate::access::{Access, Code, DocumentKeys, DocumentSecret, Hint};
use crate::discovery::RENDEZVOUS_DECODER;
use crate::identity::{AuthorId, AuthorKey};
use crate::operation::{Header, Operation, OperationId};
use crate::presence::PRESENCE_DECODER;
use crate::replication::{ASSIGNMENTS_DECODER, TICKET_DECODER};
use crate::sync::frame::Frame;
use crate::sync::heights::Head;

/// One decoder.
#[derive(Clone, Copy)]
pub struct Decoder {
    /// What it decodes.
    pub name: &'static str,
    /// With which others it is fuzzed together.
    pub family: &'static str,
    /// Decodes, and panics where what it accepts is not what it says it is.
    pub decode: fn(&[u8]),
    /// Things that it accepts.
    pub samples: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const ALL: [Decoder; 11] = [
    Decoder {
        name: "frame",
        family: "frames",
        decode: frame,
        samples: frames,
    },
    Decoder {
        name: "header",
        family: "operations",
        decode: header,
        samples: headers,
    },
    Decoder {
        name: "operation",
        family: "operations",
        decode: operation,
        samples: operations,
    },
    Decoder {
        name: "code",
        family: "codes",
        decode: code,
        samples: codes,
    },
    Decoder {
        name: "payload of a code",
        family: "codes",
        decode: payload,
        samples: payloads,
    },
    talks::MATCHING,
    talks::SESSION,
    PRESENCE_DECODER,
    RENDEZVOUS_DECODER,
    ASSIGNMENTS_DECODER,
    TICKET_DECODER,
];

fn frame(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        assert_eq!(Frame::decode(&frame.encode()[4..]), Ok(frame));
    }
}

/// There is one encoding of a header: its hash is the operation's id.
fn header(bytes: &[u8]) {
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes);
        let _ = header.verify_signature();
    }
}

/// The length of the header in two bytes, the header, the body.
fn operation(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (header, body) = rest.split_at(length);
    if let Ok(operation) = Operation::decode(header.to_vec(), body.to_vec()) {
        let _ = operation.verify(&keys());
    }
}

fn code(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(code) = text.parse::<Code>()
    {
        let again: Code = code
            .to_string()
            .parse()
            .expect("a code that was just written");
        assert_eq!(again.keys().topic(), code.keys().topic());
    }
}

/// Behind the checksum of a code, which a forger can make as well as anybody.
fn payload(bytes: &[u8]) {
    for access in [Access::Write, Access::Read, Access::Replica] {
        crate::access::probe_payload(access, bytes);
    }
}

fn keys() -> DocumentKeys {
    DocumentKeys::for_writing(DocumentSecret::from_bytes([7; 32]))
}

fn an_operation() -> Operation {
    let key = AuthorKey::from_bytes(&[8; 32]);
    super::hostile::Forgery::first(&key, &keys(), &[1; 100]).sign(&key, &keys())
}

fn frames() -> Vec<Vec<u8>> {
    let author = AuthorId::from_bytes([1; 32]);
    let head = Head {
        next: 70_000,
        id: OperationId::from_bytes([5; 32]),
        base: 3,
    };
    let (header, body) = an_operation().into_parts();
    [
        Frame::Hello {
            salt: [1; 16],
            boot: [2; 16],
        },
        Frame::Offer {
            tokens: vec![[3; 16]; 17],
        },
        Frame::Match {
            tokens: vec![[3; 16]],
        },
        Frame::Open {
            token: [4; 16],
            nonce: [5; 32],
        },
        Frame::Challenge {
            nonce: [6; 32],
            proof: [7; 32],
        },
        Frame::Proof { proof: [8; 32] },
        Frame::Digest { digest: [9; 32] },
        Frame::Heads {
            heads: vec![(author, head); 3],
            last: true,
        },
        Frame::Operation {
            header: header.clone(),
            body: body.clone(),
        },
        Frame::Done,
        Frame::Summary {
            marks: vec![([3; 16], [4; 16]); 2],
        },
        Frame::Changed {
            tokens: vec![[3; 16]],
        },
        Frame::Gone {
            tokens: vec![[3; 16]],
        },
        Frame::Declined {
            logs: vec![(author, 70_000)],
        },
        Frame::Prune { author },
        Frame::Fork {
            one: header.clone(),
            other: header.clone(),
        },
        Frame::Fetch {
            author,
            from: 3,
            whole: true,
        },
        Frame::Branch {
            last: false,
            header: header.clone(),
            body: body.clone(),
        },
        Frame::Assignments,
    ]
    .iter()
    .map(|frame| frame.encode()[4..].to_vec())
    .collect()
}

fn headers() -> Vec<Vec<u8>> {
    vec![an_operation().header_bytes().to_vec()]
}

fn operations() -> Vec<Vec<u8>> {
    let (header, body) = an_operation().into_parts();
    let length = u16::try_from(header.len()).unwrap_or(0).to_be_bytes();
    vec![[length.to_vec(), header, body].concat()]
}

fn some_codes() -> Vec<Code> {
    let hint = Hint {
        endpoint: AuthorKey::from_bytes(&[8; 32]).id(),
        addresses: vec![([127, 0, 0, 1], 4_000).into(), ([0; 16], 4_001).into()],
        relay: "https://relay.example".parse().ok(),
    };
    [Access::Write, Access::Read, Access::Replica]
        .into_iter()
        .filter_map(|access| Code::new(&keys(), access, vec![hint.clone()]))
        .collect()
}

fn codes() -> Vec<Vec<u8>> {
    some_codes()
        .iter()
        .map(|code| code.to_string().into_bytes())
        .collect()
}

fn payloads() -> Vec<Vec<u8>> {
    some_codes().iter().map(crate::access::payload_of).collect()
}
