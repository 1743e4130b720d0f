// SPDX-License-Identifier: GPL-3.0-or-later
//! Events as lines of JSON.

use reflection_node::access::TopicId;
use reflection_node::identity::AuthorId;
use reflection_node::{Event, Found, Route};
use serde_json::{Value, json};

/// The word for a route, and its address or relay.
pub(crate) fn route(route: &Route) -> (&'static str, Option<String>) {
    match route {
        Route::Direct(address) => ("direct", Some(address.to_string())),
        Route::Relayed(url) => ("relayed", Some(url.clone())),
        Route::Unknown => ("unknown", None),
    }
}

/// The word for how a peer became known.
pub(crate) fn how(found: Found) -> &'static str {
    match found {
        Found::LocalNetwork => "mdns",
        Found::Code => "code",
        Found::Configured => "configured",
        Found::AddressBook => "address-book",
        Found::Bootstrap => "bootstrap",
        Found::Incoming => "incoming",
    }
}

fn connection(event: &str, peer: &AuthorId, by: &Route, rtt_ms: u64) -> Value {
    let (route, address) = route(by);
    json!({
        "event": event,
        "peer": peer.to_string(),
        "route": route,
        "address": address,
        "rtt_ms": rtt_ms,
    })
}

fn of_author(event: &str, topic: &TopicId, author: &AuthorId) -> Value {
    json!({ "event": event, "document": topic.to_string(), "author": author.to_string() })
}

fn of_peer(event: &str, topic: &TopicId, peer: &AuthorId) -> Value {
    json!({ "event": event, "document": topic.to_string(), "peer": peer.to_string() })
}

/// The line for an event; `None` for those that concern a screen alone.
pub(crate) fn to_json(event: &Event) -> Option<Value> {
    Some(match event {
        Event::PeerFound { peer, found } => {
            json!({ "event": "peer-found", "peer": peer.to_string(), "how": how(*found) })
        }
        Event::Connected {
            peer,
            route,
            rtt_ms,
        } => connection("connected", peer, route, *rtt_ms),
        Event::RouteChanged {
            peer,
            route,
            rtt_ms,
        } => connection("route-changed", peer, route, *rtt_ms),
        Event::Disconnected {
            peer,
            route,
            rtt_ms,
            reason,
        } => {
            let mut line = connection("disconnected", peer, route, *rtt_ms);
            line["reason"] = json!(reason);
            line
        }
        Event::NetworkUp { addresses } => {
            json!({ "event": "network-up", "addresses": addresses })
        }
        Event::NetworkDown => json!({ "event": "network-down" }),
        Event::Error { message } => json!({ "event": "error", "message": message }),
        Event::SyncStarted { peer, topic } => of_peer("sync-started", topic, peer),
        Event::SyncFinished {
            peer,
            topic,
            counts,
            duration_ms,
            error,
        } => json!({
            "event": "sync-finished",
            "peer": peer.to_string(),
            "document": topic.to_string(),
            "operations_in": counts.operations_in,
            "operations_out": counts.operations_out,
            "bytes_in": counts.bytes_in,
            "bytes_out": counts.bytes_out,
            "duration_ms": duration_ms,
            "error": error,
        }),
        Event::AuthorOnline { topic, author } => of_author("author-online", topic, author),
        Event::AuthorOffline { topic, author } => of_author("author-offline", topic, author),
        Event::NeighborUp { topic, peer } => of_peer("neighbor-up", topic, peer),
        Event::NeighborDown { topic, peer } => of_peer("neighbor-down", topic, peer),
        Event::OperationRefused {
            topic,
            author,
            reason,
        } => {
            let mut line = of_author("operation-refused", topic, author);
            line["reason"] = json!(reason);
            line
        }
        Event::Fork {
            topic,
            author,
            sequence,
        } => {
            let mut line = of_author("fork", topic, author);
            line["sequence"] = json!(sequence);
            line
        }
        Event::ReplicaProgress {
            replica,
            topic,
            acknowledged,
            pending,
        } => json!({
            "event": "replica-progress",
            "replica": replica.to_string(),
            "document": topic.to_string(),
            "acknowledged": acknowledged,
            "pending": pending,
        }),
        Event::ReplicaTrouble { replica, reason } => json!({
            "event": "replica-trouble",
            "replica": replica.to_string(),
            "reason": reason,
        }),
        Event::ModeChanged { mode } => json!({ "event": "mode-changed", "mode": mode.as_str() }),
        Event::StorageTrouble { message } => {
            json!({ "event": "storage-trouble", "message": message })
        }
        Event::Missed { events } => {
            json!({ "event": "error", "message": format!("{events} events were dropped") })
        }
        _ => return None,
    })
}
