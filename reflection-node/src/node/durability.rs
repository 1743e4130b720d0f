// SPDX-License-Identifier: GPL-3.0-or-later
//! What peers are told to be held here is on the disk first.
//!
//! Received operations are committed without waiting for the disk, which a session with thousands
//! of them could not afford. A moment later one small commit waits for the disk and with it for
//! all of them; only then are their heights told.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::events::Event;
use crate::shared::Shared;
use crate::store::{Durability, StoreError, storage};

/// The pause between two waits for the disk: so long at most do confirmations lag behind.
const PAUSE: Duration = Duration::from_millis(200);
/// The pause after the disk has refused.
const PAUSE_IN_TROUBLE: Duration = Duration::from_secs(1);

/// Brings onto the disk what is committed, until the node ends.
pub(super) async fn keep_up(shared: Arc<Shared>, closing: CancellationToken) {
    let working = async {
        loop {
            shared.commits.lag().await;
            if let Err(error) = write_through(&shared).await {
                let message = error.to_string();
                shared.events.emit(&Event::StorageTrouble { message });
                shared.commits.lag_again();
                tokio::time::sleep(PAUSE_IN_TROUBLE).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = working => {}
    }
}

async fn write_through(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let after = Arc::clone(shared);
    shared
        .writer
        .run_then(
            Durability::Durable,
            |connection, _| storage::write_through(connection),
            move |position| after.commits.durable(*position),
        )
        .await
        .map(|_| ())
}
