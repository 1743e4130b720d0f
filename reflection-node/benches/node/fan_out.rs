// SPDX-License-Identifier: GPL-3.0-or-later
//! Many people write in one document at the same time, all of them found through one, or each
//! connected with each, as on one local network.
//!
//! All nodes are in this process and so share its cores and one disk, which no people do; their
//! data is in memory, because a single disk would have to sync for all of them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reflection_node::Mode;
use reflection_node::access::TopicId;
use reflection_node::pipeline::DocumentStream;

use super::measure::{Row, at_share, progress, shown};
use super::person::{KEYSTROKE_BYTES, PATIENCE, Person, Place, loopback_bytes, processor_time};

const PEOPLE: [usize; 5] = [2, 10, 25, 50, 100];
/// Where each is connected with each.
const PEOPLE_EACH_WITH_EACH: [usize; 2] = [10, 25];
const BESIDE_PEERS: [usize; 2] = [10, 50];
const INTERVAL: Duration = Duration::from_millis(200);
/// Operations that each writes.
const EACH: usize = 50;
/// How long after the last operation all have to be equal.
const EQUAL_MAX: Duration = Duration::from_secs(5);

/// Reads what all write; gives how late each operation was, and when the last was there.
async fn read(
    mut stream: DocumentStream,
    begun: Instant,
    count: usize,
) -> (Vec<Duration>, Duration) {
    let mut late = Vec::with_capacity(count);
    while late.len() < count {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await;
        let batch = next.unwrap().unwrap();
        let now = begun.elapsed();
        for operation in &batch {
            let written = u64::from_be_bytes(operation.body[..8].try_into().unwrap());
            // What somebody reads of themselves went nowhere.
            late.push(now.saturating_sub(Duration::from_micros(written)));
        }
    }
    assert_eq!(late.len(), count);
    (late, begun.elapsed())
}

/// Writes at a steady pace; gives when the last operation was begun.
async fn write(person: &Person, topic: &TopicId, begun: Instant, number: usize) -> Duration {
    // Not all in the same moment.
    let first = Duration::from_millis(7) * u32::try_from(number % 29).unwrap();
    let mut ticks = tokio::time::interval_at((begun + first).into(), INTERVAL);
    let mut last = Duration::ZERO;
    for _ in 0..EACH {
        ticks.tick().await;
        last = begun.elapsed();
        let mut body = vec![7; KEYSTROKE_BYTES];
        let now_us = u64::try_from(last.as_micros()).unwrap();
        body[..8].copy_from_slice(&now_us.to_be_bytes());
        person.writes(topic, body).await;
    }
    last
}

/// Whom somebody has joined by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// All by one, who passes everything on.
    Through,
    /// Each by each who came before.
    Each,
}

async fn meet(count: usize, met: Met) -> (Vec<Person>, TopicId) {
    let hub = Person::new(Place::Memory, Mode::Local).await;
    let topic = hub.node.create().await.unwrap();
    let code = hub.code(&topic).await;
    let mut people = vec![hub];
    while people.len() < count {
        let person = Person::new(Place::Memory, Mode::Local).await;
        person.node.join(&code).await.unwrap();
        if met == Met::Each {
            for known in &people[1..] {
                person.node.join(&known.code(&topic).await).await.unwrap();
            }
        }
        people.push(person);
    }
    let hubs = match met {
        Met::Through => &people[..1],
        Met::Each => &people[..],
    };
    let is_connected = |hub: &Person| hub.node.status(&topic).in_step == count - 1;
    let connected = async {
        while !hubs.iter().all(is_connected) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, connected).await.unwrap();
    (people, topic)
}

/// What came of so many people.
struct Heard {
    p50: Duration,
    p95: Duration,
    p99: Duration,
    /// How long after the last operation was begun all were equal.
    after: Duration,
    cores: f64,
    /// Bytes on the wire for each operation that somebody received.
    bytes: u64,
}

async fn fan_out(count: usize, met: Met) -> Heard {
    let (people, topic) = meet(count, met).await;
    progress(format!("{count} people are connected"));
    let before = processor_time();
    let bytes = loopback_bytes();
    let begun = Instant::now();
    let mut reading = Vec::new();
    for person in &people {
        let stream = person.reads(&topic).await;
        reading.push(tokio::spawn(read(stream, begun, EACH * count)));
    }
    let writing = people.iter().enumerate();
    let writing = writing.map(|(number, person)| write(person, &topic, begun, number));
    let last = join_all(writing).await.into_iter().max().unwrap();
    let mut late = Vec::new();
    let mut equal = Duration::ZERO;
    for read in join_all(reading).await {
        let (one, all_there) = read.unwrap();
        late.extend(one);
        equal = equal.max(all_there);
    }
    let cores = processor_time().saturating_sub(before).as_secs_f64() / equal.as_secs_f64();
    let bytes = (loopback_bytes() - bytes) / u64::try_from(EACH * count * (count - 1)).unwrap();
    join_all(people.into_iter().map(Person::leaves)).await;
    Heard {
        p50: at_share(&mut late, 0.5),
        p95: at_share(&mut late, 0.95),
        p99: at_share(&mut late, 0.99),
        after: equal.saturating_sub(last),
        cores,
        bytes,
    }
}

fn row(count: usize, met: Met, heard: &Heard) -> Row {
    let (target, is_met) = match count {
        _ if met == Met::Each => ("–", None),
        10 => (
            "p95 under 15 ms",
            Some(heard.p95 < Duration::from_millis(15)),
        ),
        50 => (
            "p95 under 60 ms",
            Some(heard.p95 < Duration::from_millis(60)),
        ),
        100 => (
            "nothing dropped, equal within 5 s of the end",
            Some(heard.after < EQUAL_MAX),
        ),
        _ => ("–", None),
    };
    Row {
        what: format!(
            "{count} people in one process, each writing 5 operations a second{}",
            match met {
                Met::Through => "",
                Met::Each => ", each connected with each",
            }
        ),
        measured: format!(
            "p50 {}, p95 {}, p99 {}; equal {} after the last; {:.2} cores, {} bytes on the wire \
             for each received",
            shown(heard.p50),
            shown(heard.p95),
            shown(heard.p99),
            shown(heard.after),
            heard.cores,
            heard.bytes,
        ),
        beside: format!(
            "{} operations a second to check in all",
            5 * count * (count - 1)
        ),
        ratio: None,
        target: target.into(),
        is_met,
    }
}

/// The same for the counts named, each a line of JSON as `benches/peers/hocuspocus` prints it.
#[allow(clippy::print_stdout)]
pub(crate) async fn beside_peers() {
    for count in BESIDE_PEERS {
        let heard = fan_out(count, Met::Through).await;
        let operations = EACH * count * count;
        println!(
            "{{\"system\":\"Reflection\",\"what\":\"fan-out\",\"people\":{count},\
             \"operations\":{operations},\"arrived\":{operations},\"p50\":{},\"p95\":{},\
             \"p99\":{},\"equal_after\":{}}}",
            heard.p50.as_secs_f64(),
            heard.p95.as_secs_f64(),
            heard.p99.as_secs_f64(),
            heard.after.as_secs_f64()
        );
    }
}

pub(crate) async fn measure() {
    let rows = PEOPLE.map(|count| (count, Met::Through));
    let rows = rows.into_iter();
    for (count, met) in rows.chain(PEOPLE_EACH_WITH_EACH.map(|count| (count, Met::Each))) {
        row(count, met, &fan_out(count, met).await).print();
    }
}
