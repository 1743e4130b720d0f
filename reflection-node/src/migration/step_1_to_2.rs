// SPDX-License-Identifier: GPL-3.0-or-later
//! From version 1 to 2: a log may begin later than at 0 (compaction), it is kept when an operation
//! was accepted here (replay from a point in time), and refused operations name their place.
//!
//! What is there already gets the values that are true of it: logs begin at 0, and the time of
//! acceptance is not known. The columns are those of `store/schema.rs`, in the same order.

use rusqlite::Connection;

const CHANGES: &str = "
ALTER TABLE operations ADD COLUMN accepted_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE logs ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
ALTER TABLE refused ADD COLUMN author BLOB NOT NULL DEFAULT x'';
ALTER TABLE refused ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
";

pub(super) fn run(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(CHANGES)
}
