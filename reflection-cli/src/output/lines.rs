// SPDX-License-Identifier: GPL-3.0-or-later
//! Lines for somebody who may not read them: the process that prints never waits for its reader.
//!
//! A thread writes what waits; where too much waits, lines are dropped and the next one that fits
//! is preceded by one that says how many.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

/// Lines that wait for the reader, beside what the pipe itself holds.
const LINES_WAITING_MAX: usize = 1_024;
/// How long the last lines may take at the end.
const END_TIMEOUT: Duration = Duration::from_millis(200);

/// See the module.
pub(crate) struct Lines {
    sender: SyncSender<String>,
    /// Closed by the thread when it ends.
    ended: Receiver<()>,
    missed: u64,
}

impl Lines {
    /// Starts the thread that writes to `out`.
    pub(crate) fn start(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, lines) = sync_channel::<String>(LINES_WAITING_MAX);
        let (end, ended) = sync_channel(1);
        std::thread::Builder::new()
            .name("output".into())
            .spawn(move || {
                let _end = end;
                while let Ok(line) = lines.recv() {
                    if out.write_all(line.as_bytes()).is_err() || out.flush().is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            sender,
            ended,
            missed: 0,
        })
    }

    /// Prints a line, or drops it where nobody reads. Fails once the reader has gone away.
    pub(crate) fn print(&mut self, line: &Value) -> io::Result<()> {
        if self.missed > 0 {
            let message = format!("{} events were dropped", self.missed);
            let note = json!({ "event": "error", "message": message });
            if self.offer(&note)? {
                self.missed = 0;
            }
        }
        if !self.offer(line)? {
            self.missed += 1;
        }
        Ok(())
    }

    fn offer(&self, line: &Value) -> io::Result<bool> {
        match self.sender.try_send(format!("{line}\n")) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => Ok(false),
            Err(TrySendError::Disconnected(_)) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Gives the last lines a moment to be written.
    pub(crate) fn end(self) {
        drop(self.sender);
        let _ = self.ended.recv_timeout(END_TIMEOUT);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc::channel;

    /// Takes a line each time that it is allowed to.
    struct Slow {
        asks: std::sync::mpsc::Sender<()>,
        allowed: Receiver<()>,
        taken: std::sync::mpsc::Sender<String>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.asks.send(());
            self.allowed.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            let line = String::from_utf8_lossy(bytes).into_owned();
            let _ = self.taken.send(line);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_does_not_read_is_told_later_what_was_missed_and_holds_nobody_up() {
        let (allow, allowed) = channel();
        let (taken, lines) = channel();
        let (asks, asked) = channel();
        let slow = Slow {
            asks,
            allowed,
            taken,
        };
        let mut out = Lines::start(slow).unwrap();
        out.print(&json!({ "event": 0 })).unwrap();
        // The thread holds that line, beside those that wait from now on.
        asked.recv().unwrap();
        for number in 0..LINES_WAITING_MAX + 99 {
            out.print(&json!({ "event": number })).unwrap();
        }
        let missed = out.missed;
        assert_eq!(missed, 99);
        for _ in 0..LINES_WAITING_MAX {
            allow.send(()).unwrap();
            lines.recv().unwrap();
        }
        out.print(&json!({ "event": "after" })).unwrap();
        for _ in 0..3 {
            allow.send(()).unwrap();
        }
        drop(allow);
        out.end();
        let rest: Vec<String> = lines.iter().collect();
        let note = format!("{missed} events were dropped");
        let at = rest.iter().position(|line| line.contains(&note)).unwrap();
        assert!(rest[at + 1].contains("after"));
    }
}
