// SPDX-License-Identifier: GPL-3.0-or-later
//! A peer that keeps no rules: it dials with any key and says whatever it likes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use iroh::endpoint::{Connection, RecvStream, SendStream, presets};
use iroh::{Endpoint, EndpointAddr, TransportAddr};

use crate::access::{BodyContext, DocumentKeys, TopicId, encrypt_body};
use crate::identity::{AuthorId, AuthorKey};
use crate::network::ALPN;
use crate::operation::{Kind, NewHeader, Operation, OperationId};
use crate::sync::frame::{FRAME_BYTES_MAX, Frame};
use crate::sync::heights::Head;
use crate::sync::proof::{Salts, Transcript, token};
use crate::sync::stream::read_frame;

/// How much of its usual time every peer of this process is given, in percent.
static PATIENCE_PERCENT: AtomicU32 = AtomicU32::new(100);

/// Gives every peer of this process so much of its usual time, in percent.
pub fn set_patience(percent: u32) {
    PATIENCE_PERCENT.store(percent, Ordering::Relaxed);
}

pub(crate) fn patience(usual: Duration) -> Duration {
    usual * PATIENCE_PERCENT.load(Ordering::Relaxed) / 100
}

/// Somebody with a key and an endpoint on the loopback interface.
pub struct Attacker {
    key: AuthorKey,
    endpoint: Endpoint,
}

impl Attacker {
    /// With a key of its own.
    pub async fn new() -> Self {
        let key = AuthorKey::generate();
        let endpoint = Endpoint::builder(presets::Minimal)
            .secret_key(key.iroh_secret())
            .clear_ip_transports()
            .bind_addr((Ipv4Addr::LOCALHOST, 0))
            .expect("an address")
            .bind()
            .await
            .expect("a socket");
        Self { key, endpoint }
    }

    /// Who it is.
    pub fn key(&self) -> &AuthorKey {
        &self.key
    }

    /// A connection on which nothing has been said; none if the victim does not take it.
    pub async fn dial(&self, victim: AuthorId, address: SocketAddr) -> Option<Connection> {
        let addr = EndpointAddr {
            id: victim.endpoint_id()?,
            addrs: std::iter::once(TransportAddr::Ip(address)).collect(),
        };
        self.endpoint.connect(addr, ALPN).await.ok()
    }

    /// A connection on which both have said hello.
    pub async fn greet(&self, victim: AuthorId, address: SocketAddr) -> Talk {
        let connection = self.dial(victim, address).await.expect("a connection");
        let (mut send, mut receive) = connection.open_bi().await.expect("a stream");
        let own_salt = crate::random::array();
        send.write_all(&frame::hello(own_salt))
            .await
            .expect("a hello");
        let Ok((Frame::Hello { salt, .. }, _)) = read_frame(&mut receive, FRAME_BYTES_MAX).await
        else {
            panic!("the victim does not answer");
        };
        Talk {
            connection,
            control: (send, receive),
            salts: Salts {
                dialer: own_salt,
                listener: salt,
            },
            own: self.key.id(),
            victim,
        }
    }
}

/// A connection after the hello.
pub struct Talk {
    /// The connection.
    pub connection: Connection,
    /// The control stream.
    pub control: (SendStream, RecvStream),
    salts: Salts,
    own: AuthorId,
    victim: AuthorId,
}

impl Talk {
    /// What this side calls a document.
    pub fn token(&self, keys: &DocumentKeys) -> [u8; 16] {
        token(keys, &self.salts, &self.own)
    }

    /// A document stream that is opened and challenged: with the proof that is due.
    pub async fn open(&self, keys: &DocumentKeys) -> (SendStream, RecvStream, [u8; 32]) {
        let (mut send, mut receive) = self.connection.open_bi().await.expect("a stream");
        let nonce = [9; 32];
        let open = frame::open(self.token(keys), nonce);
        send.write_all(&open).await.expect("an open");
        let Ok((Frame::Challenge { nonce: theirs, .. }, _)) =
            read_frame(&mut receive, FRAME_BYTES_MAX).await
        else {
            panic!("no challenge");
        };
        let transcript = Transcript {
            opener: self.own,
            responder: self.victim,
            opener_nonce: nonce,
            responder_nonce: theirs,
        };
        (send, receive, transcript.opener_proof(keys))
    }

    /// A document stream on which the sync key has been proved.
    pub async fn prove(&self, keys: &DocumentKeys) -> (SendStream, RecvStream) {
        let (mut send, receive, proof) = self.open(keys).await;
        send.write_all(&frame::proof(proof)).await.expect("a proof");
        (send, receive)
    }

