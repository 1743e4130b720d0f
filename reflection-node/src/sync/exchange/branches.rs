// SPDX-License-Identifier: GPL-3.0-or-later
//! Logs that the peer holds in another form: our own is fetched and joined, those of others are
//! fetched and kept aside until their authors have joined them.

use std::collections::{BTreeSet, VecDeque};

use super::{Action, Exchange, ExchangeError, Progress};
use crate::identity::AuthorId;
use crate::operation::Operation;
use crate::store::forms::{FORM_BYTES_MAX, Form};

/// Most bytes of our own log that are taken from a peer that holds it in another form.
const BRANCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is known and done about other forms of logs.
#[derive(Default)]
pub(super) struct Branches {
    /// What has come of the form that was asked for, and its size.
    branch: Vec<Operation>,
    bytes: usize,
    /// Forms that have come whole, to be joined or kept.
    whole: VecDeque<(Option<Form>, Vec<Operation>)>,
    is_at_work: bool,
    /// Whether the end of the peer's form of our own log has been compared with ours.
    is_compared: bool,
    /// Authors whose logs the peer may hold in another form.
    contested: BTreeSet<AuthorId>,
    /// Forms that are perhaps not here.
    pub(super) candidates: Vec<Form>,
    is_looking: bool,
}

impl Branches {
    /// One whole form waits at most.
    pub(super) fn has_room(&self) -> bool {
        self.whole.is_empty()
    }

    /// Whether nothing is left to be done with what has come.
    pub(super) fn is_idle(&self) -> bool {
        let is_done = !self.is_at_work && !self.is_looking;
        is_done && self.whole.is_empty() && self.candidates.is_empty()
    }
}

impl Exchange {
    /// The peer may hold the logs of these in another form.
    pub(super) fn contest(&mut self, authors: impl IntoIterator<Item = AuthorId>) {
        let own = self.own;
        let others = authors.into_iter().filter(|author| *author != own);
        self.branches.contested.extend(others);
    }

    pub(super) fn take_branch(
        &mut self,
        header: Vec<u8>,
        body: Vec<u8>,
    ) -> Result<(), ExchangeError> {
        match Operation::decode(header, body) {
            Ok(operation) => {
                let most = if operation.author() == self.own {
                    BRANCH_BYTES_MAX
                } else {
                    FORM_BYTES_MAX
                };
                self.branches.bytes += operation.len_bytes();
                if self.branches.bytes > most {
                    return Err(ExchangeError::BranchTooLarge);
                }
                self.branches.branch.push(operation);
                Ok(())
            }
            Err(error) => self.refuse(vec![(self.peer, error)]),
        }
    }

    pub(super) fn end_branch(&mut self, form: Option<Form>) {
        self.branches.bytes = 0;
        let branch = std::mem::take(&mut self.branches.branch);
        if !branch.is_empty() {
            self.branches.whole.push_back((form, branch));
        }
    }

    /// What is to be done next about other forms of logs.
    pub(super) fn next_about_forms(&mut self) -> Option<Action> {
        if !self.branches.is_at_work
            && let Some((form, branch)) = self.branches.whole.pop_front()
        {
            self.branches.is_at_work = true;
            return Some(match form {
                Some(form) if form.0 != self.own => Action::Keep(form, branch),
                _ => Action::Mend(branch),
            });
        }
        if !self.branches.is_compared
            && let Some(head) = self.session.own_head()
        {
            self.branches.is_compared = true;
            return Some(Action::Compare(head));
        }
        if self.progress == Progress::Finished {
            // Only now: until then the peer's log may be ours and go on.
            for author in std::mem::take(&mut self.branches.contested) {
                let other = self.session.other_head(&author);
                let form = other.map(|head| (author, head));
                self.branches.candidates.extend(form);
            }
        }
        if !self.branches.is_looking
            && self.progress == Progress::Finished
            && !self.branches.candidates.is_empty()
        {
            self.branches.is_looking = true;
            let candidates = std::mem::take(&mut self.branches.candidates);
            return Some(Action::Look(candidates));
        }
        None
    }

    /// Takes the result of [`Action::Compare`]: whether our own log is another one.
    pub(crate) fn compared(&mut self, is_forked: bool) {
        if is_forked {
            self.session.ask_own();
        }
    }

    /// Takes the result of [`Action::Look`]: the forms that are not here.
    pub(crate) fn lacking(&mut self, forms: Vec<Form>) {
        self.branches.is_looking = false;
        for form in forms {
            self.session.ask_form(form);
        }
    }

    /// Takes the result of [`Action::Mend`].
    pub(crate) fn mended(&mut self) {
        self.branches.is_at_work = false;
        self.session.recover(&self.own);
    }

    /// Takes the result of [`Action::Keep`].
    pub(crate) fn kept(&mut self) {
        self.branches.is_at_work = false;
    }

    /// Takes the forms that are kept aside here, for the peer to know.
    pub(crate) fn keeps(&mut self, forms: &[Form]) {
        self.session.keeps(forms);
    }
}
