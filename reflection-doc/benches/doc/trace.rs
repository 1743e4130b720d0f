// SPDX-License-Identifier: GPL-3.0-or-later
//! Recorded sessions, played through an engine and through the CRDT alone.

use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use loro::{ExportMode, LoroDoc, VersionVector};
use reflection_doc::engine::Engine;
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::operation::{Kind, OperationId};
use reflection_node::pipeline::Delivered;
use serde::Deserialize;

pub(crate) const TOPIC: TopicId = TopicId::from_bytes([7; 32]);

/// Position, deleted characters, inserted text.
pub(crate) type Patch = (usize, usize, String);

#[derive(Deserialize)]
pub(crate) struct Transaction {
    pub(crate) patches: Vec<Patch>,
    /// The transactions that it was written upon, in recordings of several people.
    #[serde(default)]
    pub(crate) parents: Vec<usize>,
    #[serde(default)]
    pub(crate) agent: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    pub(crate) end_content: String,
    pub(crate) txns: Vec<Transaction>,
}

impl Trace {
    pub(crate) fn read(name: &str) -> Self {
        let folder =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../reflection-cli/tests/traces");
        let file = std::fs::File::open(folder.join(format!("{name}.json.gz"))).unwrap();
        let mut json = String::new();
        GzDecoder::new(file).read_to_string(&mut json).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    /// All patches of one person, so many times one after the other.
    pub(crate) fn patches(&self, times: usize) -> impl Iterator<Item = (usize, usize, &str)> {
        let length = self.end_content.chars().count();
        (0..times).flat_map(move |round| {
            let patches = self.txns.iter().flat_map(|txn| &txn.patches);
            patches.map(move |(at, delete, insert)| (round * length + at, *delete, &**insert))
        })
    }

    /// Characters that were typed or pasted.
    pub(crate) fn inserted(&self) -> usize {
        let texts = self.patches(1).map(|(_, _, insert)| insert.chars().count());
        texts.sum()
    }
}

pub(crate) fn author(number: u8) -> AuthorId {
    AuthorId::from_bytes([number; 32])
}

pub(crate) fn engine(number: u8) -> Engine {
    Engine::new(author(number), &TOPIC, 0)
}

/// A body as it comes from the stream of a document.
pub(crate) fn delivered(author: AuthorId, body: Vec<u8>) -> Delivered {
    Delivered {
        position: 1,
        id: OperationId::from_bytes([0; 32]),
        author,
        sequence: 0,
        time_us: 0,
        kind: Kind::Edit,
        incarnation: 0,
        body,
    }
}

/// An engine in which the patches were typed, and the operations of each.
pub(crate) fn typed(
    number: u8,
    patches: impl Iterator<Item = (usize, usize, impl AsRef<str>)>,
) -> (Engine, Vec<Delivered>) {
    let mut engine = engine(number);
    let mut operations = Vec::new();
    for (at, delete, insert) in patches {
        engine.edit(at, delete, insert.as_ref()).unwrap();
        let bodies = engine.take_changes().into_iter();
        operations.extend(bodies.map(|body| delivered(author(number), body)));
    }
    (engine, operations)
}

/// The CRDT alone, as it would be used for the same.
pub(crate) struct Bare {
    pub(crate) doc: LoroDoc,
    told: VersionVector,
}

impl Bare {
    pub(crate) fn new() -> Self {
        let doc = LoroDoc::new();
        Self {
            told: doc.oplog_vv(),
            doc,
        }
    }

    /// An edit and the bytes that others have to be told.
    pub(crate) fn edit(&mut self, at: usize, delete: usize, insert: &str) -> Vec<u8> {
        let text = self.doc.get_text("text");
        if delete > 0 {
            text.delete(at, delete).unwrap();
        }
        if !insert.is_empty() {
            text.insert(at, insert).unwrap();
        }
        self.doc.commit();
        let bytes = self.doc.export(ExportMode::updates(&self.told)).unwrap();
        self.told = self.doc.oplog_vv();
        bytes
    }
}