    /// A document stream on which heads are listed.
    pub async fn list(&self, keys: &DocumentKeys) -> (SendStream, RecvStream) {
        let (mut send, receive) = self.prove(keys).await;
        send.write_all(&frame::digest([1; 32]))
            .await
            .expect("a digest");
        (send, receive)
    }

    /// A document stream on which operations go both ways.
    pub async fn live(&self, keys: &DocumentKeys) -> (SendStream, RecvStream) {
        let (mut send, receive) = self.list(keys).await;
        send.write_all(&frame::heads(&[], true))
            .await
            .expect("heads");
        (send, receive)
    }
}

/// Frames as they travel, with their lengths.
pub mod frame {
    use super::{AuthorId, Frame, Head, Operation, OperationId};

    /// The first frame on the control stream.
    pub fn hello(salt: [u8; 16]) -> Vec<u8> {
        Frame::Hello {
            salt,
            boot: crate::random::array(),
        }
        .encode()
    }

    /// Offers documents.
    pub fn offer(tokens: Vec<[u8; 16]>) -> Vec<u8> {
        Frame::Offer { tokens }.encode()
    }

    /// Answers an offer.
    pub fn matched(tokens: Vec<[u8; 16]>) -> Vec<u8> {
        Frame::Match { tokens }.encode()
    }

    /// Opens a document stream.
    pub fn open(token: [u8; 16], nonce: [u8; 32]) -> Vec<u8> {
        Frame::Open { token, nonce }.encode()
    }

    /// What the answering side says first.
    pub fn challenge() -> Vec<u8> {
        Frame::Challenge {
            nonce: [0; 32],
            proof: [0; 32],
        }
        .encode()
    }

    /// Proves the sync key.
    pub fn proof(proof: [u8; 32]) -> Vec<u8> {
        Frame::Proof { proof }.encode()
    }

    /// What this side says to hold.
    pub fn digest(digest: [u8; 32]) -> Vec<u8> {
        Frame::Digest { digest }.encode()
    }

    /// Heads of authors that are made up.
    pub fn heads(heads: &[(AuthorId, u64)], last: bool) -> Vec<u8> {
        let heads = heads
            .iter()
            .map(|&(author, next)| {
                let id = OperationId::from_bytes([3; 32]);
                (author, Head { next, id, base: 0 })
            })
            .collect();
        Frame::Heads { heads, last }.encode()
    }

    /// An operation.
    pub fn operation(operation: &Operation) -> Vec<u8> {
        raw_operation(operation.header_bytes().to_vec(), operation.body().to_vec())
    }

    /// Anything in the place of an operation.
    pub fn raw_operation(header: Vec<u8>, body: Vec<u8>) -> Vec<u8> {
        Frame::Operation { header, body }.encode()
    }

    /// Asks that a log be pushed lazily.
    pub fn prune(author: AuthorId) -> Vec<u8> {
        Frame::Prune { author }.encode()
    }

    /// Nothing more to send.
    pub fn done() -> Vec<u8> {
        Frame::Done.encode()
    }
}

/// An operation as its author wants it to be, right or wrong.
#[derive(Clone, Debug)]
pub struct Forgery {
    /// The document that it names.
    pub topic: TopicId,
    /// Its place.
    pub sequence: u64,
    /// The operation before it.
    pub backlink: Option<OperationId>,
    /// Under which CRDT identity.
    pub incarnation: u64,
    /// Whose right to write is shown, if anybody's.
    pub proof_of: Option<AuthorId>,
    /// What is sealed.
    pub body: Vec<u8>,
}

impl Forgery {
    /// The first operation of `key`'s log, with nothing wrong.
    pub fn first(key: &AuthorKey, keys: &DocumentKeys, body: &[u8]) -> Self {
        Self {
            topic: keys.topic(),
            sequence: 0,
            backlink: None,
            incarnation: 1,
            proof_of: Some(key.id()),
            body: body.to_vec(),
        }
    }

    /// Seals it with the keys of a document and signs it.
    pub fn sign(self, key: &AuthorKey, keys: &DocumentKeys) -> Operation {
        let context = BodyContext {
            topic: self.topic,
            author: key.id(),
            sequence: self.sequence,
        };
        let sealed = encrypt_body(keys, &context, &self.body).expect("a key to seal with");
        let header = NewHeader {
            topic: self.topic,
            sequence: self.sequence,
            backlink: self.backlink,
            time_us: 1,
            kind: Kind::Edit,
            incarnation: self.incarnation,
            write_proof: self.proof_of.and_then(|author| keys.prove_write(&author)),
        };
        Operation::sign(key, header, sealed)
    }
}
