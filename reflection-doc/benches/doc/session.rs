// SPDX-License-Identifier: GPL-3.0-or-later
//! Recorded sessions of people who wrote.
#![allow(dead_code)]

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;

/// Position, deleted characters, inserted text.
pub(crate) type Patch = (usize, usize, String);

#[derive(Deserialize)]
pub(crate) struct Transaction {
    pub(crate) patches: Vec<Patch>,
    /// The transactions that it was written upon, in recordings of several people.
    #[serde(default)]
    pub(crate) parents: Vec<usize>,
    #[serde(default)]
    pub(crate) agent: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    pub(crate) end_content: String,
    pub(crate) txns: Vec<Transaction>,
}

impl Trace {
    /// The session of this name. Panics where there is none.
    pub(crate) fn read(name: &str) -> Self {
        Self::find(name).unwrap_or_else(|| panic!("there is no trace {name}"))
    }

    /// The session of this name: of those that are kept here, or in the folder that
    /// `REFLECTION_TRACES` names.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|folder| folder.join("reflection-cli/tests/traces"))
            .find(|folder| folder.is_dir());
        let elsewhere = std::env::var_os("REFLECTION_TRACES").map(PathBuf::from);
        let file = kept
            .into_iter()
            .chain(elsewhere)
            .find_map(|folder| File::open(folder.join(format!("{name}.json.gz"))).ok())?;
        let mut json = String::new();
        GzDecoder::new(file).read_to_string(&mut json).unwrap();
        Some(serde_json::from_str(&json).unwrap())
    }

    /// All patches of one person, so many times one after the other.
    pub(crate) fn patches(&self, times: usize) -> impl Iterator<Item = (usize, usize, &str)> {
        let length = self.end_content.chars().count();
        (0..times).flat_map(move |round| {
            let patches = self.txns.iter().flat_map(|txn| &txn.patches);
            patches.map(move |(at, delete, insert)| (round * length + at, *delete, &**insert))
        })
    }

    /// Characters that were typed or pasted.
    pub(crate) fn inserted(&self) -> usize {
        let texts = self.patches(1).map(|(_, _, insert)| insert.chars().count());
        texts.sum()
    }

    /// For each transaction the newest one of each of two people that its writer had seen.
    pub(crate) fn seen(&self) -> Vec<[Option<usize>; 2]> {
        let mut all: Vec<[Option<usize>; 2]> = Vec::new();
        for transaction in &self.txns {
            let mut newest = [None, None];
            for &parent in &transaction.parents {
                for (agent, newest) in newest.iter_mut().enumerate() {
                    *newest = (*newest).max(all[parent][agent]);
                }
                let agent = self.txns[parent].agent;
                newest[agent] = newest[agent].max(Some(parent));
            }
            all.push(newest);
        }
        all
    }
}

/// The sessions by one person that are played key by key: the first three are kept here.
pub(crate) const SEQUENTIAL: [&str; 4] = [
    "sveltecomponent",
    "rustcode",
    "friendsforever_flat",
    "automerge-paper",
];
