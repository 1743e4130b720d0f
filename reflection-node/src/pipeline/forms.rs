// SPDX-License-Identifier: GPL-3.0-or-later
//! Forms of others' logs that cannot be taken, because the log goes on in another way here: kept
//! aside until their authors have joined them, and handed to whoever lacks them.
//!
//! Whether they have is seen by what their logs say then, where that can be read; a replica believes
//! the author who opens a log anew above the place.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

use super::application::{Branches, read_all};
use super::{Delivered, Processor, Verified, open_operation};
use crate::access::DocumentKeys;
use crate::identity::AuthorId;
use crate::operation::Operation;
use crate::replication::quota::Room;
use crate::shared::now_us;
use crate::store::documents::StoredDocument;
use crate::store::forms::{self, Form};
use crate::store::{StoreError, documents, operations};

/// Keeps a form whose operations were checked one by one; runs on the writing thread. Gives all that
/// are kept of the document if this one is.
pub(crate) fn keep(
    connection: &Connection,
    processor: &Processor,
    keys: &DocumentKeys,
    form: &Form,
    log: Vec<Verified>,
) -> Result<Option<Vec<Form>>, StoreError> {
    let Some(document) = documents::find(connection, &keys.topic())? else {
        return Ok(None);
    };
    let (author, head) = form;
    let log: Vec<Operation> = log.into_iter().map(|one| one.operation).collect();
    let bytes: usize = log.iter().map(Operation::len_bytes).sum();
    let is_wanted = *author != processor.key.id()
        && is_whole(form, &log)
        && forms::is_lacking(connection, document.row, author, head)?
        && forms::has_room(connection, document.row, author, bytes)?
        && Room::of(connection, document.row)?.take(bytes);
    if !is_wanted || is_said(connection, processor, &document, *author, &log)? == Some(true) {
        return Ok(None);
    }
    forms::add(connection, document.row, form, &log)?;
    forms::ends(connection, document.row).map(Some)
}

/// An author's log was opened anew: forms of it that this says too need not be kept any longer. Gives
/// all that are kept still if that has changed.
pub(super) fn review(
    connection: &Connection,
    processor: &Processor,
    document: &StoredDocument,
    author: AuthorId,
    opening: u64,
) -> Result<Option<Vec<Form>>, StoreError> {
    let mut has_changed = false;
    for (number, (_, head)) in forms::of_log(connection, document.row, &author)? {
        if head.next > opening {
            continue;
        }
        let log = forms::read(connection, number, 0, u64::MAX, usize::MAX)?;
        if is_said(connection, processor, document, author, &log)? != Some(false) {
            forms::remove(connection, number)?;
            has_changed = true;
        }
    }
    if has_changed {
        forms::ends(connection, document.row).map(Some)
    } else {
        Ok(None)
    }
}

/// Whether these are one log from its opening to the end that is told.
fn is_whole((author, head): &Form, log: &[Operation]) -> bool {
    let mut before: Option<&Operation> = None;
    for operation in log {
        let header = operation.header();
        let is_next = match before {
            None => header.opens_log(),
            Some(before) => {
                header.sequence == before.header().sequence + 1
                    && header.backlink == Some(before.id())
            }
        };
        if header.author != *author || !is_next {
            return false;
        }
        before = Some(operation);
    }
    before.is_some_and(|last| last.id() == head.id && last.header().sequence + 1 == head.next)
}

/// Whether the log as it is here says all that this form of it says; `None` where that cannot be
/// read. Looked at only where the log was opened anew above the form, so that it may be.
fn is_said(
    connection: &Connection,
    processor: &Processor,
    document: &StoredDocument,
    author: AuthorId,
    log: &[Operation],
) -> Result<Option<bool>, StoreError> {
    let author_row = operations::find_author_row(connection, &author)?;
    let head = match author_row {
        Some(row) => operations::head(connection, document.row, row)?,
        None => None,
    };
    let end = log.last().map_or(0, |last| last.header().sequence + 1);
    if head.is_none_or(|head| head.base < end) {
        return Ok(Some(false));
    }
    let Some(compactor) = processor.application.compactor() else {
        return Ok(None);
    };
    let theirs: Result<Vec<Delivered>, StoreError> = log
        .iter()
        .map(|operation| open_operation(&document.keys, 0, operation))
        .collect();
    let Ok(theirs) = theirs else {
        return Ok(None);
    };
    let (ours, others): (Vec<Delivered>, Vec<Delivered>) =
        read_all(connection, document.row, &document.keys)?
            .into_iter()
            .partition(|operation| operation.author == author);
    let branches = Branches {
        topic: document.keys.topic(),
        author,
        others: &others,
        ours: &ours,
        theirs: &theirs,
        incarnation: now_us(),
    };
    // What cannot be joined is for its author to judge.
    let joined = catch_unwind(AssertUnwindSafe(|| compactor.mend(&branches))).unwrap_or(None);
    Ok(Some(joined.is_some_and(|joined| joined.is_theirs_in_ours)))
}
