// SPDX-License-Identifier: GPL-3.0-or-later
//! What somebody hears who knows where a device is and what it speaks, and was given nothing.
//!
//! The stranger here is no node: it writes the bytes of docs/format.md by hand and keeps every
//! byte that comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::time::Duration;

use iroh::endpoint::{Connection, ConnectionError};
use reflection_node::access::{Access, TopicId};
use reflection_node::identity::AuthorKey;
use reflection_node::operation::Kind;
use reflection_node::replication::ReplicaOffer;
use reflection_node::store::DataFolder;
use reflection_node::testing::Indifferent;
use reflection_node::testing::hostile::Attacker;
use reflection_node::{Mode, NetworkConfig, Node};

/// A connection with nothing in common is closed after ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// The QUIC code with which it is closed.
const STRANGER_CODE: u32 = 3;
const SALT_BYTES: usize = 16;
/// Of a token for a document.
const TOKEN_BYTES: usize = 16;

/// A device with a document and something written in it.
async fn alice(folder: &tempfile::TempDir) -> (Node, TopicId) {
    let network = NetworkConfig {
        mode: Some(Mode::Local),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        mdns: false,
        replica: Some(ReplicaOffer::default()),
        ..NetworkConfig::default()
    };
    let data = DataFolder::open(folder.path()).unwrap();
    let node = Node::start(data, AuthorKey::generate(), network, Box::new(Indifferent))
        .await
        .unwrap();
    let topic = node.create().await.unwrap();
    let incarnation = node.incarnation(&topic).unwrap();
    node.publish(&topic, Kind::Edit, incarnation, b"zygomorphic".to_vec())
        .await
        .unwrap();
    (node, topic)
}

/// A frame: its length and its bytes.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// CBOR of a tag and byte strings.
fn cbor(tag: u8, strings: &[&[u8]]) -> Vec<u8> {
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.array(1 + strings.len() as u64).unwrap();
    encoder.u8(tag).unwrap();
    for string in strings {
        encoder.bytes(string).unwrap();
    }
    encoder.into_writer()
}

fn offer(tokens: usize) -> Vec<u8> {
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.array(2).unwrap().u8(1).unwrap();
    encoder.array(tokens as u64).unwrap();
    for _ in 0..tokens {
        encoder
            .bytes(&AuthorKey::generate().to_bytes()[..TOKEN_BYTES])
            .unwrap();
    }
    encoder.into_writer()
}

/// Says something on a stream of its own and gives all that is answered until its end.
async fn ask(connection: &Connection, said: Vec<u8>) -> Vec<u8> {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&said).await.unwrap();
    let mut heard = Vec::new();
    while let Ok(Some(bytes)) = receive.read_chunk(4096).await {
        heard.extend_from_slice(&bytes);
    }
    heard
}

#[tokio::test]
async fn a_stranger_hears_a_greeting_and_an_empty_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (node, topic) = alice(&folder).await;
    let code = node.code(&topic, Access::Read, true).await.unwrap();
    let stranger = Attacker::new().await;
    let dialled = stranger.dial(node.id(), code.hints()[0].addresses[0]);
    let connection = dialled.await.unwrap();
    let random = || *AuthorKey::generate().to_bytes();
    // A greeting and tokens; then a document's stream, and one about assignments, by guessing. The
    // topic, which a former member knows, is worth nothing without a key.
    let hello = cbor(0, &[&random()[..SALT_BYTES], &random()[..SALT_BYTES]]);
    let greeting = [frame(&hello), frame(&offer(16))].concat();
    let open = frame(&cbor(3, &[&topic.as_bytes()[..TOKEN_BYTES], &random()]));
    let assign = [frame(&cbor(32, &[])), frame(&cbor(0, &[&random()]))].concat();
    let conversation = async {
        let control = ask(&connection, greeting);
        let document = ask(&connection, open);
        let assignments = ask(&connection, assign);
        // In this order: the first stream is the one for control.
        tokio::join!(biased; control, document, assignments)
    };
    let (control, document, assignments) = tokio::time::timeout(PATIENCE, conversation)
        .await
        .expect("a stranger is let go in time");
    // Of equal length each time, whatever there is: salt and boot number, then a match of nothing.
    let hello_bytes = 4 + hello.len();
    assert_eq!(control.len(), hello_bytes + frame(&[0x82, 2, 0x80]).len());
    assert_eq!(control[hello_bytes..], frame(&[0x82, 2, 0x80]));
    assert_eq!(document, b"");
    assert_eq!(assignments, b"");
    let Some(ConnectionError::ApplicationClosed(close)) = connection.close_reason() else {
        panic!("the connection is closed by the device");
    };
    assert_eq!(close.error_code, STRANGER_CODE.into());
    node.shutdown(Duration::from_secs(1)).await;
}
