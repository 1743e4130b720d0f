// SPDX-License-Identifier: GPL-3.0-or-later
//! Networks of the tests' own: namespaces that veth pairs join to bridges.
//!
//! Nothing of them is connected to the machine's network, and the system takes everything away
//! when the test ends, however it ends. Each machine is held by a process that reads from a pipe
//! of the test's; so is the room with the switches, which are bridges. No rights are needed where
//! the system lets everybody make namespaces.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr
)]

pub(crate) mod forwarder;

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// What keeps a namespace alive, and says when it is there.
const HOLD: &str = "echo there; exec cat";

/// Where the switches stand; owns all machines.
pub(crate) struct Network {
    room: Machine,
    cables: Cell<u32>,
}

/// A network namespace with nothing but a loopback interface in it at first.
pub(crate) struct Machine {
    holder: Child,
    interfaces: Cell<u32>,
}

/// What joins a machine to a switch.
pub(crate) struct Cable {
    /// Its end at the switch.
    port: String,
    switch: String,
    /// Its end at the machine.
    interface: String,
}

impl Network {
    /// `None` where the system allows no namespaces, which is said.
    pub(crate) fn new() -> Option<Self> {
        let mut holding = Command::new("unshare");
        holding.args(["--user", "--map-root-user", "--net"]);
        let made = Machine::held_by(holding).and_then(|room| {
            // Without `ip`, or without a driver for bridges or veth, nothing can be tested either.
            room.try_ip("link add probe type bridge")?;
            room.try_ip("link add probe-a type veth peer name probe-b")?;
            room.try_ip("link delete probe-a")?;
            room.try_ip("link delete probe")?;
            Ok(room)
        });
        match made {
            Ok(room) => Some(Self {
                room,
                cables: Cell::new(0),
            }),
            Err(reason) => {
                eprintln!("SKIPPED: no network of its own can be made here: {reason}");
                None
            }
        }
    }

    /// Makes a switch.
    pub(crate) fn switch(&self, name: &str) {
        self.room.ip(&format!("link add {name} type bridge"));
        self.room.ip(&format!("link set {name} up"));
    }

    pub(crate) fn machine(&self) -> Machine {
        let mut holding = self.room.enter(&["--user", "--preserve-credentials"]);
        holding.args(["unshare", "--net"]);
        let machine = Machine::held_by(holding).unwrap();
        machine.ip("link set lo up");
        machine
    }

    /// Joins a machine to a switch and gives it an address there.
    pub(crate) fn plug(&self, machine: &Machine, switch: &str, address: &str) -> Cable {
        self.cables.set(self.cables.get() + 1);
        let interface = format!("eth{}", machine.interfaces.get());
        machine.interfaces.set(machine.interfaces.get() + 1);
        let cable = Cable {
            port: format!("port{}", self.cables.get()),
            switch: switch.to_owned(),
            interface,
        };
        let (port, interface) = (&cable.port, &cable.interface);
        let there = machine.holder.id();
        self.room.ip(&format!(
            "link add {port} type veth peer name {interface} netns {there}"
        ));
        self.room.ip(&format!("link set {port} master {switch} up"));
        machine.ip(&format!("addr add {address} dev {interface}"));
        machine.ip(&format!("link set {interface} up"));
        cable
    }

    /// Packets are lost from now on, and neither side is told.
    pub(crate) fn cut(&self, cable: &Cable) {
        self.room.ip(&format!("link set {} nomaster", cable.port));
    }

    pub(crate) fn mend(&self, cable: &Cable) {
        self.room
            .ip(&format!("link set {} master {}", cable.port, cable.switch));
    }
}

impl Machine {
    fn held_by(mut holding: Command) -> Result<Self, String> {
        let mut holder = holding
            .args(["sh", "-c", HOLD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let mut said = String::new();
        let _ = BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said);
        if said.is_empty() {
            let _ = holder.stderr.take().unwrap().read_to_string(&mut said);
            let _ = holder.wait();
            return Err(said.trim().to_owned());
        }
        Ok(Self {
            holder,
            interfaces: Cell::new(0),
        })
    }

    fn enter(&self, namespaces: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.holder.id().to_string()])
            .args(namespaces)
            .arg("--")
            // Where `ip` is, for people who are not administrators.
            .env(
                "PATH",
                format!(
                    "{}:/usr/sbin:/sbin",
                    std::env::var("PATH").unwrap_or_default()
                ),
            );
        command
    }

    /// The same command, run on this machine. The process is the program itself.
    pub(crate) fn runs(&self, command: &Command) -> Command {
        let mut inside = self.enter(&["--user", "--preserve-credentials", "--net"]);
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    fn try_ip(&self, arguments: &str) -> Result<(), String> {
        let mut ip = Command::new("ip");
        ip.args(arguments.split_whitespace());
        let output = self.runs(&ip).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("ip {arguments}: {}", said.trim()))
        }
    }

    /// Changes this machine's interfaces, addresses or routes.
    pub(crate) fn ip(&self, arguments: &str) {
        self.try_ip(arguments).unwrap();
    }

    /// Multicast leaves by a default route alone; nobody is at its other end.
    pub(crate) fn default_route(&self, cable: &Cable) {
        self.ip(&format!("route add default dev {}", cable.interface));
    }

    /// The interface goes down as by pulling the plug: the machine notices, and loses its routes.
    pub(crate) fn down(&self, cable: &Cable) {
        self.ip(&format!("link set {} down", cable.interface));
    }

    pub(crate) fn up(&self, cable: &Cable) {
        self.ip(&format!("link set {} up", cable.interface));
    }

    pub(crate) fn change_address(&self, cable: &Cable, old: &str, new: &str) {
        self.ip(&format!("addr delete {old} dev {}", cable.interface));
        self.ip(&format!("addr add {new} dev {}", cable.interface));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
