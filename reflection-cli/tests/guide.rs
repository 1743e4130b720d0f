// SPDX-License-Identifier: GPL-3.0-or-later
//! The user guide, followed word by word: its commands are typed into a shell, at homes that are
//! new, and print what it says. A command that the guide gains has to be followed here too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Online, eventually, stderr};
use tempfile::TempDir;

/// Needs a service manager or a container engine, which a test has not.
const NOT_HERE: [&str; 5] = [
    "systemctl --user enable --now reflection-replica",
    "loginctl enable-linger",
    "podman build -t reflection-replica -f build-aux/Containerfile .",
    "podman run -d --name reflection-replica --network host -v reflection-replica:/data reflection-replica",
    "reflection-cli list --json | jq -r .document | xargs -n 1 reflection-cli code",
];

/// A command of the guide, with what it is said to print.
#[derive(Clone)]
struct Step {
    command: String,
    prints: Vec<String>,
}

/// The commands in a chapter's console blocks. One whose quotes are open goes on in the next line.
fn steps(chapter: &str) -> Vec<Step> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/guide")
        .join(chapter);
    let text = std::fs::read_to_string(path).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let mut is_console = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if !is_console {
        } else if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.to_owned(),
                prints: Vec::new(),
            });
        } else {
            let step = steps.last_mut().unwrap();
            if step.command.matches('"').count() % 2 == 1 {
                step.command.push('\n');
                step.command.push_str(line);
            } else {
                step.prints.push(line.to_owned());
            }
        }
    }
    steps
}

/// Takes the step that begins so out of a chapter.
fn take(chapter: &mut Vec<Step>, begins: &str) -> Step {
    let at = chapter
        .iter()
        .position(|step| step.command.starts_with(begins))
        .unwrap_or_else(|| panic!("the guide does not say {begins} any more"));
    chapter.remove(at)
}

/// All that is left of a chapter needs what a test has not.
fn is_done(chapter: &[Step]) {
    for step in chapter {
        let is_known = NOT_HERE.contains(&step.command.as_str());
        assert!(is_known, "the guide's `{}` was not tried", step.command);
    }
}

/// Someone with a home and the program in their path.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let programs = home.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        // What the guide says is typed as it stands; this keeps it on this machine.
        let program = programs.join("reflection-cli");
        let script = format!(
            "#!/bin/sh\nexec {} --mode local --no-mdns --bind 127.0.0.1:0 \"$@\"\n",
            env!("CARGO_BIN_EXE_reflection-cli")
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        home
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join(".local/share/reflection")
    }

    fn command(&self, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command
            .env_remove("RUST_LOG")
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_RUNTIME_DIR")
            .env("HOME", self.path())
            .env("PATH", format!("{}/bin:{path}", self.path().display()));
        command
    }

    /// Types a line and gives what is printed.
    fn types(&self, line: &str) -> String {
        let output = self.command("sh").args(["-c", line]).output().unwrap();
        assert!(
            output.status.success(),
            "`{line}` failed: {}",
            stderr(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Follows a step: what is printed is as the guide says.
    fn follows(&self, step: &Step) -> String {
        let printed = self.types(&step.command);
        if !step.prints.is_empty() {
            let lines: Vec<&str> = printed.lines().collect();
            assert_eq!(lines.len(), step.prints.len(), "{printed}");
            for (line, said) in lines.into_iter().zip(&step.prints) {
                assert!(is_as_said(line, said), "{line} is not {said}");
            }
        }
        printed
    }

    fn online(&self, arguments: &[&str]) -> Online {
        let program = self.path().join("bin/reflection-cli");
        let mut command = self.command(program.to_str().unwrap());
        command.args(arguments);
        Online::start(command)
    }
}

/// Whether a line is what the guide shows, where `…` stands for the rest of a code, or of an id,
/// which is another each time.
fn is_as_said(line: &str, said: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match said.strip_suffix('…') {
        Some(id) if is_hex(id) => line.len() > id.len() && is_hex(line),
        Some(start) => line.starts_with(start),
        None => line == said,
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn the_guide_can_be_followed_word_by_word() {
    let (alice, bob, at_home) = (Home::new(), Home::new(), Home::new());

    let first = steps("first-document.md");
    assert_eq!(first.len(), 3, "each command is tried");
    for step in &first {
        alice.follows(step);
    }

    let mut sharing = steps("sharing.md");
    let code = alice.follows(&take(&mut sharing, "reflection-cli code @last  "));
    let read = alice.follows(&take(&mut sharing, "reflection-cli code @last --read-only"));
    let keep = alice.follows(&take(&mut sharing, "reflection-cli code @last --replica"));
    assert!(
        code.starts_with("write1q") && read.starts_with("read1q") && keep.starts_with("replica1q")
    );
    let online = alice.online(&["run"]);
    let code = alice.types("reflection-cli code @last");
    let join = take(&mut sharing, "reflection-cli join write1q…");
    bob.types(&join.command.replace("write1q…", code.trim()));
    bob.follows(&take(&mut sharing, "reflection-cli sync"));
    assert_eq!(
        bob.types("reflection-cli cat @last"),
        "# Minutes\nWe met.\n"
    );
    let peers = bob.follows(&take(&mut sharing, "reflection-cli peers"));
    let id = online.ready["id"].as_str().unwrap();
    assert!(peers.contains(&id[..12]), "{peers}");
    assert!(!peers.contains("nothing exchanged"), "{peers}");
    is_done(&sharing);

    let mut replica = steps("replica.md");
    let ticket = take(
        &mut replica,
        "reflection-cli --data-dir ~/.local/share/reflection-replica",
    );
    let folder = at_home.path().join(".local/share/reflection-replica");
    std::fs::create_dir_all(&folder).unwrap();
    let keeping = at_home.online(&["--data-dir", folder.to_str().unwrap(), "run", "--replica"]);
    let ticket = at_home.follows(&ticket);
    for begins in [
        "reflection-cli replica add TICKET  ",
        "reflection-cli replica add TICKET @last",
    ] {
        let add = take(&mut replica, begins);
        alice.types(&add.command.replace("TICKET", ticket.trim()));
    }
    let list = take(&mut replica, "reflection-cli replica list");
    let id = keeping.ready["id"].as_str().unwrap();
    eventually("the replica is listed", || {
        alice.follows(&list).contains(id)
    });
    is_done(&replica);

    let mut backup = steps("backup.md");
    alice.follows(&take(
        &mut backup,
        "reflection-cli export --to ~/notes-backup",
    ));
    let exported = std::fs::read_to_string(alice.path().join("notes-backup/Minutes.md"));
    assert_eq!(exported.unwrap(), "# Minutes\nWe met.\n");
    online.terminate();
    copy_folder(&alice.data(), &alice.path().join("backup/reflection"));
    let restored = "reflection-cli --data-dir ~/restored";
    alice.follows(&take(
        &mut backup,
        &format!("{restored} recover ~/backup/reflection"),
    ));
    let listed = alice.follows(&take(&mut backup, &format!("{restored} list")));
    assert!(listed.contains("Minutes"), "{listed}");
    is_done(&backup);
}

#[test]
fn no_chapter_has_commands_that_nobody_tries() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide");
    let tried = ["first-document.md", "sharing.md", "replica.md", "backup.md"];
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            tried.contains(&name.as_str()) || steps(&name).is_empty(),
            "{name}"
        );
    }
}
