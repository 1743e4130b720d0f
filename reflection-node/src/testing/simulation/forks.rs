// SPDX-License-Identifier: GPL-3.0-or-later
//! Logs that go on in two ways: what sessions find out about them, and what becomes of them.

use super::Person;
use super::world::World;
use crate::pipeline::Mended;
use crate::store::StoreError;
use crate::store::forms::{self, Form};
use crate::sync::driver::is_forked;
use crate::sync::heights::Head;

impl<P: Person> World<P> {
    pub(super) fn compare(&mut self, number: u64, head: Head) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        let person = &self.people[end.who];
        let Some(running) = &person.running else {
            return;
        };
        let connection = &running.committer.connection;
        let is_forked = is_forked(connection, running.row, &person.id, &head).unwrap();
        end.exchange.compared(is_forked);
        self.act(number);
    }

    pub(super) fn examined(&mut self, number: u64, result: Result<(), StoreError>) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        match result {
            Ok(()) => {
                end.exchange.examined();
                self.act(number);
            }
            Err(error) => self.failed_to_store(number, &error),
        }
    }

    pub(super) fn mended(&mut self, number: u64, result: Result<Mended, StoreError>) {
        // It happened to the log, whether or not the session is still there.
        match result {
            Ok(mended) => self.count().mended += u64::from(mended.head.is_some()),
            Err(_) => self.count().failed_writes += 1,
        }
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        end.exchange.mended();
        self.act(number);
    }

    /// Which of these forms are not here is looked up.
    pub(super) fn look(&mut self, number: u64, forms: Vec<Form>) {
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        let person = &self.people[end.who];
        let Some(running) = &person.running else {
            return;
        };
        let connection = &running.committer.connection;
        let lacking = forms::lacking(connection, running.row, &person.id, forms).unwrap();
        end.exchange.lacking(lacking);
        self.act(number);
    }

    pub(super) fn kept(
        &mut self,
        who: usize,
        number: u64,
        result: &Result<Option<Vec<Form>>, StoreError>,
    ) {
        match result {
            Ok(Some(_)) => {
                self.count().kept += 1;
                self.news_of(who);
            }
            Ok(None) => {}
            Err(_) => self.count().failed_writes += 1,
        }
        let Some(end) = self.talks.ends.get_mut(&number) else {
            return;
        };
        end.exchange.kept();
        self.act(number);
    }
}
