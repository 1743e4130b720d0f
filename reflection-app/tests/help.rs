// SPDX-License-Identifier: GPL-3.0-or-later
//! What the program says on a terminal, in the language of whoever asks.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

/// D5: the help is translated as the screens are.
#[test]
fn the_help_speaks_the_language_of_whoever_asks() {
    let installed = Command::new("locale").arg("-a").output().unwrap();
    let installed = String::from_utf8_lossy(&installed.stdout).to_lowercase();
    if !installed.lines().any(|name| name == "de_de.utf8") {
        println!(
            "SKIPPED: this system has no locale of a language that there is a translation for"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let catalogues = folder.path().join("de/LC_MESSAGES");
    std::fs::create_dir_all(&catalogues).unwrap();
    let made = Command::new("msgfmt")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../po/de.po"))
        .arg("-o")
        .arg(catalogues.join("reflection.mo"))
        .status()
        .unwrap();
    assert!(made.success());
    let help = |language: &str| {
        let shown = Command::new(env!("CARGO_BIN_EXE_reflection"))
            .arg("--help")
            .env("REFLECTION_LOCALE_DIR", folder.path())
            // The locale of C has no translations, whatever the language is set to.
            .env("LC_ALL", "de_DE.UTF-8")
            .env("LANGUAGE", language)
            .output()
            .unwrap();
        assert!(shown.status.success());
        String::from_utf8(shown.stdout).unwrap()
    };
    assert!(help("en").contains("Keep everything in this folder"));
    let german = help("de");
    assert!(german.contains("Alles in diesem Ordner"), "{german}");
    assert!(!german.contains("Keep everything"), "{german}");
}
