// SPDX-License-Identifier: GPL-3.0-or-later
//! Notes what was exchanged with each peer last.
//!
//! Many documents exchanged in one go count as one exchange. A listener that was too slow misses
//! news, so what is noted is for people to read and nothing depends on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::events::{Event, Events};
use crate::identity::AuthorId;
use crate::shared::{Shared, now_us};
use crate::store::peers::{LastSync, remember_sync};
use crate::store::{Durability, StoreError};

/// Exchanges that end within this time of each other are one.
const JOINED: Duration = Duration::from_secs(1);
/// Peers whose exchanges are being joined.
const PEERS_MAX: usize = 4096;

/// Notes until `ending`, and then what has not been noted yet.
pub(super) async fn run(shared: Arc<Shared>, mut events: Events, ending: CancellationToken) {
    let mut fresh: HashMap<AuthorId, LastSync> = HashMap::new();
    let mut due: Option<Instant> = None;
    loop {
        let event = tokio::select! {
            // What has happened comes before the end.
            biased;
            event = events.next() => event,
            () = sleep_until(due) => {
                due = None;
                write(&shared, std::mem::take(&mut fresh)).await;
                continue;
            }
            () = ending.cancelled() => None,
        };
        match event {
            None => return write(&shared, fresh).await,
            Some(Event::SyncFinished {
                peer,
                counts,
                duration_ms,
                error: None,
                ..
            }) if fresh.len() < PEERS_MAX => {
                let sync = fresh.entry(peer).or_default();
                sync.time_us = now_us();
                sync.counts.add(&counts);
                sync.duration_ms = sync.duration_ms.max(duration_ms);
                due.get_or_insert_with(|| Instant::now() + JOINED);
            }
            Some(_) => {}
        }
    }
}

async fn write(shared: &Shared, fresh: HashMap<AuthorId, LastSync>) {
    if fresh.is_empty() {
        return;
    }
    let noted: Result<(), StoreError> = shared
        .writer
        .run(Durability::Refetchable, move |connection, _| {
            fresh
                .iter()
                .try_for_each(|(peer, sync)| remember_sync(connection, peer, sync))
        })
        .await;
    if let Err(error) = noted {
        tracing::debug!(%error, "exchanges were not noted");
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
