// SPDX-License-Identifier: GPL-3.0-or-later
//! Everything that takes bytes from somebody else apart, for tests that hand it noise.

use crate::access::{Access, Code, DocumentKeys, DocumentSecret, Hint};
use crate::discovery::probe_rendezvous;
use crate::identity::{AuthorId, AuthorKey};
use crate::operation::{Header, Operation, OperationId};
use crate::presence::probe_presence;
use crate::sync::frame::Frame;
use crate::sync::heights::Head;

/// One decoder.
#[derive(Clone, Copy)]
pub struct Decoder {
    /// What it decodes.
    pub name: &'static str,
    /// Decodes, and panics where what it accepts is not what it says it is.
    pub decode: fn(&[u8]),
    /// Things that it accepts.
    pub samples: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const ALL: [Decoder; 7] = [
    Decoder {
        name: "frame",
        decode: frame,
        samples: frames,
    },
    Decoder {
        name: "header",
        decode: header,
        samples: headers,
    },
    Decoder {
        name: "operation",
        decode: operation,
        samples: operations,
    },
    Decoder {
        name: "code",
        decode: code,
        samples: codes,
    },
    Decoder {
        name: "payload of a code",
        decode: payload,
        samples: payloads,
    },
    Decoder {
        name: "presence",
        decode: probe_presence,
        samples: noise,
    },
    Decoder {
        name: "rendezvous",
        decode: probe_rendezvous,
        samples: noise,
    },
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
        Frame::Operation { header, body },
        Frame::Done,
        Frame::Declined {
            logs: vec![(author, 70_000)],
        },
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

/// CBOR that is close to nothing in particular.
fn noise() -> Vec<Vec<u8>> {
    let long = [
        vec![0x84, 0x01, 0x58, 0x20],
        vec![1; 32],
        vec![0x1A, 1, 2, 3, 4, 0x81, 0x01],
    ];
    let reach = vec![
        0x85, 0x00, 0xF5, 0x81, 0x46, 127, 0, 0, 1, 15, 160, 0xF6, 0x81, 0x58, 0x20,
    ];
    vec![
        long.concat(),
        [reach, vec![2; 32]].concat(),
        vec![0x9F, 0x00, 0xFF],
    ]
}
