// SPDX-License-Identifier: GPL-3.0-or-later
//! Who is there, as the running process tells it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::Person;

#[test]
fn people_come_and_go() {
    let (alice, bob) = (Person::new(), Person::new());
    alice.creates("# Minutes\n");
    let alices = alice.online();
    let code = alice.stdout(&["code", "@last"]);
    bob.joins(code.trim());
    let bobs = bob.online();
    let bob_id = bobs.ready["id"].clone();
    let came = alices.wait_for("author-online", |event| event["author"] == bob_id);
    let document = came["document"].clone();
    alices.wait_for("neighbor-up", |event| {
        event["peer"] == bob_id && event["document"] == document
    });
    bobs.terminate();
    alices.wait_for("author-offline", |event| {
        event["author"] == bob_id && event["document"] == document
    });
}
