// SPDX-License-Identifier: GPL-3.0-or-later
//! Telling the rest of the node what was committed; on the writing thread, right after the commit.

use crate::access::TopicId;
use crate::events::Event;
use crate::operation::ForkProof;
use crate::pipeline::{Commits, Ingested, Mended};
use crate::shared::Shared;
use crate::store::Durability;

/// Tells the sessions and readers of a document of a committed batch.
pub(crate) fn announce_heights(
    commits: &Commits,
    topic: TopicId,
    ingested: &Ingested,
    durability: Durability,
) {
    commits.remember(topic, &ingested.stored, !ingested.opened.is_empty());
    if let Some(position) = ingested.position {
        let heads = ingested.heads.iter().map(|(author, head)| (*author, *head));
        commits.committed(topic, position, heads, durability);
    }
}

/// Tells everybody of a committed batch; called on the writing thread.
pub(super) fn announce(
    shared: &Shared,
    topic: TopicId,
    ingested: &Ingested,
    durability: Durability,
) {
    // First: whoever is woken opens the document under it.
    if let Some(incarnation) = ingested.incarnation {
        shared.set_incarnation(&topic, incarnation);
    }
    announce_heights(&shared.commits, topic, ingested, durability);
    if ingested.is_full {
        shared.replication.storage_changed();
    }
    for (&author, &operations) in &ingested.accepted {
        shared.events.emit(&Event::DocumentChanged {
            topic,
            author,
            operations,
        });
    }
    for (author, reason) in &ingested.refused {
        let reason = reason.clone();
        shared.events.emit(&Event::OperationRefused {
            topic,
            author: *author,
            reason,
        });
    }
    announce_forks(shared, topic, &ingested.proofs);
}

/// Tells of forks that have just been proved.
pub(super) fn announce_forks(shared: &Shared, topic: TopicId, proofs: &[ForkProof]) {
    shared.commits.forked(topic, proofs);
    for proof in proofs {
        shared.events.emit(&Event::Fork {
            topic,
            author: proof.author(),
            sequence: proof.sequence(),
        });
    }
}

/// Tells of what has become of our own log.
pub(super) fn announce_mended(shared: &Shared, topic: TopicId, mended: &Mended) {
    announce_forks(shared, topic, mended.proof.as_slice());
    if let Some(incarnation) = mended.incarnation {
        shared.set_incarnation(&topic, incarnation);
    }
    shared.commits.remember(topic, &[], true);
    if let Some((position, head)) = mended.head {
        shared
            .commits
            .committed(topic, position, [(shared.id, head)], Durability::Durable);
        shared.events.emit(&Event::DocumentChanged {
            topic,
            author: shared.id,
            operations: 1,
        });
    }
}
