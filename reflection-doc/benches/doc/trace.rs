// SPDX-License-Identifier: GPL-3.0-or-later
//! Recorded sessions, played through an engine and through the CRDT alone.

use loro::{ExportMode, LoroDoc, VersionVector};
use reflection_doc::engine::Engine;
use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::operation::{Kind, OperationId};
use reflection_node::pipeline::Delivered;

use super::session::SEQUENTIAL;
pub(crate) use super::session::Trace;

pub(crate) const TOPIC: TopicId = TopicId::from_bytes([7; 32]);

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
    let operations = typed_into(&mut engine, number, patches);
    (engine, operations)
}

/// The same in a document that somebody has written to.
pub(crate) fn typed_into(
    engine: &mut Engine,
    number: u8,
    patches: impl Iterator<Item = (usize, usize, impl AsRef<str>)>,
) -> Vec<Delivered> {
    let mut operations = Vec::new();
    for (at, delete, insert) in patches {
        engine.edit(at, delete, insert.as_ref()).unwrap();
        let bodies = engine.take_changes().into_iter();
        operations.extend(bodies.map(|body| delivered(author(number), body)));
    }
    operations
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

/// The longest session by one person that is here, with its name.
pub(crate) fn longest() -> (&'static str, Trace) {
    let found = SEQUENTIAL
        .iter()
        .rev()
        .find_map(|name| Some((*name, Trace::find(name)?)));
    found.unwrap()
}
