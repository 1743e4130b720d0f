// SPDX-License-Identifier: GPL-3.0-or-later
//! One operation from the call that publishes it to the stream of another person, beside the way
//! there and back that the transport takes, and beside what the disk takes to write.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use iroh::endpoint::{Connection, presets};
use iroh::{Endpoint, EndpointAddr, TransportAddr};
use reflection_node::Mode;

use super::measure::{Row, at_share, median, ratio, shown};
use super::person::{KEYSTROKE_BYTES, PATIENCE, Person, Place};

const ROUNDS: usize = 500;
/// Not measured: connections and caches are warm after them.
const ROUNDS_BEFORE: usize = 50;
/// People do not type back to back.
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes there and back.
const ECHO_BYTES: usize = 100;
/// Bytes written for an operation.
const WRITTEN_BYTES: usize = 300;
const ALPN: &[u8] = b"echo";
/// What a node may add where storing takes no time.
const OWN_TIME: Duration = Duration::from_micros(500);

/// Two endpoints of the transport alone.
struct Echo {
    connection: Connection,
    _endpoints: [Endpoint; 2],
}

impl Echo {
    async fn new() -> Self {
        let bind = async || {
            let builder = Endpoint::builder(presets::Minimal).alpns(vec![ALPN.to_vec()]);
            let builder = builder.clear_ip_transports().bind_addr("127.0.0.1:0");
            builder.unwrap().bind().await.unwrap()
        };
        let (here, there) = (bind().await, bind().await);
        let address = EndpointAddr {
            id: there.id(),
            addrs: there
                .bound_sockets()
                .into_iter()
                .map(TransportAddr::Ip)
                .collect(),
        };
        let answering = there.clone();
        tokio::spawn(async move {
            let connection = answering.accept().await.unwrap().await.unwrap();
            while let Ok((mut send, mut receive)) = connection.accept_bi().await {
                let mut bytes = [0; ECHO_BYTES];
                while receive.read_exact(&mut bytes).await.is_ok() {
                    send.write_all(&bytes).await.unwrap();
                }
            }
        });
        let connection = here.connect(address, ALPN).await.unwrap();
        Self {
            connection,
            _endpoints: [here, there],
        }
    }
}

struct Measured {
    operations: Vec<Duration>,
    round_trips: Vec<Duration>,
    writes: Vec<Duration>,
}

async fn rounds(place: Place) -> Measured {
    let (alice, bob) = (
        Person::new(place, Mode::Local).await,
        Person::new(place, Mode::Local).await,
    );
    let topic = alice.node.create().await.unwrap();
    alice.writes(&topic, vec![7; KEYSTROKE_BYTES]).await;
    let code = alice.code(&topic).await;
    bob.node.join(&code).await.unwrap();
    let mut stream = bob.reads(&topic).await;
    tokio::time::timeout(PATIENCE, stream.next())
        .await
        .unwrap()
        .unwrap();

    let echo = Echo::new().await;
    let (mut send, mut receive) = echo.connection.open_bi().await.unwrap();
    let folder = place.folder();
    let mut file = File::create(folder.path().join("file")).unwrap();

    let mut measured = Measured {
        operations: Vec::new(),
        round_trips: Vec::new(),
        writes: Vec::new(),
    };
    for _ in 0..ROUNDS_BEFORE + ROUNDS {
        tokio::time::sleep(PAUSE).await;
        let started = Instant::now();
        let writing = alice.writes(&topic, vec![7; KEYSTROKE_BYTES]);
        let ((), arrived) = tokio::join!(writing, async {
            assert_eq!(stream.next().await.unwrap().len(), 1);
            started.elapsed()
        });
        measured.operations.push(arrived);

        tokio::time::sleep(PAUSE).await;
        let started = Instant::now();
        let mut bytes = [7; ECHO_BYTES];
        send.write_all(&bytes).await.unwrap();
        receive.read_exact(&mut bytes).await.unwrap();
        measured.round_trips.push(started.elapsed());

        tokio::time::sleep(PAUSE).await;
        let started = Instant::now();
        file.write_all(&[7; WRITTEN_BYTES]).unwrap();
        file.sync_data().unwrap();
        measured.writes.push(started.elapsed());
    }
    for all in [
        &mut measured.operations,
        &mut measured.round_trips,
        &mut measured.writes,
    ] {
        all.drain(..ROUNDS_BEFORE);
    }
    alice.leaves().await;
    bob.leaves().await;
    measured
}

pub(crate) async fn measure() {
    for place in [Place::Disk, Place::Memory] {
        let mut measured = rounds(place).await;
        let middle = median(&mut measured.operations);
        let slow = at_share(&mut measured.operations, 0.99);
        let round_trip = median(&mut measured.round_trips);
        let slow_round_trip = at_share(&mut measured.round_trips, 0.99);
        let write = median(&mut measured.writes);
        let (where_to, bound, target) = match place {
            Place::Disk => (
                "durable",
                round_trip + write * 3 / 2,
                "p50 under round trip + 1.5 fsyncs",
            ),
            Place::Memory => (
                "storage in memory",
                round_trip + OWN_TIME,
                "p50 under round trip + 0.5 ms",
            ),
        };
        Row {
            what: format!("one operation, published at A to read at B, {where_to}, p50 / p99"),
            measured: format!("{} / {}", shown(middle), shown(slow)),
            beside: format!(
                "round trip {} / {}, fsync {} / {}",
                shown(round_trip),
                shown(slow_round_trip),
                shown(write),
                shown(at_share(&mut measured.writes, 0.99)),
            ),
            ratio: Some(ratio(middle, bound)),
            target: format!("{target}: {}", shown(bound)),
            is_met: Some(middle < bound),
        }
        .print();
    }
}
