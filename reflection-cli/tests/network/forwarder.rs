// SPDX-License-Identifier: GPL-3.0-or-later
//! A machine in the middle that passes UDP on between two networks and loses some of it.
//!
//! Not every kernel can be told to lose packets, so a process does: this test program itself,
//! started once more on the machine in the middle. What is lost follows from a seed.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Machine;

/// What the forwarder is told: where to listen, whom to pass packets to, how many in a hundred
/// are lost, and the seed.
const ORDERS: &str = "REFLECTION_FORWARDER";
/// The largest packet.
const PACKET_BYTES_MAX: usize = 65_536;

/// A forwarder that works until it is dropped.
pub(crate) struct Forwarder(Child);

impl Forwarder {
    /// `story` is the name of the test that calls [`work_if_told`].
    pub(crate) fn start(
        machine: &Machine,
        story: &str,
        listen: &str,
        to: &str,
        lost_percent: u32,
        seed: u64,
    ) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", story, "--ignored"])
            .env(ORDERS, format!("{listen} {to} {lost_percent} {seed}"));
        let child = machine.runs(&command).stdout(Stdio::null()).spawn();
        Self(child.unwrap())
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Loss {
    percent: u32,
    random: StdRng,
}

impl Loss {
    fn takes(&mut self) -> bool {
        self.random.random_range(0..100) < self.percent
    }
}

/// Forwards for ever where the process was started for that.
pub(crate) fn work_if_told() {
    let Ok(orders) = std::env::var(ORDERS) else {
        return;
    };
    let orders: Vec<&str> = orders.split(' ').collect();
    let [listen, to, percent, seed] = orders[..] else {
        panic!("four orders are needed");
    };
    let (listen, to): (SocketAddr, SocketAddr) = (listen.parse().unwrap(), to.parse().unwrap());
    let loss = Arc::new(Mutex::new(Loss {
        percent: percent.parse().unwrap(),
        random: StdRng::seed_from_u64(seed.parse().unwrap()),
    }));
    let front = UdpSocket::bind(listen).unwrap();
    // Each who sends gets a socket of its own, by which the answers are known.
    let mut behind: HashMap<SocketAddr, UdpSocket> = HashMap::new();
    let mut packet = vec![0; PACKET_BYTES_MAX];
    loop {
        let Ok((length, from)) = front.recv_from(&mut packet) else {
            continue;
        };
        let socket = behind.entry(from).or_insert_with(|| {
            let socket = UdpSocket::bind((to_unspecified(to), 0)).unwrap();
            socket.connect(to).unwrap();
            let (front, back) = (front.try_clone().unwrap(), socket.try_clone().unwrap());
            let loss = Arc::clone(&loss);
            std::thread::spawn(move || pass_back(&back, &front, from, &loss));
            socket
        });
        if !loss.lock().unwrap().takes() {
            let _ = socket.send(&packet[..length]);
        }
    }
}

fn pass_back(back: &UdpSocket, front: &UdpSocket, to: SocketAddr, loss: &Mutex<Loss>) {
    let mut packet = vec![0; PACKET_BYTES_MAX];
    loop {
        // A refusal by the machine behind is an error here, and no reason to stop.
        if let Ok(length) = back.recv(&mut packet)
            && !loss.lock().unwrap().takes()
        {
            let _ = front.send_to(&packet[..length], to);
        }
    }
}

fn to_unspecified(address: SocketAddr) -> std::net::IpAddr {
    match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}
