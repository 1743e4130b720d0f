// SPDX-License-Identifier: GPL-3.0-or-later
//! Whole talks of a peer, frame by frame: what is fine alone may come at the wrong moment.
//!
//! A talk is frames as they travel, each behind its length, but for a session with one byte in
//! front: whether the peer answers or opens, and whether it proves the sync key before anything
//! else, which noise never would.

use std::sync::Arc;
use std::time::Duration;

use super::{Decoder, an_operation, frames, keys};
use crate::access::DocumentSecret;
use crate::identity::{AuthorId, AuthorKey, VerifyingKeys};
use crate::operation::Operation;
use crate::pipeline::{Commit, Ingested, verify_batch};
use crate::sync::exchange::{Action, Exchange};
use crate::sync::frame::Frame;
use crate::sync::heights::{Head, Heights};
use crate::sync::matching::Matching;
use crate::sync::proof::{Salts, Transcript};
use crate::sync::session::Session;

/// Frames of one talk, at most.
const FRAMES_MAX: usize = 256;
/// Things that a session may want done in answer to one frame.
const ACTIONS_MAX: usize = 1_000;

const ANSWERS: u8 = 1;
const PROVES: u8 = 2;

/// The control stream: which documents are common, and whether they are held alike.
pub(super) const MATCHING: Decoder = Decoder {
    name: "matching",
    family: "matching",
    decode: matching,
    samples: offers,
};

/// The stream of one document.
pub(super) const SESSION: Decoder = Decoder {
    name: "session",
    family: "session",
    decode: session,
    samples: sessions,
};

fn own() -> AuthorId {
    AuthorKey::from_bytes(&[10; 32]).id()
}

fn peer() -> AuthorId {
    AuthorKey::from_bytes(&[11; 32]).id()
}

/// The frames of a talk up to the first that is none.
fn talk(mut bytes: &[u8]) -> impl Iterator<Item = Frame> + '_ {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (frame, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Frame::decode(frame).ok()
    })
    .take(FRAMES_MAX)
}

fn matching(bytes: &[u8]) {
    let salts = Salts {
        dialer: [1; 16],
        listener: [2; 16],
    };
    let mut matching = Matching::new(own(), peer(), salts);
    let other = crate::access::DocumentKeys::for_writing(DocumentSecret::from_bytes([12; 32]));
    let topics = matching.add(&[keys(), other]);
    for frame in talk(bytes) {
        match frame {
            Frame::Summary { marks } => {
                for (token, _) in marks {
                    let topic = matching.common_topic_of(&token);
                    assert!(topic.is_none_or(|topic| topics.contains(&topic)));
                }
            }
            Frame::Changed { tokens } | Frame::Gone { tokens } => {
                for token in tokens {
                    let common = matching.common_topic_of(&token);
                    assert_eq!(matching.gone(&token), common);
                }
            }
            frame => {
                let Ok(matched) = matching.receive(frame) else {
                    return;
                };
                assert!(matched.topics.iter().all(|topic| topics.contains(topic)));
            }
        }
    }
}

/// What is held here: the first operation of somebody.
fn held() -> (Operation, Arc<Heights>) {
    let operation = an_operation();
    let head = Head {
        next: 1,
        id: operation.id(),
        base: 0,
    };
    let heights = [(operation.author(), head)].into_iter().collect();
    (operation, Arc::new(heights))
}

fn session(bytes: &[u8]) {
    let Some((&role, bytes)) = bytes.split_first() else {
        return;
    };
    let (keys, (operation, heights)) = (keys(), held());
    let (answers, nonces) = (role & ANSWERS != 0, ([1; 32], [2; 32]));
    let (opener, responder) = if answers {
        (own(), peer())
    } else {
        (peer(), own())
    };
    let transcript = Transcript {
        opener,
        responder,
        opener_nonce: nonces.0,
        responder_nonce: nonces.1,
    };
    let ours = Arc::clone(&heights);
    let (session, proof) = if answers {
        let session = Session::open(keys.clone(), own(), peer(), [3; 16], nonces.0, ours);
        let proof = Frame::Challenge {
            nonce: nonces.1,
            proof: transcript.responder_proof(&keys),
        };
        (session, proof)
    } else {
        let session = Session::answer(keys.clone(), own(), peer(), nonces.0, nonces.1, ours);
        let proof = Frame::Proof {
            proof: transcript.opener_proof(&keys),
        };
        (session, proof)
    };
    let commit = Commit {
        position: 1,
        heights: Arc::clone(&heights),
        durable: heights,
        proofs: Arc::default(),
    };
    let mut exchange = Exchange::new(own(), peer(), keys.topic(), session, &commit);
    let proof = (role & PROVES != 0).then_some(proof);
    for frame in proof.into_iter().chain(talk(bytes)) {
        let bytes = frame.encode().len();
        if exchange.receive(frame, bytes).is_err() || !follow(&mut exchange, &operation) {
            break;
        }
    }
    exchange.end(Duration::ZERO, &"the talk is over");
}

