// SPDX-License-Identifier: GPL-3.0-or-later
//! People who use the command line, each with a data folder of their own, on loopback alone.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr
)]

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up. Nothing waits that long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Someone with an installation.
pub(crate) struct Person {
    folder: TempDir,
}

impl Person {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The program with the options that keep it on this machine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reflection-cli"));
        command
            .env_remove("RUST_LOG")
            .arg("--data-dir")
            .arg(self.data())
            .args(["--mode", "local", "--no-mdns", "--bind", "127.0.0.1:0"])
            .args(arguments);
        command
    }

    /// Runs a command that neither listens nor dials.
    pub(crate) fn offline(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reflection-cli"));
        command
            .env_remove("RUST_LOG")
            .arg("--data-dir")
            .arg(self.data())
            .args(["--mode", "offline"])
            .args(arguments);
        command.output().unwrap()
    }

    /// The program without any option but the folder.
    pub(crate) fn plain(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reflection-cli"));
        command
            .env_remove("RUST_LOG")
            .arg("--data-dir")
            .arg(self.data())
            .args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that has to succeed prints.
    pub(crate) fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The JSON objects that a command that has to succeed prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let mut all = vec!["--json"];
        all.extend_from_slice(arguments);
        self.stdout(&all)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn cat(&self) -> String {
        self.stdout(&["cat", "@last"])
    }

    /// Stays online.
    pub(crate) fn online(&self) -> Online {
        self.online_with(&[])
    }

    pub(crate) fn online_with(&self, arguments: &[&str]) -> Online {
        let mut all = vec!["run"];
        all.extend_from_slice(arguments);
        Online::start(self.command(&all))
    }

    /// Makes a document from a text and gives its code.
    pub(crate) fn creates(&self, text: &str) -> String {
        let file = self.folder.path().join("text");
        std::fs::write(&file, text).unwrap();
        self.stdout(&["new", file.to_str().unwrap()])
            .trim()
            .to_owned()
    }

    pub(crate) fn joins(&self, code: &str) {
        self.stdout(&["join", code]);
    }
}

/// A process that stays online; killed when dropped.
pub(crate) struct Online {
    child: Child,
    lines: mpsc::Receiver<Value>,
    /// Events that came while somebody waited for something else than events.
    kept: RefCell<VecDeque<Value>>,
    pub ready: Value,
}

impl Online {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines(child.stdout.take().unwrap());
        let ready = lines
            .recv_timeout(PATIENCE)
            .expect("the process says that it is ready");
        assert_eq!(ready["event"], "ready");
        Self {
            child,
            lines,
            kept: RefCell::default(),
            ready,
        }
    }

    /// An event that has come already, if there is one more.
    pub(crate) fn next_event(&self) -> Option<Value> {
        let kept = self.kept.borrow_mut().pop_front();
        kept.or_else(|| self.lines.try_recv().ok())
    }

    /// Returns when there is an event that nobody has asked for yet, or after so long.
    pub(crate) fn stirs(&self, at_most: Duration) {
        if let Ok(event) = self.lines.recv_timeout(at_most) {
            self.kept.borrow_mut().push_back(event);
        }
    }

    /// Where others find it, as an option names it.
    pub(crate) fn endpoint(&self) -> String {
        let id = self.ready["id"].as_str().unwrap();
        let address = self.ready["addresses"][0].as_str().unwrap();
        format!("{id}@{address}")
    }

    /// Waits for an event; gives it.
    pub(crate) fn wait_for(&self, name: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_at_most(PATIENCE, name, is_wanted)
    }

    /// Waits for an event for so long; gives it.
    pub(crate) fn wait_at_most(
        &self,
        patience: Duration,
        name: &str,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + patience;
        loop {
            let kept = self.kept.borrow_mut().pop_front();
            let event = kept.unwrap_or_else(|| {
                let left = deadline.saturating_duration_since(Instant::now());
                self.lines
                    .recv_timeout(left)
                    .unwrap_or_else(|_| panic!("no event {name} came in time"))
            });
            if event["event"] == name && is_wanted(&event) {
                return event;
            }
        }
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as the system does, and gives how long that took.
    pub(crate) fn terminate(mut self) -> Duration {
        let started = Instant::now();
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success(), "it ends cleanly");
        started.elapsed()
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stdout: ChildStdout) -> mpsc::Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            let Ok(value) = serde_json::from_str(&line) else {
                continue;
            };
            if sender.send(value).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Calls `check` until it holds, as often as there is time. What it looks at are other processes,
/// so there is nothing to wait on but their answers.
pub(crate) fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check() {
        assert!(Instant::now() < deadline, "{what}");
    }
}

/// A committed trace.
pub(crate) fn trace(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/traces")
        .join(name)
}

/// A trace's JSON.
pub(crate) fn trace_json(name: &str) -> Value {
    let file = std::fs::File::open(trace(name)).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

/// All texts that a trace passes through, with the number of edits after which each stands
/// last; some stand more than once.
pub(crate) fn states(name: &str) -> HashMap<String, usize> {
    let trace = trace_json(name);
    let mut text: Vec<char> = Vec::new();
    let mut states = HashMap::from([(String::new(), 0)]);
    for (index, edit) in trace["txns"].as_array().unwrap().iter().enumerate() {
        for patch in edit["patches"].as_array().unwrap() {
            let at = usize::try_from(patch[0].as_u64().unwrap()).unwrap();
            let delete = usize::try_from(patch[1].as_u64().unwrap()).unwrap();
            text.splice(at..at + delete, patch[2].as_str().unwrap().chars());
        }
        states.insert(text.iter().collect(), index + 1);
    }
    // What begins to be written again later on must not make an empty document look complete.
    states.insert(String::new(), 0);
    states
}

/// Copies a data folder that no process uses over another one.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Gives a command something to read.
pub(crate) fn with_stdin(mut command: Command, text: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}
