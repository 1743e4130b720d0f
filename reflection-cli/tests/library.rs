// SPDX-License-Identifier: GPL-3.0-or-later
//! One person's library: searching it, bringing files in, taking files out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Person, stderr};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The files of a folder, with what they hold.
fn files(folder: &Path) -> BTreeMap<String, String> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn a_search_finds_titles_and_texts_with_and_without_a_running_process() {
    let alice = Person::new();
    alice.creates("# Minutes\n\nAnn brings the Käsekuchen.\n");
    alice.creates("# 会議の記録\n");
    let search_all = || {
        let found = alice.json(&["search", "ann", "kase"]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["title"], "Minutes");
        let snippet = found[0]["snippet"].as_str().unwrap();
        assert_eq!(snippet, "# Minutes Ann brings the Käsekuchen.");
        assert_eq!(found[0]["hits"], serde_json::json!([[10, 13], [25, 35]]));
        assert_eq!(alice.json(&["search", "会議"]).len(), 1);
        assert!(alice.json(&["search", "\"NEAR( -*"]).is_empty());
        assert!(alice.stdout(&["search", "ann"]).contains("Minutes"));
    };
    search_all();
    let online = alice.online();
    search_all();
    alice.stdout(&["edit", "@last", "--at", "0", "--insert", "Zebra "]);
    assert_eq!(alice.json(&["search", "zeb"]).len(), 1);
    alice.stdout(&["delete", "@last"]);
    assert!(alice.json(&["search", "zebra"]).is_empty());
    online.terminate();
}

#[test]
fn files_come_in_and_go_out_again() {
    let alice = Person::new();
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    std::fs::create_dir_all(from.join("deeper")).unwrap();
    std::fs::write(from.join("plan.md"), "\u{feff}# Plan\r\n\r\none").unwrap();
    std::fs::write(from.join("deeper/plan.TXT"), "Plan\n\ntwo").unwrap();
    let latin = b"Viele Gr\xfc\xdfe aus K\xf6ln, sch\xf6ne Ferien w\xfcnscht J\xfcrgen";
    std::fs::write(from.join("gruss.txt"), latin).unwrap();
    std::fs::write(from.join("picture.png"), b"\x89PNG\0").unwrap();
    std::fs::write(from.join(".hidden.md"), "hidden").unwrap();
    let imported = alice.json(&["import", from.to_str().unwrap()]);
    assert_eq!(imported.len(), 3);
    let refused = alice.run(&["import", from.join("picture.png").to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("not a text"),
        "{}",
        stderr(&refused)
    );

    let to = folder.path().join("to");
    let exported = alice.json(&["export", "--to", to.to_str().unwrap()]);
    assert_eq!(exported.len(), 3);
    let expected = BTreeMap::from(
        [
            ("Plan.md", "Plan\n\ntwo"),
            ("Plan (2).md", "# Plan\n\none"),
            (
                "Viele Grüße aus Köln, schöne Ferien wünscht Jürgen.md",
                "Viele Grüße aus Köln, schöne Ferien wünscht Jürgen",
            ),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned())),
    );
    assert_eq!(files(&to), expected);
    // Again, by the running process and a relative name: nothing doubles.
    let online = alice.online();
    let mut again = alice.command(&["export", "--to", "to"]);
    assert!(again.current_dir(folder.path()).status().unwrap().success());
    assert_eq!(files(&to), expected);
    let to = folder.path().join("pages");
    let pages = alice.json(&[
        "export",
        "@last",
        "--to",
        to.to_str().unwrap(),
        "--format",
        "html",
    ]);
    assert_eq!(pages.len(), 1);
    let page = std::fs::read_to_string(pages[0]["path"].as_str().unwrap()).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<h1>Plan</h1>"));
    online.terminate();
}

#[test]
fn an_empty_file_is_a_document_however_it_comes() {
    let alice = Person::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("empty.md"), "").unwrap();
    std::fs::write(path("mark.md"), "\u{feff}").unwrap();
    std::fs::write(path("utf-16.md"), b"\xff\xfeh\0i\0\r\0\n\0").unwrap();
    for name in ["empty.md", "mark.md"] {
        let imported = alice.json(&["import", &path(name)]);
        let imported = imported[0]["document"].as_str().unwrap();
        assert_eq!(alice.stdout(&["cat", imported]), "");
        alice.stdout(&["new", &path(name)]);
        assert_eq!(alice.cat(), "");
    }
    assert_eq!(alice.json(&["list"]).len(), 4);
    for command in ["import", "new"] {
        alice.stdout(&[command, &path("utf-16.md")]);
        assert_eq!(alice.cat(), "hi\n", "{command}");
    }
    std::fs::write(path("picture.png"), b"\x89PNG\0").unwrap();
    for command in ["import", "new"] {
        let refused = alice.run(&[command, &path("picture.png")]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains("it is not a text"), "{command}");
    }
}

