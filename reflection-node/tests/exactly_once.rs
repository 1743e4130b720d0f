// SPDX-License-Identifier: GPL-3.0-or-later
//! A process that dies between storing, processing and acknowledging: every operation has its
//! effect once, and none is lost that was told to be stored.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use reflection_node::access::TopicId;
use reflection_node::identity::load_or_create_key_file;
use reflection_node::operation::Kind;
use reflection_node::pipeline::{Application, Delivery, Processed, Refusal};
use reflection_node::rusqlite::{Connection, params};
use reflection_node::store::{DataFolder, StoreError};
use reflection_node::{Mode, NetworkConfig, Node};

/// Counts in a table how often it was given each operation, and dies where it is told to.
struct Counting {
    dies_before: Option<u64>,
    dies_after: Option<u64>,
}

impl Application for Counting {
    fn prepare(&mut self, connection: &Connection) -> Result<(), StoreError> {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS effects (operation BLOB PRIMARY KEY, count INTEGER)",
        )?;
        Ok(())
    }

    fn process(
        &mut self,
        connection: &Connection,
        delivery: &Delivery<'_>,
    ) -> Result<Processed, Refusal> {
        let sequence = Some(delivery.operation.header().sequence);
        if sequence == self.dies_before {
            std::process::abort();
        }
        connection.execute(
            "INSERT INTO effects VALUES (?1, 1)
             ON CONFLICT (operation) DO UPDATE SET count = count + 1",
            [delivery.operation.id().as_bytes().as_slice()],
        )?;
        if sequence == self.dies_after {
            std::process::abort();
        }
        Ok(Processed::Done)
    }

    fn wipe(&mut self, connection: &Connection, _: &TopicId) -> Result<(), StoreError> {
        connection.execute("DELETE FROM effects", [])?;
        Ok(())
    }

    fn reset(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.prepare(connection)
    }

    fn digest(&self, connection: &Connection, _: &TopicId) -> Result<[u8; 32], StoreError> {
        let mut digest = [0; 32];
        let total: i64 = connection.query_row(
            "SELECT coalesce(sum(count), 0) FROM effects",
            params![],
            |row| row.get(0),
        )?;
        digest[..8].copy_from_slice(&total.to_be_bytes());
        Ok(digest)
    }

    fn deleted(&mut self, _: &Connection, _: &TopicId) -> Result<(), StoreError> {
        Ok(())
    }
}

async fn start(path: &Path, application: Counting) -> Node {
    let folder = DataFolder::open(path).unwrap();
    let key = load_or_create_key_file(&folder.key_file()).unwrap();
    let network = NetworkConfig {
        mode: Some(Mode::Offline),
        ..NetworkConfig::default()
    };
    Node::start(folder, key, network, Box::new(application))
        .await
        .unwrap()
}

/// Not a test of its own: the process that is killed in the others. Says each sequence number
/// that was told to be stored.
#[tokio::test]
#[ignore = "run by the tests that end it"]
#[allow(clippy::print_stdout)]
async fn writes_until_it_is_killed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let application = Counting {
        dies_before: number("DIES_BEFORE"),
        dies_after: number("DIES_AFTER"),
    };
    let path = std::env::var_os("DYING_FOLDER").unwrap();
    let node = start(Path::new(&path), application).await;
    let topic = match node.documents().await.unwrap().first() {
        Some(info) => info.topic,
        None => node.create().await.unwrap(),
    };
    let incarnation = node.incarnation(&topic).unwrap();
    for _ in 0..200 {
        let published = node
            .publish(&topic, Kind::Edit, incarnation, b"text".to_vec())
            .await
            .unwrap();
        println!("\nstored {}", published.sequence);
    }
}

/// Runs the writer; kills it when it has said so many times that something is stored.
fn write_and_die(path: &Path, variables: &[(&str, u64)], lines: usize) -> Option<u64> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "writes_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env("DYING_FOLDER", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    for (name, value) in variables {
        command.env(name, value.to_string());
    }
    let mut child = command.spawn().unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut stored = None;
    let mut count = 0;
    for line in said.map_while(Result::ok) {
        if let Some(sequence) = line.strip_prefix("stored ") {
            stored = Some(sequence.parse().unwrap());
            count += 1;
            if count == lines {
                // What it still manages to say is read on.
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    stored
}

/// Looks at what is left after the next start.
async fn look(path: &Path, stored: Option<u64>) -> u64 {
    let application = Counting {
        dies_before: None,
        dies_after: None,
    };
    let node = start(path, application).await;
    let info = node.documents().await.unwrap()[0];
    let operations = node.statistics(&info.topic).await.unwrap().operations;
    let (effects, most): (i64, i64) = node
        .read(|connection| {
            Ok(connection.query_row(
                "SELECT count(*), coalesce(max(count), 0) FROM effects",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?)
        })
        .await
        .unwrap();
    assert_eq!(effects.unsigned_abs(), operations, "each has its effect");
    assert!(most <= 1, "none has it twice");
    assert!(
        operations >= stored.map_or(0, |last| last + 1),
        "none is lost"
    );
    assert!(node.check(None).await.unwrap().findings.is_empty());
    node.shutdown(std::time::Duration::from_secs(1)).await;
    operations
}

#[tokio::test]
async fn a_process_that_dies_before_or_after_its_application_leaves_no_half() {
    for variable in ["DIES_BEFORE", "DIES_AFTER"] {
        let folder = tempfile::tempdir().unwrap();
        let stored = write_and_die(folder.path(), &[(variable, 3)], usize::MAX);
        assert_eq!(stored, Some(2));
        assert_eq!(look(folder.path(), stored).await, 3, "{variable}");
    }
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_moment_counts_each_effect_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed: u64 = 20_261_121;
    let mut before = 0;
    for _ in 0..12 {
        // Numbers from a fixed seed, as good as any for when to die.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let lines = usize::try_from(seed >> 60).unwrap() + 1;
        let stored = write_and_die(folder.path(), &[], lines);
        let after = look(folder.path(), stored).await;
        assert!(after > before);
        before = after;
    }
}
