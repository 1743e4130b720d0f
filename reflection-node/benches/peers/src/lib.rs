// SPDX-License-Identifier: GPL-3.0-or-later
//! What the programs for the several systems share: a fresh node fetches all that another one has, and how long that
//! takes is printed as a line of JSON.
//!
//! Each program takes counts of operations and measures each of them: `p2panda 100 1000`. With `--deadline SECONDS`
//! before them a measurement ends after as long, and also when nothing has come for half a minute; how far it came is
//! then the result.

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// Who wrote.
pub const AUTHORS: usize = 4;
/// Bytes of one operation's body: what one keystroke is to Reflection.
pub const BODY_BYTES: usize = 94;
/// A measurement is repeated so often, if a first one is short.
const ROUNDS: usize = 3;
/// Longer than that is measured once.
const SHORT: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(120);
/// What has not moved for so long will not any more.
const QUIET: Duration = Duration::from_secs(30);

/// How far a fresh node came.
#[derive(Clone, Debug)]
pub struct Attempt {
    started: Instant,
    last: Instant,
    expected: usize,
    arrived: usize,
    deadline: Duration,
    /// Bytes that the fresh node keeps on the disk.
    pub disk_bytes: Option<u64>,
    /// What else is to be known of it.
    pub note: Option<String>,
}

impl Attempt {
    /// Starts the clock.
    pub fn start(task: Task) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            last: now,
            expected: task.operations,
            arrived: 0,
            deadline: task.deadline,
            disk_bytes: None,
            note: None,
        }
    }

    /// So many have arrived by now, in all.
    pub fn arrived(&mut self, arrived: usize) {
        if arrived > self.arrived {
            self.arrived = arrived;
            self.last = Instant::now();
        }
    }

    /// All have arrived, and now they are on the disk too.
    pub fn durable(&mut self) {
        self.last = Instant::now();
    }

    /// Whether all have arrived.
    pub fn is_complete(&self) -> bool {
        self.arrived >= self.expected
    }

    /// When waiting ends if nothing more arrives.
    pub fn give_up(&self) -> tokio::time::Instant {
        (self.started + self.deadline).min(self.last + QUIET).into()
    }

    /// What is next on a stream, unless nothing has arrived for too long.
    pub async fn next<T>(&self, next: impl Future<Output = Option<T>>) -> Option<T> {
        tokio::time::timeout_at(self.give_up(), next)
            .await
            .ok()
            .flatten()
    }

    fn took(&self) -> Duration {
        self.last - self.started
    }
}

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// How many operations there are, of all authors together.
    pub operations: usize,
    deadline: Duration,
}

impl Task {
    /// How many operations each author writes.
    pub fn of_each_author(&self) -> usize {
        self.operations / AUTHORS
    }
}

/// One line of the output.
#[derive(Debug, Serialize)]
struct Line<'a> {
    system: &'a str,
    what: &'a str,
    operations: usize,
    arrived: usize,
    seconds: f64,
    rounds: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn print(line: &Line<'_>) -> Result<()> {
    println!("{}", serde_json::to_string(line)?);
    Ok(())
}

/// The tasks named on the command line.
///
/// # Errors
///
/// If there are none, or something that is not a number.
pub fn tasks() -> Result<Vec<Task>> {
    let mut deadline = DEADLINE;
    let mut tasks = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--deadline" {
            let seconds = arguments.next().context("--deadline needs seconds")?;
            deadline = Duration::from_secs(seconds.parse().context("--deadline needs seconds")?);
            continue;
        }
        let operations: usize = argument
            .parse()
            .with_context(|| format!("{argument} is not a count of operations"))?;
        if operations == 0 || !operations.is_multiple_of(AUTHORS) {
            bail!("{operations} operations cannot be shared among {AUTHORS} authors");
        }
        tasks.push(Task {
            operations,
            deadline,
        });
    }
    if tasks.is_empty() {
        bail!("name counts of operations");
    }
    Ok(tasks)
}

/// Measures a task, again where that is quick, and prints the median; or how far it came.
///
/// # Errors
///
/// What the measurement itself fails with.
pub async fn measure<F>(
    system: &str,
    what: &str,
    task: Task,
    attempt: impl Fn(Task) -> F,
) -> Result<()>
where
    F: Future<Output = Result<Attempt>>,
{
    let mut attempts: Vec<Attempt> = Vec::new();
    while attempts.len() < ROUNDS {
        let made = attempt(task).await?;
        let is_last = !made.is_complete() || made.took() > SHORT;
        if !made.is_complete() {
            // What came in time before says nothing of a system that does not always arrive.
            attempts.clear();
        }
        attempts.push(made);
        if is_last {
            break;
        }
    }
    attempts.sort_by_key(Attempt::took);
    let median = &attempts[attempts.len() / 2];
    print(&Line {
        system,
        what,
        operations: task.operations,
        arrived: median.arrived,
        seconds: median.took().as_secs_f64(),
        rounds: attempts.len(),
        disk_bytes: median.disk_bytes,
        note: median.note.clone(),
    })
}

/// Prints a time that is not one of a catch-up.
///
/// # Errors
///
/// None but those of the serialisation.
pub fn report(system: &str, what: &str, times: &mut [Duration]) -> Result<()> {
    times.sort_unstable();
    print(&Line {
        system,
        what,
        operations: times.len(),
        arrived: times.len(),
        seconds: times[times.len() / 2].as_secs_f64(),
        rounds: 1,
        disk_bytes: None,
        note: None,
    })
}

/// A body that no other operation has.
pub fn body(author: usize, number: usize) -> String {
    format!("{author} {number} {}", "x".repeat(BODY_BYTES))
        .chars()
        .take(BODY_BYTES)
        .collect()
}

/// A port that was free a moment ago.
///
/// # Errors
///
/// If there is no loopback.
pub fn free_port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Bytes that a folder takes on the disk.
///
/// # Errors
///
/// If it cannot be read.
pub fn disk_bytes(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            disk_bytes(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}
