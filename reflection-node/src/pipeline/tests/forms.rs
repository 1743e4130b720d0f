// SPDX-License-Identifier: GPL-3.0-or-later
//! Forms of others' logs that are kept aside until their authors have joined them.

use super::*;
use crate::store::forms::{self, Form};
use crate::sync::heights::Head;
use crate::sync::session::Request;

/// Where a log ends.
fn end(log: &[Operation]) -> Form {
    let last = log.last().unwrap();
    let head = Head {
        next: last.header().sequence + 1,
        id: last.id(),
        base: 0,
    };
    (last.author(), head)
}

fn ids(log: &[Operation]) -> Vec<OperationId> {
    log.iter().map(Operation::id).collect()
}

impl Machine {
    fn replica(keys: &DocumentKeys) -> Self {
        Self::new(&keys.to_replica())
    }

    /// Is given a form of somebody's log that is said to end so. Gives whether it is kept.
    fn is_given(&self, form: &Form, log: &[Operation]) -> bool {
        let (verified, refused) =
            verify_batch(&self.keys, &mut VerifyingKeys::default(), log.to_vec());
        assert!(refused.is_empty());
        keep(
            &self.connection,
            &self.processor,
            &self.keys,
            form,
            verified,
        )
        .unwrap()
        .is_some()
    }

    fn keeps(&self, log: &[Operation]) -> bool {
        self.is_given(&end(log), log)
    }

    fn kept(&self) -> Vec<Form> {
        forms::ends(&self.connection, self.document().row).unwrap()
    }

    fn lacks(&self, form: Form) -> bool {
        let row = self.document().row;
        let own = self.processor.key.id();
        let lacking = forms::lacking(&self.connection, row, &own, vec![form]).unwrap();
        lacking == [form]
    }

    /// What a peer gets who asks for a form.
    fn hands_out(&self, (author, head): Form) -> Vec<Operation> {
        let request = Request {
            author,
            from: 0,
            count: head.next,
            is_answer: true,
            form: Some(head),
        };
        operations::ranges(&self.connection, self.document().row, &[request]).unwrap()
    }
}

#[test]
fn a_form_goes_through_somebody_who_cannot_take_it_to_its_author_and_is_kept_until_it_is_joined() {
    let keys = keys();
    let key = AuthorKey::generate();
    let mut author = Machine::with_key(&keys, &key);
    let lost = log(&key, &keys, None, &["common", "lost", "lost2"]);
    author.hears(&lost[..1]);
    author.says(Kind::Edit, b"found");
    let (mut between, mut replica) = (Machine::new(&keys), Machine::replica(&keys));
    for machine in [&mut between, &mut replica] {
        machine.hears(&author.log(&key.id()));
        assert!(machine.lacks(end(&lost)) && machine.keeps(&lost));
        assert!(!machine.lacks(end(&lost)) && !machine.keeps(&lost));
        assert!(!machine.lacks(end(&lost[..2])), "it is in what is kept");
        assert!(!machine.lacks(end(&author.log(&key.id()))), "it is the log");
        assert_eq!(ids(&machine.hands_out(end(&lost))), ids(&lost));
        assert_eq!(
            machine.sequences(&key.id()),
            [0, 1],
            "the log stays as it is"
        );
    }
    // A compaction of what the author has is no reason to forget what it lacks. A replica cannot
    // know, and takes it again from whoever refuses that compaction.
    author.says(Kind::Edit, b"more");
    author.says(Kind::Compaction, b"common found more");
    between.hears(&author.log(&key.id()));
    assert_eq!(between.kept(), [end(&lost)]);
    replica.hears(&author.log(&key.id()));
    assert!(replica.kept().is_empty() && replica.keeps(&lost));
    assert!(author.lacks(end(&lost)));
    author.mends(&between.hands_out(end(&lost)));
    for machine in [&mut between, &mut replica] {
        let heard = machine.hears(&author.log(&key.id()));
        assert_eq!(heard.forms, Some(Vec::new()));
        assert!(machine.kept().is_empty());
        assert!(machine.hands_out(end(&lost)).is_empty());
    }
    assert!(!between.keeps(&lost), "all it says is said");
    let said = author.own_words();
    assert!(
        ["common", "found", "more", "lost", "lost2"]
            .iter()
            .all(|word| said.contains(&(*word).into()))
    );
}

#[test]
fn what_is_not_one_whole_form_of_a_log_that_is_here_is_not_kept() {
    let keys = keys();
    let (key, stranger) = (AuthorKey::generate(), AuthorKey::generate());
    let mut machine = Machine::new(&keys);
    machine.hears(&log(&key, &keys, None, &["here"]));
    let whole = log(&key, &keys, None, &["a", "b", "c"]);
    let other = log(&key, &keys, None, &["x", "b", "c"]);
    let gap = [whole[0].clone(), whole[2].clone()];
    let spliced = [other[0].clone(), whole[1].clone(), whole[2].clone()];
    for wrong in [
        &[] as &[Operation],
        &whole[1..],
        &whole[..2],
        &gap,
        &spliced,
    ] {
        assert!(!machine.is_given(&end(&whole), wrong));
    }
    assert!(
        !machine.keeps(&log(&stranger, &keys, None, &["x"])),
        "no log of theirs is here"
    );
    let own = machine.processor.key.clone();
    machine.says(Kind::Edit, b"mine");
    assert!(
        !machine.keeps(&log(&own, &keys, None, &["mine too"])),
        "our own is joined instead"
    );
    assert!(machine.kept().is_empty());
    assert!(machine.keeps(&whole));
    // What goes on from there takes its place.
    let longer = [whole.clone(), log(&key, &keys, whole.last(), &["d"])].concat();
    assert!(machine.keeps(&longer));
    assert_eq!(machine.kept(), [end(&longer)]);
}

#[test]
fn forms_are_bounded_and_go_with_their_document() {
    let keys = keys();
    let key = AuthorKey::generate();
    let mut machine = Machine::new(&keys);
    machine.hears(&log(&key, &keys, None, &["here"]));
    let form = |number: u32| log(&key, &keys, None, &[&number.to_string()]);
    let kept = (0..20)
        .filter(|&number| machine.keeps(&form(number)))
        .count();
    assert_eq!(kept, 8);
    assert!(
        !machine.lacks(end(&form(50))),
        "nothing is asked for that finds no room"
    );
    let large = "x".repeat(1_000_000);
    let other = AuthorKey::generate();
    machine.hears(&log(&other, &keys, None, &["here"]));
    let bodies = vec![large.as_str(); 9];
    assert!(
        !machine.keeps(&log(&other, &keys, None, &bodies)),
        "a form is too large"
    );
    let authors: Vec<AuthorKey> = (0..8).map(|_| AuthorKey::generate()).collect();
    let kept = authors.iter().filter(|author| {
        machine.hears(&log(author, &keys, None, &["here"]));
        machine.keeps(&log(author, &keys, None, &bodies[..7]))
    });
    assert_eq!(kept.count(), 4, "a document's forms are too large");
    documents::delete(&machine.connection, &keys.topic()).unwrap();
    for table in ["forms", "form_operations"] {
        let count = format!("SELECT count(*) FROM {table}");
        let left: i64 = machine
            .connection
            .query_row(&count, [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 0);
    }
}