/// Does what the machine wants; `false` where it gives the peer up.
fn follow(exchange: &mut Exchange, operation: &Operation) -> bool {
    let mut actions = 0;
    while let Some(action) = exchange.next_action(Duration::ZERO) {
        actions += 1;
        assert!(actions < ACTIONS_MAX, "it does not come to rest");
        let done = match action {
            Action::Verify(batch) => {
                let (verified, refused) =
                    verify_batch(&keys(), &mut VerifyingKeys::default(), batch);
                exchange.verified(verified, refused)
            }
            Action::Store(batch) => {
                let mut ingested = Ingested::default();
                for verified in batch {
                    let author = verified.operation.author();
                    *ingested.accepted.entry(author).or_default() += 1;
                }
                exchange.stored(&ingested);
                Ok(())
            }
            Action::Read(requests) => {
                let is_held = requests
                    .iter()
                    .any(|request| request.author == operation.author() && request.from == 0);
                exchange.read(is_held.then(|| operation.clone()).into_iter().collect())
            }
            Action::Examine(_) => {
                exchange.examined();
                Ok(())
            }
            Action::Compare(_) => {
                exchange.compared(true);
                Ok(())
            }
            Action::Mend(_) => {
                exchange.mended(true);
                Ok(())
            }
            Action::Emit(_) | Action::Status(_) | Action::Confirm(_) => Ok(()),
        };
        while exchange.next_bytes().is_some() {}
        if done.is_err() {
            return false;
        }
    }
    true
}

fn offers() -> Vec<Vec<u8>> {
    let salts = Salts {
        dialer: [1; 16],
        listener: [2; 16],
    };
    let mut remote = Matching::new(peer(), own(), salts);
    let topics = remote.add(&[keys()]);
    let token = remote.token_of(&topics[0]).expect("a token");
    let mark = remote.own_mark(&keys(), &Heights::default());
    let all = [
        Frame::Offer {
            tokens: vec![token; 16],
        },
        Frame::Match {
            tokens: vec![token],
        },
        Frame::Summary {
            marks: vec![(token, mark)],
        },
        Frame::Changed {
            tokens: vec![token],
        },
        Frame::Gone {
            tokens: vec![token],
        },
    ];
    let talk: Vec<u8> = all.iter().flat_map(Frame::encode).collect();
    vec![talk, all[1].encode(), all[0].encode()]
}

fn sessions() -> Vec<Vec<u8>> {
    let (operation, heights) = held();
    let (header, body) = operation.clone().into_parts();
    let head = Head {
        next: 2,
        id: operation.id(),
        base: 0,
    };
    let fetch = |whole| Frame::Fetch {
        author: operation.author(),
        from: 0,
        whole,
    };
    let told = [
        Frame::Digest { digest: [9; 32] },
        Frame::Heads {
            heads: vec![(own(), head), (peer(), head)],
            last: true,
        },
        Frame::Operation {
            header: header.clone(),
            body: body.clone(),
        },
        fetch(true),
        fetch(false),
        Frame::Branch {
            last: false,
            header: header.clone(),
            body,
        },
        Frame::Branch {
            last: true,
            header: Vec::new(),
            body: Vec::new(),
        },
        Frame::Fork {
            one: header.clone(),
            other: header,
        },
        Frame::Declined {
            logs: vec![(own(), 1)],
        },
        Frame::Done,
        Frame::Prune { author: own() },
    ];
    let equal = [
        Frame::Digest {
            digest: heights.digest(),
        },
        Frame::Done,
    ];
    let encode = |frames: &[Frame]| frames.iter().flat_map(Frame::encode).collect::<Vec<u8>>();
    let anything: Vec<u8> = frames()
        .iter()
        .flat_map(|frame| {
            let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            [length.to_be_bytes().to_vec(), frame.clone()].concat()
        })
        .collect();
    [0, ANSWERS, PROVES, ANSWERS | PROVES]
        .into_iter()
        .flat_map(|role| {
            [encode(&told), encode(&equal), anything.clone()]
                .map(|talk| [vec![role], talk].concat())
        })
        .collect()
}
