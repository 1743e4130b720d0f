// SPDX-License-Identifier: GPL-3.0-or-later
//! Devices that keep copies of documents without being able to read them.

mod replica_dialog;
mod replicas_group;

use replica_dialog::ReplicaDialog;
pub use replicas_group::ReplicasGroup;
