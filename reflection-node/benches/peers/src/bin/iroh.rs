// SPDX-License-Identifier: GPL-3.0-or-later
//! iroh itself, on which all the others stand: as many bytes through one stream and onto the disk, and there and back.

use std::time::{Duration, Instant};

use anyhow::Result;
use iroh::Endpoint;
use iroh::endpoint::{Connection, presets};
use peers_nodes::{Attempt, Task, disk_bytes, measure, report, tasks};
use tokio::io::AsyncWriteExt;

const PROTOCOL: &[u8] = b"peers-nodes/1";
/// An operation's header and body.
const OPERATION: [u8; 300] = [7; 300];
const ROUND_TRIPS: usize = 2_000;
/// As when somebody types, and not one after the other.
const PAUSE: Duration = Duration::from_millis(2);

async fn endpoint() -> Result<Endpoint> {
    let builder = Endpoint::builder(presets::Minimal).alpns(vec![PROTOCOL.to_vec()]);
    Ok(builder
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")?
        .bind()
        .await?)
}

/// Alice answers with `answer` on the one connection that she gets; Bob has it.
async fn connected<F>(
    answer: impl FnOnce(Connection) -> F + Send + 'static,
) -> Result<(Endpoint, Endpoint, Connection)>
where
    F: Future<Output = Result<()>> + Send,
{
    let (alice, bob) = (endpoint().await?, endpoint().await?);
    let accepting = alice.clone();
    tokio::spawn(async move {
        if let Some(incoming) = accepting.accept().await {
            answer(incoming.await?).await?;
        }
        anyhow::Ok(())
    });
    let connection = bob.connect(alice.addr(), PROTOCOL).await?;
    Ok((alice, bob, connection))
}

async fn stream(task: Task) -> Result<Attempt> {
    let folder = tempfile::tempdir()?;
    let mut attempt = Attempt::start(task);
    let operations = task.operations;
    let (alice, bob, connection) = connected(async move |connection| {
        let mut send = connection.open_uni().await?;
        for _ in 0..operations {
            send.write_all(&OPERATION).await?;
        }
        send.finish()?;
        connection.closed().await;
        Ok(())
    })
    .await?;
    let mut receive = connection.accept_uni().await?;
    let mut file = tokio::fs::File::create(folder.path().join("operations")).await?;
    let mut bytes = 0;
    while let Some(chunk) = receive.read_chunk(1 << 16).await? {
        file.write_all(&chunk).await?;
        bytes += chunk.len();
        attempt.arrived(bytes / OPERATION.len());
    }
    file.flush().await?;
    file.sync_all().await?;
    attempt.durable();
    attempt.disk_bytes = Some(disk_bytes(folder.path())?);
    connection.close(0u32.into(), b"");
    bob.close().await;
    alice.close().await;
    Ok(attempt)
}

async fn round_trips() -> Result<Vec<Duration>> {
    let (alice, bob, connection) = connected(async |connection| {
        let (mut send, mut receive) = connection.accept_bi().await?;
        let mut operation = OPERATION;
        while receive.read_exact(&mut operation).await.is_ok() {
            send.write_all(&operation).await?;
        }
        Ok(())
    })
    .await?;
    let (mut send, mut receive) = connection.open_bi().await?;
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    let mut operation = OPERATION;
    for _ in 0..ROUND_TRIPS {
        tokio::time::sleep(PAUSE).await;
        let started = Instant::now();
        send.write_all(&operation).await?;
        receive.read_exact(&mut operation).await?;
        times.push(started.elapsed());
    }
    connection.close(0u32.into(), b"");
    bob.close().await;
    alice.close().await;
    Ok(times)
}

#[tokio::main]
async fn main() -> Result<()> {
    for task in tasks()? {
        measure("iroh 1.4", "bare stream", task, stream).await?;
    }
    report("iroh 1.4", "round trip", &mut round_trips().await?)
}