/// Crashes during an import, each in a folder of its own.
const CRASHES: u64 = 12;
/// The seed of the moments at which they happen.
const SEED: u64 = 20_261_122;

#[test]
fn a_killed_import_leaves_whole_documents_alone() {
    let folder = tempfile::tempdir().unwrap();
    // Large enough to be split into several operations.
    let text = |number: usize| {
        let line = format!("document {number} 今日の会議\n");
        line.repeat(3_000_000 / line.len())
    };
    let mut sizes = Vec::new();
    for number in 0..4 {
        std::fs::write(folder.path().join(format!("{number}.md")), text(number)).unwrap();
        sizes.push(text(number).chars().count());
    }
    let mut random = StdRng::seed_from_u64(SEED);
    let mut interrupted = 0;
    for crash in 0..CRASHES {
        let alice = Person::new();
        let mut import = alice
            .command(&["--json", "import", folder.path().to_str().unwrap()])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Somewhere between the beginning and the end of some document: as soon as the database
        // has grown to a size.
        let size = random.random_range(0..6_000_000);
        let grown = || {
            let bytes =
                |name| std::fs::metadata(alice.data().join(name)).map_or(0, |file| file.len());
            bytes("database.sqlite") + bytes("database.sqlite-wal") >= size
        };
        common::eventually("the import writes", || {
            grown() || import.try_wait().unwrap().is_some()
        });
        import.kill().unwrap();
        import.wait().unwrap();
        let listed = alice.json(&["list"]);
        interrupted += usize::from(listed.len() < sizes.len());
        for document in listed {
            let chars = usize::try_from(document["chars"].as_u64().unwrap()).unwrap();
            assert!(sizes.contains(&chars), "crash {crash}: a part of a file");
        }
    }
    assert!(interrupted > 0, "no crash was early enough");
}

#[test]
fn a_package_gets_completions_and_manual_pages() {
    let alice = Person::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(alice.stdout(&["completions", shell]).contains("import"));
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("man");
    alice.stdout(&["manual", "--to", to.to_str().unwrap()]);
    let pages = files(&to);
    assert!(pages["reflection-cli.1"].contains("without a screen"));
    assert!(pages["reflection-cli-search.1"].contains("WORDS"));
    assert!(!alice.data().exists(), "nothing is opened for that");
}

#[test]
fn a_version_can_be_named_looked_at_compared_and_brought_back() {
    let alice = Person::new();
    alice.creates("one two three\n");
    alice.stdout(&["history", "@last", "--name", "Sent to Bob"]);
    alice.stdout(&[
        "edit", "@last", "--at", "4", "--delete", "3", "--insert", "2",
    ]);
    let check = || {
        let history = alice.json(&["history", "@last"]);
        let named: Vec<_> = history
            .iter()
            .filter(|version| version["names"][0] == "Sent to Bob")
            .collect();
        assert_eq!(named.len(), 1);
        assert_eq!(named[0]["author"], alice.json(&["id"])[0]["id"]);
        assert!(named[0]["time"].as_str().unwrap().contains('T'));
        let version = named[0]["version"].as_str().unwrap();
        for wanted in ["Sent to Bob", version] {
            let text = alice.stdout(&["cat", "@last", "--version", wanted]);
            assert_eq!(text, "one two three\n");
        }
        let now = history.last().unwrap()["version"].as_str().unwrap();
        let text = alice.stdout(&["cat", "@last", "--version", now]);
        assert_eq!(text, "one 2 three\n");
        let shown = alice.stdout(&["diff", "@last", version, now]);
        assert_eq!(shown, "one [-two-]{+2+} three\n");
        let parts = alice.json(&["diff", "@last", version, now]);
        assert_eq!(parts[1]["change"], "removed");
    };
    check();
    let online = alice.online();
    check();
    alice.stdout(&["restore", "@last", "Sent to Bob"]);
    assert_eq!(alice.cat(), "one two three\n");
    let runs = alice.json(&["blame", "@last"]);
    assert_eq!(runs[0]["from"], 0);
    assert_eq!(runs.last().unwrap()["to"], 14);
    assert_eq!(runs[0]["author"], online.ready["id"]);
    let wrong = alice.run(&["cat", "@last", "--version", "ffffffff"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("no such version"));
    online.terminate();
}

#[test]
fn options_may_stand_behind_the_words_of_a_search() {
    let alice = Person::new();
    alice.creates("# Minutes\nwith zygomorphic flowers\n");
    let found = alice.stdout(&["search", "zygomorphic", "--json"]);
    assert!(
        found.starts_with('{') && found.contains("Minutes"),
        "{found}"
    );
    let wrong = alice.run(&["search", "--bogus"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&wrong.stderr).lines().count(), 1);
}
