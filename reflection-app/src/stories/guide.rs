// SPDX-License-Identifier: GPL-3.0-or-later
//! What the guide calls by its label is on the screen under that label.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The chapter whose bold words are the persons it speaks of, and no labels.
const WITHOUT_LABELS: &str = "privacy.md";

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every message of the program, without the marks of keys; the template is made of the sources.
fn messages() -> BTreeSet<String> {
    let template = fs::read_to_string(checkout().join("po/reflection.pot")).unwrap();
    let mut messages = BTreeSet::new();
    let mut present: Option<String> = None;
    for line in template.lines() {
        let quoted = |line: &str| line.trim_matches('"').replace("\\\"", "\"");
        let begun = ["msgid ", "msgid_plural "]
            .iter()
            .find_map(|word| line.strip_prefix(word));
        match (begun, &mut present) {
            (Some(begun), _) => {
                messages.extend(present.replace(quoted(begun)));
            }
            (None, Some(present)) if line.starts_with('"') => present.push_str(&quoted(line)),
            _ => messages.extend(present.take()),
        }
    }
    messages.extend(present);
    messages
        .iter()
        .map(|message| message.replace('_', ""))
        .collect()
}

/// The words between two marks.
fn between<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.split(mark).skip(1).step_by(2).collect()
}

/// The first column of the tables that are headed so.
fn first_column<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let cell = |line: &'a str| line.split('|').nth(1).unwrap_or_default().trim();
    let mut lines = text.lines();
    let mut cells = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with('|') && cell(line) == heading {
            let rows = lines.by_ref().take_while(|line| line.starts_with('|'));
            cells.extend(rows.skip(1).map(cell));
        }
    }
    cells
}

/// D7, issue: somebody who follows the guide finds each label as it is written there.
#[test]
fn each_label_in_the_guide_is_one_of_the_program() {
    let messages = messages();
    let mut labels = BTreeSet::new();
    for entry in fs::read_dir(checkout().join("docs/guide"))
        .unwrap()
        .flatten()
    {
        let (name, text) = (entry.file_name(), fs::read_to_string(entry.path()).unwrap());
        if name != WITHOUT_LABELS {
            let bold = between(&text, "**");
            // A sentence is no label.
            let bold = bold.into_iter().filter(|words| !words.ends_with('.'));
            labels.extend(
                bold.flat_map(|path| path.split('→'))
                    // Where a line of the guide ends, the label goes on.
                    .map(|label| label.split_whitespace().collect::<Vec<_>>().join(" ")),
            );
        }
        labels.extend(
            first_column(&text, "it says")
                .into_iter()
                .map(str::to_owned),
        );
        labels.extend(first_column(&text, "choose").into_iter().map(str::to_owned));
    }
    assert!(labels.len() > 20, "the guide names labels: {labels:?}");
    let with_count = |label: &str| label.replace('2', "{count}");
    let unknown: Vec<_> = labels
        .iter()
        .filter(|label| !messages.contains(*label) && !messages.contains(&with_count(label)))
        .collect();
    assert!(unknown.is_empty(), "not on the screen: {unknown:?}");
}
