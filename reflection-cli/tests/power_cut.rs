// SPDX-License-Identifier: GPL-3.0-or-later
//! The power fails: the disk holds what the program synchronised, and nothing else. Nothing that
//! was acknowledged may be missing, and nothing that others have heard.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Online, Person, eventually, states, trace};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

/// Cuts while somebody writes alone, each with a disk of its own.
const CUTS: u64 = 6;
/// Cuts while somebody else listens.
const CUTS_ONLINE: u64 = 2;
/// The seed of the moments.
const SEED: u64 = 20_261_122;
const TRACE: &str = "sveltecomponent.json.gz";
/// Edits a second.
const RATE: &str = "3000";

/// A disk that forgets, in front of somebody's folder.
struct Disk {
    folder: TempDir,
    live: PathBuf,
}

impl Disk {
    fn below(person: &Person) -> Self {
        std::fs::create_dir_all(person.data()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let outcome = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(folder.path().join("disk.so"))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power_cut/disk.c"))
            .arg("-ldl")
            .status()
            .unwrap();
        assert!(outcome.success(), "cc makes the disk");
        Self {
            folder,
            live: person.data().canonicalize().unwrap(),
        }
    }

    /// Puts a program on this disk.
    fn put(&self, mut command: Command) -> Command {
        command
            .env("LD_PRELOAD", self.folder.path().join("disk.so"))
            .env("POWER_CUT_LIVE", &self.live)
            .env("POWER_CUT_DISK", self.folder.path().join("disk"));
        command
    }

    /// Leaves what the disk holds; the programs have ended.
    fn forget(&self) {
        std::fs::remove_dir_all(&self.live).unwrap();
        copy(&self.folder.path().join("disk"), &self.live);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else if entry.path().extension().is_none_or(|end| end != "part") {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Plays the trace and calls `end` after so many acknowledgements. Gives the edits acknowledged.
fn play(mut command: Command, lines_before_end: usize, end: impl FnOnce(&mut Child)) -> usize {
    let mut player = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(player.stdout.take().unwrap()).lines();
    let mut acked = 0;
    let read = |line: String, acked: &mut usize| {
        if let Some(Ok(number)) = line.strip_prefix("acked ").map(str::parse) {
            *acked = number;
        }
    };
    for _ in 0..lines_before_end {
        let Some(Ok(line)) = lines.next() else { break };
        read(line, &mut acked);
    }
    end(&mut player);
    // What it still managed to say counts too.
    for line in lines.map_while(Result::ok) {
        read(line, &mut acked);
    }
    let _ = player.kill();
    player.wait().unwrap();
    acked
}

fn arguments(file: &Path) -> [&str; 6] {
    let file = file.to_str().unwrap();
    ["play", "@last", file, "--ack", "--rate", RATE]
}

/// How many edits of the trace a text shows.
fn edits(states: &HashMap<String, usize>, text: &str) -> usize {
    *states.get(text).expect("the text is a state of the trace")
}

/// Somebody writes alone and the power fails. Gives the edits acknowledged, and those there after.
fn cut_alone(
    states: &HashMap<String, usize>,
    random: &mut StdRng,
    is_deaf: bool,
) -> (usize, usize) {
    let alice = Person::new();
    let disk = Disk::below(&alice);
    let made = disk.put(alice.command(&["new"])).output().unwrap();
    assert!(made.status.success(), "{}", common::stderr(&made));
    let file = trace(TRACE);
    let mut command = disk.put(alice.command(&arguments(&file)));
    if is_deaf {
        command.env("POWER_CUT_DEAF", "1");
    }
    let acked = play(command, random.random_range(1..12), |player| {
        player.kill().unwrap();
    });
    disk.forget();
    let text = alice.cat();
    // The log goes on from there.
    alice.stdout(&["edit", "@last", "--at", "0", "--insert", "x"]);
    assert_eq!(alice.cat(), format!("x{text}"));
    (acked, edits(states, &text))
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_fails() {
    let states = states(TRACE);
    let mut random = StdRng::seed_from_u64(SEED);
    for cut in 0..CUTS {
        let (acked, there) = cut_alone(&states, &mut random, false);
        assert!(
            there >= acked,
            "cut {cut}: {acked} edits were acknowledged, {there} are there"
        );
    }
}

#[test]
fn a_program_that_does_not_synchronise_is_found_out() {
    let (acked, there) = cut_alone(&states(TRACE), &mut StdRng::seed_from_u64(SEED), true);
    assert!(there < acked, "{acked} edits acknowledged, {there} there");
}

#[test]
fn nobody_has_heard_what_the_disk_forgot_so_no_number_is_used_twice() {
    let states = states(TRACE);
    let file = trace(TRACE);
    let mut random = StdRng::seed_from_u64(SEED);
    for cut in 0..CUTS_ONLINE {
        let (alice, bob) = (Person::new(), Person::new());
        let disk = Disk::below(&alice);
        let at_alice = Online::start(disk.put(alice.command(&["run"])));
        let code = alice.creates("");
        let at_bob = bob.online();
        bob.joins(&code);
        let lines = random.random_range(2..12);
        // The player asks the process that is online, which is the one that dies.
        let acked = play(alice.command(&arguments(&file)), lines, |_| at_alice.kill());
        disk.forget();
        let kept = alice.offline(&["cat", "@last"]).stdout;
        let kept = edits(&states, std::str::from_utf8(&kept).unwrap());
        let heard = edits(&states, &bob.cat());
        assert!(
            kept >= acked && kept >= heard,
            "cut {cut}: {acked} acknowledged, {heard} heard by Bob, {kept} kept"
        );
        alice.offline(&["edit", "@last", "--at", "0", "--insert", "after the cut "]);
        let at_alice = Online::start(disk.put(alice.command(&["run"])));
        eventually("Bob reads on", || {
            let text = bob.cat();
            text.starts_with("after the cut ") && text == alice.cat()
        });
        at_alice.terminate();
        at_bob.terminate();
    }
}
