// SPDX-License-Identifier: GPL-3.0-or-later
//! The replicas to which documents of this device are assigned.

use reflection_node::identity::AuthorId;
use reflection_node::replication::{AssignmentState, ReplicaInfo, Ticket};

use super::{Service, ServiceError};

/// A replica, and how far it has come with what it is to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Which peer.
    pub id: AuthorId,
    /// What it was called here; may be empty.
    pub name: String,
    /// Whether all documents are assigned to it, also those that come later.
    pub is_library: bool,
    /// How many documents it is to keep.
    pub documents: u32,
    /// Of how many of those it has confirmed everything that is here.
    pub complete: u32,
    /// Whether it takes nothing at present.
    pub has_trouble: bool,
    /// When it last answered, microseconds since 1970; 0 for never.
    pub contact_us: u64,
}

impl Replica {
    /// `None` where it is only still to be told that it is to keep nothing any more.
    fn of(info: &ReplicaInfo) -> Option<Self> {
        let assignments = info.assignments.iter();
        let kept = assignments.filter(|one| one.state != AssignmentState::Withdrawn);
        let is_complete =
            |state: AssignmentState, pending: u64| state == AssignmentState::Taken && pending == 0;
        let complete = kept
            .clone()
            .filter(|one| is_complete(one.state, one.pending));
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let replica = Self {
            id: info.replica,
            name: info.name.clone(),
            is_library: info.is_library,
            complete: count(complete.count()),
            documents: count(kept.count()),
            has_trouble: info.trouble.is_some(),
            contact_us: info.last_contact_us.unwrap_or(0),
        };
        (replica.is_library || replica.documents > 0).then_some(replica)
    }
}

impl Service {
    /// All replicas that are to keep something.
    pub async fn replicas(&self) -> Result<Vec<Replica>, ServiceError> {
        let replicas = self.library()?.node().replicas().await?;
        Ok(replicas.iter().filter_map(Replica::of).collect())
    }

    /// Has all documents, and those that come later, kept by the replica that gave out this ticket.
    /// A name that is empty leaves it the one that it has.
    pub async fn add_replica(&self, ticket: &Ticket, name: &str) -> Result<(), ServiceError> {
        Ok(self.library()?.node().assign(ticket, name, None).await?)
    }

    /// Has nothing kept by a replica any more. It drops its copies when it is reached next.
    pub async fn remove_replica(&self, replica: &AuthorId) -> Result<(), ServiceError> {
        Ok(self.library()?.node().withdraw(replica, None).await?)
    }
}

#[cfg(test)]
mod tests {
    use reflection_node::access::TopicId;
    use reflection_node::replication::Assignment;

    use super::*;

    fn replica(is_library: bool, assignments: &[(AssignmentState, u64)]) -> Option<Replica> {
        let assignment = |(state, pending): &(AssignmentState, u64)| Assignment {
            topic: TopicId::from_bytes([1; 32]),
            state: *state,
            acknowledged: 3,
            pending: *pending,
        };
        Replica::of(&ReplicaInfo {
            replica: AuthorId::from_bytes([2; 32]),
            name: String::new(),
            is_library,
            last_contact_us: None,
            trouble: None,
            assignments: assignments.iter().map(assignment).collect(),
        })
    }

    #[test]
    fn what_is_confirmed_is_complete() {
        use AssignmentState::{Refused, Taken, Waiting, Withdrawn};
        let all = [
            (Taken, 0),
            (Taken, 2),
            (Waiting, 0),
            (Refused, 1),
            (Withdrawn, 0),
        ];
        let counts = replica(false, &all).map(|replica| (replica.complete, replica.documents));
        assert_eq!(counts, Some((1, 4)));
        assert_eq!(replica(false, &[(Withdrawn, 0)]), None);
        assert!(replica(true, &[]).is_some(), "for what comes later");
    }
}
