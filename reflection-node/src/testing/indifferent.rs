// SPDX-License-Identifier: GPL-3.0-or-later
//! For tests to which it does not matter what operations say.

use rusqlite::Connection;

use crate::access::TopicId;
use crate::pipeline::{Application, Delivery, Processed, Refusal};
use crate::store::StoreError;

/// Takes everything and keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Indifferent;

impl Application for Indifferent {
    fn process(&mut self, _: &Connection, _: &Delivery<'_>) -> Result<Processed, Refusal> {
        Ok(Processed::Done)
    }

    fn deleted(&mut self, _: &Connection, _: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }
}
